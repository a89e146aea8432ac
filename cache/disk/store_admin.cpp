#include "cache/disk/store_admin.h"

#include "cache/disk/aligned_bytes.h"
#include "cache/disk/store_cleaning.h"
#include "core/error.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <map>
#include <tuple>
#include <unordered_map>
#include <utility>

namespace lockstep {
namespace {

FileHandle lock_store(const std::filesystem::path& directory, const std::shared_ptr<SystemCalls>& calls) {
  constexpr std::chrono::seconds kPatience{30};
  std::error_code ignored;
  LS_REQUIRE(IoError, std::filesystem::exists(directory / "lock", ignored),
             "{} is no disk cache: it has no file named 'lock'", directory.string());
  FileHandle lock = lock_directory(directory, calls, kPatience);
  LS_REQUIRE(IoError, lock, "another process has held {} for {} s", (directory / "lock").string(), kPatience.count());
  return lock;
}

/// Of one record, on disk and as it is.
struct RecordMemory {
  explicit RecordMemory(const RecordShape& shape)
      : stored(shape.aligned_payload_bytes()), record(shape.aligned_payload_bytes()) {}
  AlignedBytes stored, record;
};

/// Checks the live heads of one record.
void verify_record(const ScannedSegment& segment, const ScannedRecord& record, const WriterFacts& facts, int fd,
                   SystemCalls& calls, RecordMemory& memory, Verified& verified,
                   const std::function<void(const std::string&)>& say) {
  const HeadRange& heads = record.entry.heads;
  const auto layers = static_cast<size_t>(facts.shape.num_layers);
  const LayerBlocks blocks = facts.shape.blocks();
  int64_t end = facts.slot_offset(record.entry.slot);
  for (int32_t i = 0; i < heads.count; ++i) {
    const RecordPacking& packing = record.entry.packing[static_cast<size_t>(i)];
    const int64_t offset = end, bytes_there = stored_bytes(packing, facts.shape);
    end += bytes_there;
    if (record.dropped[static_cast<size_t>(i)]) continue;
    const auto stored = memory.stored.span().first(static_cast<size_t>(bytes_there));
    std::string problem;
    if (const int error = read_all(calls, fd, stored, offset); error != 0) problem = error_text(error);
    if (problem.empty()) problem = unpack_record(stored, packing, facts.shape, memory.record.span());
    for (size_t layer = 0; problem.empty() && layer < layers; ++layer) {
      const auto number = static_cast<int64_t>(layer);
      const auto bytes = memory.record.span().subspan(static_cast<size_t>(blocks.offset_of(number)),
                                                      static_cast<size_t>(blocks.bytes_of(number)));
      if (crc32c(bytes) != record.entry.layer_crcs[static_cast<size_t>(i) * layers + layer])
        problem = fmt::format("layer {} has a wrong checksum", layer);
    }
    ++verified.records;
    verified.bytes += facts.shape.payload_bytes();
    verified.stored_bytes += bytes_there;
    if (problem.empty()) continue;
    ++verified.bad;
    say(fmt::format("{} at {}: page {}, head {}: {}", segment.path.string(), offset, record.entry.key.to_string(),
                    heads.first + i, problem));
  }
}

void verify_writer(const ScannedWriter& writer, SystemCalls& calls, const std::shared_ptr<SystemCalls>& shared,
                   Verified& verified, const std::function<void(const std::string&)>& say) {
  const auto bad = [&](const std::string& line) {
    ++verified.bad;
    say(line);
  };
  if (!writer.problem.empty()) bad(fmt::format("{} at 0: {}", writer.log.string(), writer.problem));
  if (!writer.facts || !writer.has_log) return;
  // A living writer may be in the middle of an entry.
  if (!writer.is_live && writer.log_bytes - writer.good_bytes >= writer.facts->entry_bytes())
    bad(fmt::format("{} at {}: no entry; {} bytes from here on are not used", writer.log.string(), writer.good_bytes,
                    writer.log_bytes - writer.good_bytes));
  RecordMemory memory(writer.facts->shape);
  for (const auto& [index, segment] : writer.segments) {
    if (segment.records.empty()) continue;
    if (!segment.problem.empty()) {
      bad(fmt::format("{} at 0: {}", segment.path.string(), segment.problem));
      continue;
    }
    const int fd = calls.open(segment.path, O_RDONLY);
    const FileHandle file(shared, fd);
    if (fd == -ENOENT) continue;  // reclaimed meanwhile
    if (fd < 0) {
      bad(fmt::format("{} at 0: cannot be opened: {}", segment.path.string(), error_text(fd)));
      continue;
    }
    for (const ScannedRecord& record : segment.records)
      verify_record(segment, record, *writer.facts, fd, calls, memory, verified, say);
  }
}

}  // namespace

StoreScan inspect_store(const std::filesystem::path& directory, const std::shared_ptr<SystemCalls>& calls) {
  const FileHandle lock = lock_store(directory, calls);
  StoreScan scan = scan_store(directory, calls);
  // Others would take a locked log for a living writer's.
  for (auto& [id, writer] : scan.writers) writer.lock = FileHandle();
  return scan;
}

std::vector<ContentSummary> summarise(const StoreScan& scan) {
  std::map<std::tuple<Hash128, int64_t, int64_t>, ContentSummary> contents;
  std::map<std::tuple<Hash128, int64_t, int64_t>, std::unordered_map<Hash128, std::vector<bool>>> pages;
  for (const auto& [id, writer] : scan.writers) {
    if (!writer.facts) continue;
    const std::tuple name(writer.facts->content, writer.facts->shape.num_layers, writer.facts->shape.layer_bytes);
    ContentSummary& content = contents[name];
    content.content = writer.facts->content;
    content.shape = writer.facts->shape;
    content.num_heads = std::max(content.num_heads, writer.facts->heads.end());
    for (const auto& [index, segment] : writer.segments) {
      if (!segment.problem.empty()) continue;
      content.payload_bytes += segment.live_heads * content.shape.payload_bytes();
      for (const ScannedRecord& record : segment.records) {
        for (int32_t i = 0; i < record.entry.heads.count; ++i) {
          if (record.dropped[static_cast<size_t>(i)]) continue;
          content.stored_bytes += stored_bytes(record.entry.packing[static_cast<size_t>(i)], content.shape);
          std::vector<bool>& heads = pages[name][record.entry.key];
          const auto head = static_cast<size_t>(record.entry.heads.first + i);
          if (heads.size() <= head) heads.resize(head + 1, false);
          heads[head] = true;
        }
      }
    }
  }
  std::vector<ContentSummary> list;
  for (auto& [name, content] : contents) {
    content.pages = static_cast<int64_t>(pages[name].size());
    content.whole_pages = std::ranges::count_if(pages[name], [&, wanted = content.num_heads](const auto& page) {
      return std::ranges::count(page.second, true) == wanted;
    });
    list.push_back(content);
  }
  return list;
}

Verified verify_store(const std::filesystem::path& directory, const std::shared_ptr<SystemCalls>& calls,
                      const std::function<void(const std::string&)>& say) {
  Verified verified;
  const StoreScan scan = inspect_store(directory, calls);
  for (const auto& [id, writer] : scan.writers) verify_writer(writer, *calls, calls, verified, say);
  return verified;
}

Purged purge_store(const std::filesystem::path& directory, const std::shared_ptr<SystemCalls>& calls,
                   std::optional<Hash128> content, bool all) {
  const FileHandle lock = lock_store(directory, calls);
  StoreScan scan = scan_store(directory, calls);
  Cleaned cleaned;
  recover(scan, directory, calls, cleaned);
  Purged purged;
  std::vector<std::pair<uint64_t, uint64_t>> victims;
  for (const auto& [id, writer] : scan.writers) {
    const bool is_asked = writer.facts ? !content || writer.facts->content == *content : all && !content;
    for (const auto& [index, segment] : writer.segments) {
      if (is_asked) victims.emplace_back(id, index);
    }
  }
  for (const auto& [writer, segment] : victims) {
    const int64_t bytes = scan.find_segment(writer, segment)->bytes;
    if (!remove_segment(scan, writer, segment, calls)) {
      ++purged.segments_in_use;
      continue;
    }
    ++cleaned.segments;
    cleaned.segment_bytes += bytes;
  }
  for (const auto& [id, writer] : scan.writers) {
    const bool is_unknown = all && !content && !writer.facts && writer.has_log && !writer.is_live;
    if (is_unknown && writer.segments.empty() && calls->unlink(writer.log) == 0) ++cleaned.logs;
  }
  clean_logs(scan, directory, calls, cleaned);
  for (const auto& [id, writer] : scan.writers)
    purged.unreadable_segments += writer.is_unreadable() ? static_cast<int64_t>(writer.segments.size()) : 0;
  purged.unreadable_bytes = scan.unreadable_segment_bytes();
  purged.segments = cleaned.segments;
  purged.segment_bytes = cleaned.segment_bytes;
  purged.logs = cleaned.logs;
  return purged;
}

}  // namespace lockstep
