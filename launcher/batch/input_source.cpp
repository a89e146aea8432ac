#include "launcher/batch/input_source.h"

#include "core/error.h"
#include "launcher/batch/compression.h"

#include <algorithm>
#include <fcntl.h>
#include <system_error>
#include <unistd.h>
#include <utility>
#include <vector>

namespace lockstep {
namespace {

namespace fs = std::filesystem;

constexpr size_t kChunkBytes = size_t{1} << 20;

File open_input(const fs::path& input, const std::string& name) {
  if (input == "-") return File::duplicate(STDIN_FILENO, name);
  File file(input, O_RDONLY);
  std::error_code ignored;
  LS_REQUIRE(IoError, !fs::is_directory(input, ignored), "cannot read {}: it is a directory", name);
  return file;
}

}  // namespace

fs::path spool_path(const fs::path& base) {
  fs::path path = base;
  return path += ".input";
}

InputSource::InputSource(const fs::path& input, const fs::path& spool, std::chrono::milliseconds patience)
    : input_(input), file_(spool), name_(input == "-" ? "standard input" : input.string()) {
  File from = open_input(input, name_);
  // Standard input redirected from a plain file is spooled too: other ranks cannot open it.
  if (input != "-" && from.is_regular() && compression_of_name(input) == Compression::kNone) {
    std::vector<std::byte> head(kMagicBytes);
    head.resize(static_cast<size_t>(from.read_some(head, 0)));
    if (compression_of_magic(head) == Compression::kNone) {
      file_ = input;
      return;
    }
  }
  try {
    unpack(from, patience);
  } catch (...) {
    remove_spool();
    throw;
  }
}

void InputSource::unpack(File& from, std::chrono::milliseconds patience) {
  spool_.emplace(open_and_lock(file_, file_.string(), patience));
  File& to = spool_->file;
  to.truncate(0);
  std::vector<std::byte> chunk(kChunkBytes);
  size_t got = static_cast<size_t>(from.read_next(chunk));
  Compression form = compression_of_name(input_);
  if (form == Compression::kNone) form = compression_of_magic(std::span(chunk).first(std::min(got, kMagicBytes)));
  int64_t written = 0;
  const auto unpacker = make_unpacker(form, name_, [&](std::span<const std::byte> bytes) {
    to.write(bytes, written);
    written += static_cast<int64_t>(bytes.size());
  });
  for (; got > 0; got = static_cast<size_t>(from.read_next(chunk))) unpacker->push(std::span(chunk).first(got));
  unpacker->finish();
  to.publish();
}

void InputSource::remove_spool() noexcept {
  if (!spool_) return;
  std::error_code ignored;
  fs::remove(file_, ignored);
  spool_.reset();
}

InputSource::~InputSource() { remove_spool(); }

}  // namespace lockstep
