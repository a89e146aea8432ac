#include "cache/disk/store_opening.h"

#include "cache/disk/store_share.h"
#include "core/error.h"
#include "core/log.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <map>
#include <random>
#include <sys/resource.h>
#include <system_error>
#include <thread>
#include <utility>

namespace lockstep {
namespace {

uint64_t random_id() {
  std::random_device device;
  return uint64_t{device()} << 32 | device();
}

void check(const DiskStoreOptions& options) {
  LS_CHECK(options.shape.num_layers > 0 && options.shape.layer_bytes > 0 && options.heads.first >= 0 &&
               options.heads.count > 0 && options.num_writers > 0,
           "a disk store of {} layers of {} bytes, heads {} + {}, {} writers", options.shape.num_layers,
           options.shape.layer_bytes, options.heads.first, options.heads.count, options.num_writers);
}

/// Runs of heads that are alive and wanted.
void add_record(PageIndex& index, const std::shared_ptr<OpenSegment>& segment, const ScannedRecord& record,
                HeadRange wanted) {
  const HeadRange heads = record.entry.heads;
  const auto is_there = [&](int32_t head) {
    return heads.contains(head) && wanted.contains(head) && !record.dropped[static_cast<size_t>(head - heads.first)];
  };
  const int64_t layers = segment->facts.shape.num_layers;
  for (int32_t head = heads.first; head < heads.end(); ++head) {
    if (!is_there(head)) continue;
    const int32_t begin = head;
    while (is_there(head + 1)) ++head;
    const auto first = record.entry.layer_crcs.begin() + (begin - heads.first) * layers;
    const HeadRange run{begin, head + 1 - begin};
    const auto packing = record.entry.packing.begin() + (begin - heads.first);
    const std::span before(record.entry.packing.begin(), packing);
    index.add(record.entry.key, {segment,
                                 record.entry.slot,
                                 run,
                                 record.entry.time,
                                 {first, first + run.count * layers},
                                 {packing, packing + run.count},
                                 stored_bytes(before, segment->facts.shape)});
  }
}

using Segments = std::vector<std::shared_ptr<OpenSegment>>;

/// Enters all records of the rank's content; their files are not open yet.
Segments index_records(const StoreScan& scan, const WriterFacts& facts, PageIndex& index, DiskStoreOpening& report) {
  Segments segments;
  for (const auto& [id, writer] : scan.writers) {
    if (!writer.facts) continue;
    const bool is_ours = writer.facts->content == facts.content && writer.facts->shape == facts.shape;
    for (const auto& [number, scanned] : writer.segments) {
      if (!is_ours) report.pages_of_others += scanned.live_pages();
      if (!is_ours || !scanned.problem.empty()) continue;
      auto segment = std::make_shared<OpenSegment>();
      segment->path = scanned.path;
      segment->facts = *writer.facts;
      segment->index = number;
      segment->may_grow = writer.is_live;
      segment->live_heads = scanned.live_heads;
      for (const ScannedRecord& record : scanned.records) {
        // A file cut short by someone else: its last pages are not there.
        if (writer.facts->slot_offset(record.entry.slot + 1) > scanned.bytes) continue;
        add_record(index, segment, record, facts.heads);
      }
      segments.push_back(std::move(segment));
    }
  }
  return segments;
}

int open_for_reading(const std::filesystem::path& path, int flags, SystemCalls& calls) {
  const int fd = calls.open(path, O_RDONLY | flags);
  if (fd != -EMFILE) return fd;
  // A big store has more segments than a process may open by default; what it may open at most is another limit.
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return fd;
  limit.rlim_cur = limit.rlim_max;
  return ::setrlimit(RLIMIT_NOFILE, &limit) == 0 ? calls.open(path, O_RDONLY | flags) : fd;
}

void open_segments(OpenedStore& store, Segments segments) {
  store.pages = store.index.keep_whole_pages();
  bool has_failed = false;
  for (const auto& segment : segments) {
    if (segment.use_count() == 1) continue;  // none of its pages is whole for this rank
    const int fd = open_for_reading(segment->path, store.engine.open_flags, *store.calls);
    FileHandle file(store.calls, fd);
    if (file && try_lock(fd, false)) {
      segment->file = std::move(file);
      continue;
    }
    has_failed = true;
    store.report.problems.push_back(
        fmt::format("{} cannot be {}", segment->path.string(), file ? "locked" : "opened: " + error_text(fd)));
  }
  if (!has_failed) return;
  store.index.remove_unopened();
  store.pages = store.index.keep_whole_pages();
}

void report_problems(const StoreScan& scan, DiskStoreOpening& report) {
  for (const auto& [id, writer] : scan.writers) {
    if (!writer.problem.empty())
      report.problems.push_back(
          fmt::format("{} {}; it and its segments are left alone", writer.log.string(), writer.problem));
    for (const auto& [index, segment] : writer.segments) {
      if (!writer.facts && !writer.has_log)
        report.problems.push_back(
            fmt::format("{} {}, and has no log; it is left alone", segment.path.string(), segment.problem));
      if (!writer.facts) continue;
      // A living writer's segment may be in the making.
      if (!segment.problem.empty() && !writer.is_live)
        report.problems.push_back(fmt::format("{} {}; its pages are not used", segment.path.string(), segment.problem));
    }
  }
}

/// One attempt under the directory's lock. False: there is no room beside living jobs, and `may_wait`.
bool try_open(OpenedStore& store, const DiskStoreOptions& options, const SegmentPlan& plan, uint64_t new_group,
              bool may_wait) {
  const std::shared_ptr<SystemCalls>& calls = store.calls;
  const FileHandle lock = lock_directory(options.directory, calls, options.timeout);
  LS_REQUIRE(IoError, lock, "another process has held {} for {} ms", (options.directory / "lock").string(),
             options.timeout.count());
  if (!store.engine.engine) store.engine = choose_engine(options.io, options.directory, calls);
  StoreScan scan = scan_store(options.directory, calls);
  Cleaned cleaned;
  recover(scan, options.directory, calls, cleaned);
  WriterFacts& facts = store.facts;
  const StoreShare share = take_share(scan, facts, plan, new_group, calls, cleaned);
  clean_logs(scan, options.directory, calls, cleaned);
  store.report.removed_segments += cleaned.segments;
  store.report.removed_bytes += cleaned.segment_bytes;
  store.num_segments = share.budget_bytes / plan.segment_bytes;
  const bool has_living = std::ranges::any_of(scan.writers, [](const auto& writer) { return writer.second.is_live; });
  if (store.num_segments < 2 && has_living && may_wait) return false;
  facts.group = share.group;
  facts.budget_bytes = share.budget_bytes;
  facts.created = calls->now();
  do facts.writer = random_id();
  while (scan.writers.contains(facts.writer));
  open_segments(store, index_records(scan, facts, store.index, store.report));
  report_problems(scan, store.report);
  store.report.unreadable_bytes = scan.unreadable_segment_bytes();
  store.log = std::make_unique<WriterLog>(options.directory, facts, calls);
  return true;
}

}  // namespace

OpenedStore open_store(const DiskStoreOptions& options, const std::shared_ptr<SystemCalls>& calls) {
  check(options);
  const SegmentPlan plan =
      plan_segments(options.shape, options.heads.count, options.capacity_bytes, options.num_writers);
  std::error_code error;
  std::filesystem::create_directories(options.directory, error);
  LS_REQUIRE(IoError, !error, "cannot make {}: {}", options.directory.string(), error.message());

  OpenedStore store;
  store.calls = calls;
  store.index = PageIndex(options.heads);
  WriterFacts& facts = store.facts;
  facts.content = options.content;
  facts.shape = options.shape;
  facts.heads = options.heads;
  facts.pages_per_segment = plan.pages_per_segment;
  facts.num_writers = options.num_writers;
  facts.capacity_bytes = options.capacity_bytes;
  const auto give_up = std::chrono::steady_clock::now() + options.patience;
  const uint64_t new_group = random_id();
  // A job that just ended leaves no room until its ranks are gone, which takes a moment.
  while (!try_open(store, options, plan, new_group, std::chrono::steady_clock::now() < give_up)) {
    constexpr std::chrono::milliseconds kPause{50};
    std::this_thread::sleep_for(kPause);
  }
  store.report.pages = static_cast<int64_t>(store.pages.size());
  return store;
}

}  // namespace lockstep
