// The thread that calls the disk store: gathers transfers that are ready into batches; what is to be forgotten first,
// reads and writes in turns. Private to cache/transfer/.
#pragma once

#include "cache/transfer/host_pool.h"
#include "cache/transfer/page_file.h"
#include "cache/transfer/transfer.h"

#include <array>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace lockstep {

/// What the disk's thread needs of the mover. Thread-safe.
class DiskClient {
 public:
  virtual ~DiskClient() = default;
  /// Takes up a transfer. False: there is nothing to do for it.
  virtual bool start(const std::shared_ptr<Transfer>& transfer) = 0;
  /// The delay that is in store for it. False: it failed meanwhile.
  virtual bool sit_out_delay(const std::shared_ptr<Transfer>& transfer) = 0;
  virtual void flip_bit(const Transfer& transfer) = 0;
  /// "" : it succeeded.
  virtual void finish(const std::shared_ptr<Transfer>& transfer, const std::string& failure) = 0;
};

class DiskThread {
 public:
  DiskThread(PageFile& file, HostPool& host, DiskClient& client, int64_t batch_pages);
  /// Works off what is queued, then ends the thread.
  ~DiskThread();
  DiskThread(const DiskThread&) = delete;
  DiskThread& operator=(const DiskThread&) = delete;

  void push(const std::shared_ptr<Transfer>& transfer);

 private:
  using Batch = std::vector<std::shared_ptr<Transfer>>;
  enum Kind : size_t { kRead, kWrite, kForget, kNumKinds };

  void run();
  void carry_out(Kind kind, const Batch& batch);
  std::vector<PageFile::Result> call(Kind kind, const Batch& batch);

  PageFile& file_;
  HostPool& host_;
  DiskClient& client_;
  const size_t batch_pages_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::array<std::deque<std::shared_ptr<Transfer>>, kNumKinds> queues_;
  bool stop_ = false;
  std::thread thread_;  // last: it uses the members above
};

}  // namespace lockstep
