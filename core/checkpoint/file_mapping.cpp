#include "core/checkpoint/file_mapping.h"

#include "core/error.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace lockstep {
namespace {

struct Descriptor {
  int value;
  ~Descriptor() {
    if (value >= 0) ::close(value);
  }
};

}  // namespace

FileMapping::FileMapping(const std::filesystem::path& path) {
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  LS_REQUIRE(IoError, file.value >= 0, "cannot open {}: {}", path.string(), std::strerror(errno));
  struct stat status {};
  LS_REQUIRE(IoError, ::fstat(file.value, &status) == 0, "cannot inspect {}: {}", path.string(), std::strerror(errno));
  LS_REQUIRE(IoError, S_ISREG(status.st_mode), "cannot map {}: not a regular file", path.string());
  size_ = static_cast<size_t>(status.st_size);
  if (size_ == 0) return;  // an empty mapping is not allowed by mmap, and not needed
  void* data = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file.value, 0);
  LS_REQUIRE(IoError, data != MAP_FAILED, "cannot map {} ({} bytes): {}", path.string(), size_, std::strerror(errno));
  data_ = data;
}

FileMapping::FileMapping(FileMapping&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

FileMapping& FileMapping::operator=(FileMapping&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

FileMapping::~FileMapping() {
  if (data_) ::munmap(data_, size_);
}

}  // namespace lockstep
