#include "launcher/batch/file_lock.h"

#include "core/error.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/file.h>
#include <thread>
#include <utility>

namespace lockstep {
namespace {

/// False on a file system that has no locks. Throws IoError if another process holds it at the end of `patience`.
bool lock_or_throw(const File& file, std::string_view what, std::chrono::milliseconds patience) {
  constexpr std::chrono::milliseconds kPause{50};
  const auto deadline = std::chrono::steady_clock::now() + patience;
  int code = 0;
  while (::flock(file.descriptor(), LOCK_EX | LOCK_NB) != 0) {
    code = errno;
    if (code == EINTR) continue;
    if (code != EWOULDBLOCK || std::chrono::steady_clock::now() >= deadline) break;
    std::this_thread::sleep_for(kPause);
    code = 0;
  }
  if (code == 0 || code == EINTR) return true;
  LS_REQUIRE(IoError, code != EWOULDBLOCK, "another job is writing {} (it holds {})", what, file.path().string());
  // Lustre mounted without -o flock, some FUSE file systems.
  LS_REQUIRE(IoError, code == ENOSYS || code == EOPNOTSUPP || code == ENOLCK, "cannot lock {}: {}",
             file.path().string(), std::strerror(code));
  return false;
}

}  // namespace

LockedFile open_and_lock(const std::filesystem::path& path, std::string_view what, std::chrono::milliseconds patience) {
  for (;;) {
    File file(path, O_RDWR | O_CREAT);
    const bool is_held = lock_or_throw(file, what, patience);
    // The process that held it before may have removed the file between our open and our lock.
    if (file.is_at_path()) return {std::move(file), is_held};
  }
}

}  // namespace lockstep
