#include "launcher/batch/output_stream.h"

#include "core/error.h"

#include <fcntl.h>
#include <signal.h>
#include <span>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace lockstep {
namespace {

namespace fs = std::filesystem;

constexpr size_t kBufferBytes = size_t{1} << 20;

/// While it lives, writing to a pipe that nobody reads is an error (EPIPE) instead of the end of the process.
class NoPipeSignal {
 public:
  NoPipeSignal() {
    struct sigaction ignore {};
    ignore.sa_handler = SIG_IGN;
    ::sigaction(SIGPIPE, &ignore, &before_);
  }
  ~NoPipeSignal() { ::sigaction(SIGPIPE, &before_, nullptr); }
  NoPipeSignal(const NoPipeSignal&) = delete;
  NoPipeSignal& operator=(const NoPipeSignal&) = delete;

 private:
  struct sigaction before_ {};
};

File open_output(const fs::path& name) {
  if (name == "-") return File::duplicate(STDOUT_FILENO, "standard output");
  return File(partial_path(name), O_WRONLY | O_CREAT | O_TRUNC);
}

}  // namespace

fs::path partial_path(const fs::path& name) {
  fs::path path = name;
  return path += ".partial";
}

OutputStream::OutputStream(fs::path name) : name_(std::move(name)), file_(open_output(name_)) {
  packer_ = make_packer(compression_of_name(name_), [this](std::span<const std::byte> bytes) {
    const NoPipeSignal guard;
    file_.write_next(bytes);
  });
  buffer_.reserve(kBufferBytes);
}

OutputStream::~OutputStream() {
  if (is_committed_ || name_ == "-") return;
  std::error_code ignored;
  fs::remove(partial_path(name_), ignored);
}

void OutputStream::write_line(std::string_view line) {
  if (buffer_.size() + line.size() >= kBufferBytes) give_buffer();
  buffer_ += line;
  buffer_ += '\n';
}

void OutputStream::give_buffer() {
  packer_->push(std::as_bytes(std::span(buffer_)));
  buffer_.clear();
}

void OutputStream::finish() {
  give_buffer();
  packer_->finish();
  if (name_ != "-" || file_.is_regular()) file_.sync();
}

void OutputStream::commit() {
  if (name_ != "-") replace_file(partial_path(name_), name_);
  is_committed_ = true;
}

}  // namespace lockstep
