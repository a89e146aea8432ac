#include "cache/disk/store_files.h"

#include "core/error.h"

#include <cerrno>
#include <charconv>
#include <fcntl.h>
#include <string_view>
#include <sys/file.h>
#include <thread>

namespace lockstep {
namespace {

/// Takes exactly `digits` lower-case hexadecimal digits off the front.
bool take_hex(std::string_view& text, size_t digits, uint64_t& value) {
  if (text.size() < digits) return false;
  for (const char c : text.substr(0, digits)) {
    if ((c < '0' || c > '9') && (c < 'a' || c > 'f')) return false;
  }
  std::from_chars(text.data(), text.data() + digits, value, 16);
  text.remove_prefix(digits);
  return true;
}

}  // namespace

std::filesystem::path log_path(const std::filesystem::path& directory, uint64_t writer) {
  return directory / fmt::format("w-{:016x}.log", writer);
}

std::filesystem::path new_log_path(const std::filesystem::path& directory, uint64_t writer) {
  return directory / fmt::format("w-{:016x}.log.new", writer);
}

std::filesystem::path segment_path(const std::filesystem::path& directory, uint64_t writer, uint64_t segment) {
  return directory / fmt::format("w-{:016x}-{:08x}.seg", writer, segment);
}

std::optional<StoreFile> parse_store_file(const std::string& name) {
  constexpr size_t kWriterDigits = 16, kSegmentDigits = 8;
  std::string_view rest = name;
  StoreFile file;
  if (!rest.starts_with("w-")) return std::nullopt;
  rest.remove_prefix(2);
  if (!take_hex(rest, kWriterDigits, file.writer)) return std::nullopt;
  if (rest == ".log") return file;
  file.kind = StoreFileKind::kNewLog;
  if (rest == ".log.new") return file;
  file.kind = StoreFileKind::kSegment;
  if (!rest.starts_with("-")) return std::nullopt;
  rest.remove_prefix(1);
  if (!take_hex(rest, kSegmentDigits, file.segment) || rest != ".seg") return std::nullopt;
  return file;
}

FileHandle lock_directory(const std::filesystem::path& directory, const std::shared_ptr<SystemCalls>& calls,
                          std::chrono::milliseconds patience) {
  constexpr std::chrono::milliseconds kPause{5};
  const std::filesystem::path path = directory / "lock";
  const int fd = calls->open(path, O_RDWR | O_CREAT);
  LS_REQUIRE(IoError, fd >= 0, "cannot open {}: {}", path.string(), error_text(fd));
  FileHandle file(calls, fd);
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (!try_lock(fd, true)) {
    LS_REQUIRE(IoError, errno == EWOULDBLOCK, "cannot lock {}: {}; a disk store needs a local file system with locks",
               path.string(), error_text(errno));
    if (std::chrono::steady_clock::now() >= deadline) return {};
    std::this_thread::sleep_for(kPause);
  }
  return file;
}

}  // namespace lockstep
