#include "cache/disk/store_cleaning.h"

#include "core/log.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <tuple>
#include <utility>
#include <vector>

namespace lockstep {
namespace {

/// Logs shorter than this are not worth rewriting.
constexpr size_t kFewEntries = 64;

/// When the segment's first page was written; of one without pages, when its writer began.
int64_t birth_of(const ScannedWriter& writer, const ScannedSegment& segment) {
  int64_t birth = segment.records.empty() ? writer.facts->created : segment.records.front().entry.time;
  for (const ScannedRecord& record : segment.records) birth = std::min(birth, record.entry.time);
  return birth;
}

void truncate_log(ScannedWriter& writer, SystemCalls& calls) {
  if (writer.good_bytes >= writer.log_bytes) return;
  log_info("disk cache: {} ends in {} bytes that are no entries; cut off", writer.log.string(),
           writer.log_bytes - writer.good_bytes);
  int error = calls.truncate(writer.lock.fd(), writer.good_bytes);
  if (error == 0) error = calls.sync(writer.lock.fd());
  if (error != 0) log_warn("disk cache: cannot shorten {}: {}", writer.log.string(), error_text(error));
}

}  // namespace

bool remove_segment(StoreScan& scan, uint64_t writer, uint64_t segment, const std::shared_ptr<SystemCalls>& calls) {
  ScannedWriter& owner = scan.writers.at(writer);
  const ScannedSegment& victim = owner.segments.at(segment);
  if (owner.is_live) return false;
  const FileHandle file(calls, calls->open(victim.path, O_RDONLY));
  if (file && !try_lock(file.fd(), true)) return false;
  if (file && calls->unlink(victim.path) != 0) return false;
  owner.segments.erase(segment);
  return true;
}

void recover(StoreScan& scan, const std::filesystem::path& directory, const std::shared_ptr<SystemCalls>& calls,
             Cleaned& cleaned) {
  for (const auto& leftover : scan.leftovers) calls->unlink(leftover);
  std::vector<std::pair<uint64_t, uint64_t>> empty;
  for (auto& [id, writer] : scan.writers) {
    if (writer.is_live || !writer.facts) continue;
    if (writer.has_log) truncate_log(writer, *calls);
    for (const auto& [index, segment] : writer.segments) {
      const bool is_understood = writer.has_log || segment.problem.empty();
      if (segment.live_heads == 0 && is_understood) empty.emplace_back(id, index);
    }
  }
  for (const auto& [writer, segment] : empty) {
    const int64_t bytes = scan.find_segment(writer, segment)->bytes;
    if (!remove_segment(scan, writer, segment, calls)) continue;
    ++cleaned.segments;
    cleaned.segment_bytes += bytes;
  }
  calls->sync_directory(directory);
}

void reclaim(StoreScan& scan, int64_t bytes, const std::shared_ptr<SystemCalls>& calls, Cleaned& cleaned) {
  int64_t held = scan.dead_segment_bytes();
  if (held <= bytes) return;
  std::vector<std::tuple<int64_t, uint64_t, uint64_t>> by_age;
  for (const auto& [id, writer] : scan.writers) {
    if (writer.is_live || !writer.facts || !writer.has_log) continue;
    for (const auto& [index, segment] : writer.segments) by_age.emplace_back(birth_of(writer, segment), id, index);
  }
  std::ranges::sort(by_age);
  for (const auto& [birth, writer, segment] : by_age) {
    if (held <= bytes) return;
    const int64_t freed = scan.find_segment(writer, segment)->bytes;
    if (!remove_segment(scan, writer, segment, calls)) continue;
    held -= freed;
    ++cleaned.segments;
    cleaned.segment_bytes += freed;
  }
}

bool is_needed(const StoreScan& scan, const LogEntry& entry) {
  const ScannedSegment* segment = scan.find_segment(entry.writer, entry.segment);
  if (segment == nullptr) return false;
  if (entry.kind == EntryKind::kDrop) return true;
  const auto same_slot =
      std::ranges::equal_range(segment->records, entry.slot, {}, [](const ScannedRecord& r) { return r.entry.slot; });
  return std::ranges::any_of(same_slot, [&](const ScannedRecord& record) {
    return record.entry.key == entry.key && std::ranges::find(record.dropped, false) != record.dropped.end();
  });
}

void clean_logs(StoreScan& scan, const std::filesystem::path& directory, const std::shared_ptr<SystemCalls>& calls,
                Cleaned& cleaned) {
  calls->sync_directory(directory);  // segments are gone for good before the drops that emptied them are
  std::vector<uint64_t> gone;
  for (auto& [id, writer] : scan.writers) {
    if (writer.is_live || !writer.facts || !writer.has_log) continue;
    std::vector<LogEntry> needed;
    for (const LogEntry& entry : writer.entries) {
      if (is_needed(scan, entry)) needed.push_back(entry);
    }
    if (needed.empty() && writer.segments.empty()) {
      if (calls->unlink(writer.log) != 0) continue;
      ++cleaned.logs;
      gone.push_back(id);
    } else if (writer.entries.size() > 2 * needed.size() + kFewEntries) {
      const NewLog log = replace_log(directory, *writer.facts, needed, calls);
      if (!log.problem.empty()) log_warn("disk cache: cannot rewrite {}: {}", writer.log.string(), log.problem);
    }
  }
  for (const uint64_t id : gone) scan.writers.erase(id);
}

NewLog replace_log(const std::filesystem::path& directory, const WriterFacts& facts, std::span<const LogEntry> entries,
                   const std::shared_ptr<SystemCalls>& calls) {
  NewLog log;
  const std::filesystem::path path = new_log_path(directory, facts.writer);
  std::vector<std::byte> bytes = encode_log_header(facts);
  for (size_t i = 0; i < entries.size(); ++i) {
    const std::vector<std::byte> entry = encode_entry(facts, i, entries[i]);
    bytes.insert(bytes.end(), entry.begin(), entry.end());
  }
  const int fd = calls->open(path, O_RDWR | O_CREAT | O_TRUNC);
  FileHandle file(calls, fd);
  int error = fd < 0 ? fd : write_all(*calls, fd, bytes, 0);
  if (error == 0) error = calls->sync(fd);
  if (error == 0 && !try_lock(fd, true)) error = -errno;
  if (error == 0) error = calls->rename(path, log_path(directory, facts.writer));
  log.is_replaced = error == 0;
  if (error == 0) error = calls->sync_directory(directory);
  if (error != 0) log.problem = error_text(error);
  if (error != 0 && !log.is_replaced) calls->unlink(path);
  log.bytes = static_cast<int64_t>(bytes.size());
  log.file = std::move(file);
  return log;
}

}  // namespace lockstep
