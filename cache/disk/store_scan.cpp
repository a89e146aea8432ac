#include "cache/disk/store_scan.h"

#include "cache/disk/aligned_bytes.h"
#include "core/error.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <system_error>

namespace lockstep {
namespace {

void scan_log(ScannedWriter& writer, const std::shared_ptr<SystemCalls>& calls) {
  const int fd = calls->open(writer.log, O_RDWR);
  FileHandle file(calls, fd);
  if (!file) {
    writer.problem = "cannot be opened: " + error_text(fd);
    writer.is_live = fd != -ENOENT;  // not known to be dead
    return;
  }
  writer.is_live = !try_lock(file.fd(), true);
  writer.log_bytes = std::max<int64_t>(facts_of(file.fd()).bytes, 0);
  std::vector<std::byte> bytes(static_cast<size_t>(writer.log_bytes));
  if (const int error = read_all(*calls, file.fd(), bytes, 0); error != 0) {
    writer.problem = "cannot be read: " + error_text(error);
  } else {
    writer.facts = decode_log_header(bytes, writer.problem);
    if (writer.facts) writer.entries = read_entries(*writer.facts, bytes, writer.good_bytes);
  }
  if (!writer.is_live) writer.lock = std::move(file);
}

void scan_segment(ScannedWriter& writer, uint64_t index, ScannedSegment& segment,
                  const std::shared_ptr<SystemCalls>& calls) {
  const int fd = calls->open(segment.path, O_RDONLY);
  const FileHandle file(calls, fd);
  AlignedBytes header(kSegmentHeaderBytes);
  int error = fd;
  if (file) {
    const FileFacts facts = facts_of(fd);
    segment.bytes = std::max<int64_t>(facts.bytes, 0);
    segment.block_bytes = facts.block_bytes;
    error = read_all(*calls, fd, header.span(), 0);
  }
  if (error < 0) {
    segment.problem = "cannot be read: " + error_text(error);
  } else if (writer.has_log && writer.facts) {
    segment.problem = check_segment_header(header.span(), *writer.facts, index);
  } else {
    const auto facts = decode_segment_header(header.span(), segment.problem);
    if (!writer.has_log && !writer.facts) writer.facts = facts;
  }
}

void place_records(StoreScan& scan) {
  for (auto& [id, writer] : scan.writers) {
    for (LogEntry& entry : writer.entries) {
      if (entry.kind != EntryKind::kPage) continue;
      const auto segment = writer.segments.find(entry.segment);
      if (segment == writer.segments.end()) continue;
      std::vector<bool> dropped(static_cast<size_t>(entry.heads.count), false);
      segment->second.records.push_back({entry, std::move(dropped)});
      segment->second.live_heads += entry.heads.count;
    }
    for (auto& [index, segment] : writer.segments) {
      std::ranges::stable_sort(segment.records, {}, [](const ScannedRecord& r) { return r.entry.slot; });
    }
  }
}

void apply_drop(StoreScan& scan, const LogEntry& drop) {
  const auto writer = scan.writers.find(drop.writer);
  if (writer == scan.writers.end()) return;
  const auto found = writer->second.segments.find(drop.segment);
  if (found == writer->second.segments.end()) return;
  ScannedSegment& segment = found->second;
  const auto slot_of = [](const ScannedRecord& r) { return r.entry.slot; };
  auto record = std::ranges::lower_bound(segment.records, drop.slot, {}, slot_of);
  for (; record != segment.records.end() && record->entry.slot == drop.slot; ++record) {
    if (record->entry.key != drop.key) continue;
    const HeadRange& heads = record->entry.heads;
    for (int32_t head = std::max(heads.first, drop.heads.first); head < std::min(heads.end(), drop.heads.end());
         ++head) {
      auto dropped = record->dropped[static_cast<size_t>(head - heads.first)];
      segment.live_heads -= dropped ? 0 : 1;
      dropped = true;
    }
  }
}

}  // namespace

int64_t ScannedSegment::live_pages() const {
  return std::ranges::count_if(records, [](const ScannedRecord& record) {
    return std::ranges::find(record.dropped, false) != record.dropped.end();
  });
}

int64_t ScannedWriter::segment_bytes() const {
  int64_t bytes = 0;
  for (const auto& [index, segment] : segments) bytes += segment.bytes;
  return bytes;
}

const ScannedSegment* StoreScan::find_segment(uint64_t writer, uint64_t segment) const {
  const auto owner = writers.find(writer);
  if (owner == writers.end()) return nullptr;
  const auto found = owner->second.segments.find(segment);
  return found == owner->second.segments.end() ? nullptr : &found->second;
}

int64_t StoreScan::dead_segment_bytes() const {
  int64_t bytes = 0;
  for (const auto& [id, writer] : writers) bytes += writer.is_live ? 0 : writer.segment_bytes();
  return bytes;
}

int64_t StoreScan::unreadable_segment_bytes() const {
  int64_t bytes = 0;
  for (const auto& [id, writer] : writers) bytes += writer.is_unreadable() ? writer.segment_bytes() : 0;
  return bytes;
}

std::vector<LogEntry> read_entries(const WriterFacts& facts, std::span<const std::byte> log, int64_t& good_bytes) {
  std::vector<LogEntry> entries;
  const auto size = static_cast<int64_t>(log.size()), entry_bytes = facts.entry_bytes();
  good_bytes = std::min(kLogHeaderBytes, size);
  while (size - good_bytes >= entry_bytes) {
    const auto bytes = log.subspan(static_cast<size_t>(good_bytes), static_cast<size_t>(entry_bytes));
    auto entry = decode_entry(facts, entries.size(), bytes);
    if (!entry) break;
    entries.push_back(std::move(*entry));
    good_bytes += entry_bytes;
  }
  return entries;
}

StoreScan scan_store(const std::filesystem::path& directory, const std::shared_ptr<SystemCalls>& calls) {
  StoreScan scan;
  std::error_code error;
  for (std::filesystem::directory_iterator at(directory, error), end; !error && at != end; at.increment(error)) {
    const auto file = parse_store_file(at->path().filename().string());
    if (!file) continue;
    if (file->kind == StoreFileKind::kNewLog) {
      scan.leftovers.push_back(at->path());
      continue;
    }
    ScannedWriter& writer = scan.writers[file->writer];
    writer.log = log_path(directory, file->writer);
    if (file->kind == StoreFileKind::kLog)
      writer.has_log = true;
    else
      writer.segments[file->segment].path = at->path();
  }
  LS_REQUIRE(IoError, !error, "cannot list {}: {}", directory.string(), error.message());
  for (auto& [id, writer] : scan.writers) {
    if (writer.has_log) scan_log(writer, calls);
    if (writer.facts && writer.facts->writer != id) {
      writer.facts.reset();
      writer.entries.clear();
      writer.problem = "is the log of another writer";
    }
    for (auto& [index, segment] : writer.segments) scan_segment(writer, index, segment, calls);
  }
  place_records(scan);
  for (const auto& [id, writer] : scan.writers) {
    for (const LogEntry& entry : writer.entries) {
      if (entry.kind == EntryKind::kDrop) apply_drop(scan, entry);
    }
  }
  return scan;
}

}  // namespace lockstep
