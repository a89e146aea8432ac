// Memory aligned as O_DIRECT asks for it, for headers and whole-store checks; payload lies in the caller's own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <span>

namespace lockstep {

/// `bytes` of uninitialised memory at a multiple of 4096. Move-only. Throws std::bad_alloc.
class AlignedBytes {
 public:
  AlignedBytes() = default;
  explicit AlignedBytes(int64_t bytes)
      : data_(static_cast<std::byte*>(::operator new(static_cast<size_t>(bytes), kAlignment))), bytes_(bytes) {}

  std::byte* data() const { return data_.get(); }
  std::span<std::byte> span() const { return {data_.get(), static_cast<size_t>(bytes_)}; }

 private:
  static constexpr std::align_val_t kAlignment{4096};
  struct Free {
    void operator()(std::byte* data) const noexcept { ::operator delete(data, kAlignment); }
  };
  std::unique_ptr<std::byte, Free> data_;
  int64_t bytes_ = 0;
};

}  // namespace lockstep
