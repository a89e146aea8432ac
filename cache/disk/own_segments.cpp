#include "cache/disk/own_segments.h"

#include "cache/disk/aligned_bytes.h"
#include "cache/disk/store_files.h"
#include "core/error.h"
#include "core/log.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <utility>
#include <vector>

namespace lockstep {

OwnSegments::OwnSegments(std::filesystem::path directory, const WriterFacts& facts, int64_t most, int open_flags,
                         bool is_sparse, std::shared_ptr<SystemCalls> calls)
    : directory_(std::move(directory)),
      facts_(facts),
      most_(most),
      open_flags_(open_flags),
      is_sparse_(is_sparse),
      calls_(std::move(calls)) {}

OwnSegments::Slot OwnSegments::take(uint64_t attempt) {
  const auto pages = static_cast<uint64_t>(facts_.pages_per_segment);
  next_attempt_ = std::max(next_attempt_, attempt + 1);
  const uint64_t index = attempt / pages;
  Slot slot;
  slot.slot = static_cast<uint32_t>(attempt % pages);
  if (!segments_.contains(index)) slot.problem = create(index);
  if (slot.problem.empty()) slot.segment = segments_.at(index);
  return slot;
}

std::string OwnSegments::create(uint64_t index) {
  if (static_cast<int64_t>(segments_.size()) >= most_)
    return fmt::format("all {} segments of this rank hold pages", most_);
  const std::filesystem::path path = segment_path(directory_, facts_.writer, index);
  const int fd = calls_->open(path, O_RDWR | O_CREAT | O_EXCL | open_flags_);
  if (fd < 0) return fmt::format("cannot make {}: {}", path.string(), error_text(fd));
  FileHandle file(calls_, fd);
  int error = try_lock(fd, false) ? 0 : -errno;
  if (error == 0) error = is_sparse_ ? -EOPNOTSUPP : calls_->allocate(fd, facts_.segment_bytes());
  // Sparse, or Lustre, some FUSE: without blocks set aside, a full disk shows at a page's write, and fails that page.
  if (error == -EOPNOTSUPP || error == -ENOSYS || error == -EINVAL)
    error = calls_->truncate(fd, facts_.segment_bytes());
  const std::vector<std::byte> header = encode_segment_header(facts_, index);
  AlignedBytes aligned(kSegmentHeaderBytes);
  std::memcpy(aligned.data(), header.data(), header.size());
  if (error == 0) error = write_all(*calls_, fd, aligned.span(), 0);
  if (error == 0) error = calls_->sync(fd);
  if (error == 0) error = calls_->sync_directory(directory_);
  if (error != 0) {
    calls_->unlink(path);
    return fmt::format("cannot make {} of {} bytes: {}", path.string(), facts_.segment_bytes(), error_text(error));
  }
  auto segment = std::make_shared<OpenSegment>();
  segment->file = std::move(file);
  segment->path = path;
  segment->facts = facts_;
  segment->index = index;
  segment->is_own = true;
  segments_[index] = std::move(segment);
  return {};
}

void OwnSegments::remove(uint64_t index) {
  const auto segment = segments_.find(index);
  const int error = calls_->unlink(segment->second->path);
  if (error != 0 && error != -ENOENT)
    log_warn("disk cache: cannot remove {}: {}", segment->second->path.string(), error_text(error));
  segments_.erase(segment);
}

void OwnSegments::remove_empty() {
  const uint64_t current = next_attempt_ / static_cast<uint64_t>(facts_.pages_per_segment);
  std::vector<uint64_t> empty;
  for (const auto& [index, segment] : segments_) {
    if (segment->live_heads == 0 && index < current) empty.push_back(index);
  }
  for (const uint64_t index : empty) remove(index);
}

void OwnSegments::close() {
  const auto pages = static_cast<uint64_t>(facts_.pages_per_segment);
  std::vector<uint64_t> empty;
  for (const auto& [index, segment] : segments_) {
    if (segment->live_heads == 0) empty.push_back(index);
  }
  for (const uint64_t index : empty) remove(index);
  const auto last = segments_.find(next_attempt_ / pages);
  if (last == segments_.end()) return;
  const auto used = static_cast<uint32_t>(next_attempt_ % pages);
  const int error = calls_->truncate(last->second->file.fd(), facts_.slot_offset(used));
  if (error != 0) log_warn("disk cache: cannot shorten {}: {}", last->second->path.string(), error_text(error));
}

}  // namespace lockstep
