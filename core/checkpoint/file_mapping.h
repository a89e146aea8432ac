// A file mapped read-only into memory.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>

namespace lockstep {

/// Move-only. The bytes must not be truncated while mapped (touching a page that is gone raises SIGBUS).
class FileMapping {
 public:
  /// Maps the whole of a regular file privately. Throws IoError naming the file and the system's reason.
  explicit FileMapping(const std::filesystem::path& path);
  FileMapping(FileMapping&& other) noexcept;
  FileMapping& operator=(FileMapping&& other) noexcept;
  ~FileMapping();

  std::span<const std::byte> bytes() const { return {static_cast<const std::byte*>(data_), size_}; }
  std::string_view text() const { return {static_cast<const char*>(data_), size_}; }

 private:
  void* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace lockstep
