#include "launcher/eval/logit_spool.h"

#include "core/error.h"

#include <atomic>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>
#include <utility>

namespace lockstep {
namespace {

File open_unnamed(const std::filesystem::path& directory) {
  static std::atomic<int> number = 0;
  File file(directory / fmt::format("lockstep-eval-{}-{}.logits", ::getpid(), number++), O_RDWR | O_CREAT | O_EXCL,
            0600);
  remove_file(file.path());
  return file;
}

}  // namespace

LogitSpool::LogitSpool(std::filesystem::path directory, int64_t vocab_size)
    : directory_(std::move(directory)),
      vocab_size_(vocab_size),
      file_(open_unnamed(directory_)),
      row_(static_cast<size_t>(vocab_size)) {}

void LogitSpool::grow(int64_t num_rows) {
  LS_CHECK(num_rows >= num_rows_, "{} rows after {}", num_rows, num_rows_);
  if (num_rows == num_rows_) return;
  const int64_t bytes = offset_of(num_rows);
  const int status = ::posix_fallocate(file_.descriptor(), offset_of(num_rows_), bytes - offset_of(num_rows_));
  LS_REQUIRE(IoError, status == 0,
             "temporary = '{}': the logits of {} tokens take {} bytes: {}; compare fewer (--rows, --tokens) or name "
             "another directory",
             directory_.string(), num_rows, bytes, std::strerror(status));
  num_rows_ = num_rows;
}

void LogitSpool::write(int64_t row, std::span<const float> logits) {
  LS_CHECK(row >= 0 && row < num_rows_ && logits.size() == row_.size(), "row {} of {}, {} logits of {}", row, num_rows_,
           logits.size(), vocab_size_);
  file_.write(std::as_bytes(logits), offset_of(row));
}

std::span<const float> LogitSpool::read(int64_t row) {
  LS_CHECK(row >= 0 && row < num_rows_, "row {} of {}", row, num_rows_);
  file_.read(std::as_writable_bytes(std::span(row_)), offset_of(row));
  return row_;
}

int64_t LogitSpool::offset_of(int64_t row) const { return row * vocab_size_ * static_cast<int64_t>(sizeof(float)); }

}  // namespace lockstep
