#include "cache/disk/store_session.h"

#include "cache/disk/store_files.h"
#include "core/error.h"
#include "core/log.h"

#include <algorithm>
#include <cstring>
#include <set>
#include <system_error>
#include <utility>

namespace lockstep {
namespace {

using Results = std::vector<std::optional<std::string>>;

/// Sets the message of a page unless it has one.
void fail(std::optional<std::string>& result, std::string message) {
  if (!result) result = std::move(message);
}

/// Empty if every layer of every head has its CRC32C.
std::string check_layers(std::span<const std::byte> heads, std::span<const uint32_t> crcs, const RecordShape& shape) {
  const LayerBlocks blocks = shape.blocks();
  const auto stride = static_cast<size_t>(shape.aligned_payload_bytes());
  for (size_t i = 0; i < crcs.size(); ++i) {
    const size_t head = i / static_cast<size_t>(shape.num_layers), layer = i % static_cast<size_t>(shape.num_layers);
    const auto offset = head * stride + static_cast<size_t>(blocks.offset_of(static_cast<int64_t>(layer)));
    const auto bytes = static_cast<size_t>(blocks.bytes_of(static_cast<int64_t>(layer)));
    if (crc32c(heads.subspan(offset, bytes)) == crcs[i]) continue;
    return fmt::format("layer {} of head {} in the record has a wrong checksum", layer, head);
  }
  return {};
}

/// What a drop of somebody else's record still has to say: nothing once the segment is gone.
bool is_target_there(const std::filesystem::path& directory, const LogEntry& drop) {
  std::error_code ignored;
  return std::filesystem::exists(segment_path(directory, drop.writer, drop.segment), ignored);
}

void clear_padding(std::span<std::byte> heads, const RecordShape& shape) {
  const auto stride = static_cast<size_t>(shape.aligned_payload_bytes());
  const auto used = static_cast<size_t>(shape.payload_bytes());
  for (size_t at = 0; at < heads.size(); at += stride) std::memset(heads.data() + at + used, 0, stride - used);
}

}  // namespace

StoreSession::StoreSession(const DiskStoreOptions& options, OpenedStore opened)
    : directory_(options.directory),
      calls_(opened.calls),
      facts_(opened.facts),
      payload_(std::move(opened.engine.engine), facts_.shape, options.packing_level, options.packing_threads),
      log_(std::move(opened.log)),
      index_(std::move(opened.index)),
      own_(directory_, facts_, opened.num_segments, opened.engine.open_flags, options.packing_level > 0, calls_) {}

Results StoreSession::write(std::span<const DiskStore::Write> pages) {
  Results results(pages.size());
  std::vector<OwnSegments::Slot> slots;
  std::vector<PayloadIo::Write> writes;
  std::set<std::shared_ptr<OpenSegment>> touched;
  for (size_t i = 0; i < pages.size(); ++i) {
    OwnSegments::Slot slot = own_.take(pages[i].attempt.value_or(own_.next_attempt()));
    if (slot.segment) {
      writes.push_back({slot.segment->file.fd(), facts_.slot_offset(slot.slot), pages[i].heads});
      touched.insert(slot.segment);
    } else {
      results[i] = slot.problem;
    }
    slots.push_back(std::move(slot));
  }
  payload_.write(writes);
  std::vector<std::vector<RecordPacking>> packing(pages.size());
  auto write = writes.begin();
  for (size_t i = 0; i < pages.size(); ++i) {
    if (!slots[i].segment) continue;
    if (!write->problem.empty())
      results[i] =
          fmt::format("cannot write {} at {}: {}", slots[i].segment->path.string(), write->offset, write->problem);
    packing[i] = std::move(write->packing);
    ++write;
  }
  // Data first, then the entries that make it visible.
  for (const auto& segment : touched) {
    std::string problem;
    if (const int error = calls_->sync(segment->file.fd()); error != 0)
      problem = fmt::format("cannot sync {}: {}", segment->path.string(), error_text(error));
    else if (facts_of(segment->file.fd()).num_names == 0)
      problem = fmt::format("{} was removed", segment->path.string());
    for (size_t i = 0; !problem.empty() && i < pages.size(); ++i) {
      if (slots[i].segment == segment) fail(results[i], problem);
    }
  }
  std::vector<LogEntry> entries;
  for (size_t i = 0; i < pages.size(); ++i) {
    if (results[i]) continue;
    last_time_ = std::max(calls_->now(), last_time_ + 1);  // the order of pages is that of their writes
    entries.push_back({EntryKind::kPage,
                       facts_.writer,
                       slots[i].segment->index,
                       slots[i].slot,
                       pages[i].key,
                       facts_.heads,
                       last_time_,
                       {pages[i].layer_crcs.begin(), pages[i].layer_crcs.end()},
                       std::move(packing[i])});
  }
  const std::string problem = log_->append(entries);
  auto entry = entries.begin();
  for (size_t i = 0; i < pages.size(); ++i) {
    if (!problem.empty()) fail(results[i], problem);
    if (results[i]) continue;
    written_ += facts_.page_bytes();
    written_stored_ += stored_bytes(entry->packing, facts_.shape);
    index_.add(entry->key, {slots[i].segment, entry->slot, entry->heads, entry->time, std::move(entry->layer_crcs),
                            std::move(entry->packing)});
    ++entry;
    slots[i].segment->live_heads += facts_.heads.count;
    ++num_own_copies_;
  }
  own_.remove_empty();
  return results;
}

Results StoreSession::read(std::span<const DiskStore::Read> pages) {
  Results results(pages.size());
  std::vector<std::vector<PagePart>> parts(pages.size());
  std::vector<PayloadIo::Read> reads;
  const int64_t stride = facts_.shape.aligned_payload_bytes();
  const auto memory_of = [&](size_t page, const PagePart& part) {
    return pages[page].heads.subspan(static_cast<size_t>((part.heads.first - facts_.heads.first) * stride),
                                     static_cast<size_t>(part.heads.count * stride));
  };
  for (size_t i = 0; i < pages.size(); ++i) {
    parts[i] = index_.find(pages[i].key);
    if (parts[i].empty()) results[i] = fmt::format("page {} is not in the disk cache", pages[i].key.to_string());
    for (const PagePart& part : parts[i])
      reads.push_back({part.copy->segment->file.fd(), part.offset(), part.packing(), memory_of(i, part)});
  }
  payload_.read(reads);
  size_t next = 0;
  for (size_t i = 0; i < pages.size(); ++i) {
    int64_t stored = 0;
    for (const PagePart& part : parts[i]) {
      const PayloadIo::Read& read = reads[next++];
      const std::span<std::byte> memory = read.heads;
      const std::string problem =
          read.problem.empty() ? check_layers(memory, part.layer_crcs(), facts_.shape) : read.problem;
      if (!problem.empty())
        fail(results[i],
             fmt::format("cannot read {} at {}: {}", part.copy->segment->path.string(), read.offset, problem));
      stored += part.stored_bytes();
      clear_padding(memory, facts_.shape);
      std::ranges::copy(part.layer_crcs(), pages[i].layer_crcs.begin() +
                                               (part.heads.first - facts_.heads.first) * facts_.shape.num_layers);
    }
    if (results[i]) continue;
    read_ += facts_.page_bytes();
    read_stored_ += stored;
  }
  return results;
}

std::optional<std::string> StoreSession::forget(std::span<const Hash128> keys) {
  std::vector<LogEntry> drops;
  std::vector<PageCopy> copies;
  const int64_t now = calls_->now();
  for (const Hash128& key : keys) {
    for (PageCopy& copy : index_.remove(key)) {
      drops.push_back(
          {EntryKind::kDrop, copy.segment->facts.writer, copy.segment->index, copy.slot, key, copy.heads, now, {}});
      if (copy.segment->is_own)
        --num_own_copies_;
      else
        foreign_drops_.push_back(drops.back());
      copies.push_back(std::move(copy));
    }
  }
  std::string problem = log_->append(drops);
  let_go(copies);
  own_.remove_empty();
  copies.clear();  // closes removed segments: on a full disk there may be room now
  if (!problem.empty()) problem = log_->append(drops);
  shorten_log();
  if (problem.empty()) return std::nullopt;
  return problem;
}

void StoreSession::let_go(const std::vector<PageCopy>& copies) {
  for (const PageCopy& copy : copies) copy.segment->live_heads -= copy.heads.count;
  std::set<std::shared_ptr<OpenSegment>> emptied;
  for (const PageCopy& copy : copies) {
    const OpenSegment& segment = *copy.segment;
    if (!segment.is_own && !segment.may_grow && segment.live_heads == 0) emptied.insert(copy.segment);
  }
  // Other readers hold it shared; the last to let go removes it, or the next to open.
  for (const auto& segment : emptied) {
    if (try_lock(segment->file.fd(), true)) calls_->unlink(segment->path);
  }
}

std::vector<LogEntry> StoreSession::needed_entries() const {
  std::vector<LogEntry> entries;
  for (const auto& [key, copies] : index_.pages()) {
    for (const PageCopy& copy : copies) {
      if (!copy.segment->is_own) continue;
      entries.push_back({EntryKind::kPage, facts_.writer, copy.segment->index, copy.slot, key, copy.heads, copy.time,
                         copy.layer_crcs, copy.packing});
    }
  }
  for (const LogEntry& drop : foreign_drops_) {
    if (is_target_there(directory_, drop)) entries.push_back(drop);
  }
  return entries;
}

void StoreSession::shorten_log() {
  constexpr int64_t kFewEntries = 64;
  const int64_t needed = num_own_copies_ + static_cast<int64_t>(foreign_drops_.size());
  if (log_->num_entries() <= 2 * needed + kFewEntries) return;
  try {
    using std::chrono::milliseconds;
    const FileHandle lock = lock_directory(directory_, calls_, milliseconds(0));
    if (!lock) return;  // somebody opens the store; another time
    const std::vector<LogEntry> entries = needed_entries();
    if (const std::string problem = log_->rewrite(entries); !problem.empty())
      log_warn("disk cache: cannot rewrite the log: {}", problem);
    std::erase_if(foreign_drops_, [&](const LogEntry& drop) { return !is_target_there(directory_, drop); });
  } catch (const Error& error) {
    log_warn("disk cache: the log stays long: {}", error.what());
  }
}

DiskStoreBytes StoreSession::bytes() const { return {written_, read_, written_stored_, read_stored_}; }

void StoreSession::close() {
  own_.close();
  if (num_own_copies_ == 0 && foreign_drops_.empty()) log_->remove();
}

}  // namespace lockstep
