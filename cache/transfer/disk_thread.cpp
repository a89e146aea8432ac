#include "cache/transfer/disk_thread.h"

#include "core/error.h"
#include "core/log.h"

#include <exception>
#include <pthread.h>
#include <utility>

namespace lockstep {

DiskThread::DiskThread(PageFile& file, HostPool& host, DiskClient& client, int64_t batch_pages)
    : file_(file), host_(host), client_(client), batch_pages_(static_cast<size_t>(batch_pages)), thread_([this] {
        run();
      }) {
  pthread_setname_np(thread_.native_handle(), "ls-disk");
}

DiskThread::~DiskThread() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void DiskThread::push(const std::shared_ptr<Transfer>& transfer) {
  const Kind kind = transfer->is_on(TransferChannel::kFromDisk) ? kRead
                    : transfer->is_on(TransferChannel::kToDisk) ? kWrite
                                                                : kForget;
  {
    const std::lock_guard lock(mutex_);
    queues_[kind].push_back(transfer);
  }
  changed_.notify_all();
}

void DiskThread::run() {
  size_t turn = 0;
  for (;;) {
    Batch batch;
    std::unique_lock lock(mutex_);
    const auto has_work = [this] {
      for (const auto& queue : queues_) {
        if (!queue.empty()) return true;
      }
      return false;
    };
    changed_.wait(lock, [&] { return stop_ || has_work(); });
    if (!has_work()) return;
    // A write may need the segment that is to be emptied.
    if (!queues_[kForget].empty()) turn = kForget;
    while (queues_[turn % kNumKinds].empty()) ++turn;
    const auto kind = static_cast<Kind>(turn++ % kNumKinds);
    auto& queue = queues_[kind];
    while (!queue.empty() && batch.size() < batch_pages_) {
      batch.push_back(std::move(queue.front()));
      queue.pop_front();
    }
    lock.unlock();
    carry_out(kind, batch);
  }
}

void DiskThread::carry_out(Kind kind, const Batch& batch) {
  Batch ready;
  for (const auto& transfer : batch) {
    if (!client_.start(transfer)) continue;
    if (!client_.sit_out_delay(transfer)) {
      client_.finish(transfer, "");
    } else if (transfer->faults.failure) {
      client_.finish(transfer, *transfer->faults.failure);
    } else {
      ready.push_back(transfer);
    }
  }
  if (ready.empty()) return;
  std::vector<PageFile::Result> results;
  try {
    results = call(kind, ready);
    LS_CHECK(results.size() == ready.size(), "the disk store answered for {} of {} pages", results.size(),
             ready.size());
  } catch (const std::exception& error) {
    results.assign(ready.size(), error.what());
  }
  if (kind == kForget && results[0]) log_warn("the disk store cannot forget {} pages: {}", ready.size(), *results[0]);
  for (size_t i = 0; i < ready.size(); ++i) {
    if (kind == kRead && !results[i] && ready[i]->faults.flips_bit) client_.flip_bit(*ready[i]);
    const bool is_wordless = results[i] && results[i]->empty();
    client_.finish(ready[i], is_wordless ? "the disk store failed" : results[i].value_or(""));
  }
}

std::vector<PageFile::Result> DiskThread::call(Kind kind, const Batch& batch) {
  if (kind == kRead) {
    std::vector<PageFile::Read> reads;
    for (const auto& one : batch) {
      if (one->computed) one->computed->synchronize();  // it may read what lay there
      reads.push_back({one->key, host_.slot(one->host_slot), host_.crcs(one->host_slot)});
    }
    return file_.read(reads);
  }
  if (kind == kWrite) {
    std::vector<PageFile::Write> writes;
    for (const auto& one : batch)
      writes.push_back({one->key, host_.slot(one->host_slot), host_.crcs(one->host_slot), one->number});
    return file_.write(writes);
  }
  std::vector<Hash128> keys;
  for (const auto& one : batch) keys.push_back(one->key);
  return std::vector<PageFile::Result>(batch.size(), file_.forget(keys));
}

}  // namespace lockstep
