// A directory on a file system of a given size, for tests of a full disk: a tmpfs, which takes root.
#pragma once

#include "tests/support/temporary_directory.h"

#include <filesystem>
#include <string>
#include <sys/mount.h>

namespace lockstep::testing_support {

class SmallDisk {
 public:
  explicit SmallDisk(int64_t bytes) {
    const std::string size = "size=" + std::to_string(bytes);
    is_mounted_ = ::mount("tmpfs", dir_.path().c_str(), "tmpfs", 0, size.c_str()) == 0;
  }
  ~SmallDisk() {
    if (is_mounted_) ::umount2(dir_.path().c_str(), MNT_DETACH);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  /// False where mounting is not allowed: the test skips.
  bool is_mounted() const { return is_mounted_; }
  std::filesystem::path operator/(const std::string& name) const { return dir_ / name; }

 private:
  TemporaryDirectory dir_;
  bool is_mounted_ = false;
};

}  // namespace lockstep::testing_support
