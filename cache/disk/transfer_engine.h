// Moves payload between memory and segment files in batches: through io_uring, pread/pwrite, or a mapping.
//
// Three bodies (uring_engine.cpp, pread_engine.cpp, mmap_engine.cpp) and the choice between them, which is made by
// trying: a block is written to the directory and read back.
#pragma once

#include "cache/disk/system_calls.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace lockstep {

/// Offset, memory and length of a transfer are multiples of this: what O_DIRECT asks of files and memory.
inline constexpr int64_t kDiskAlignment = 4096;

struct Transfer {
  int fd = -1;
  bool is_write = false;
  std::byte* data = nullptr;  // a write only reads it
  int64_t bytes = 0;
  int64_t offset = 0;
  int error = 0;  // out: 0, or -errno; -ENODATA where the file ends before
};

/// One thread at a time.
class TransferEngine {
 public:
  virtual ~TransferEngine() = default;
  /// Carries out all transfers, in any order, and sets their `error`. The kernel is done with all memory on return.
  virtual void run(std::span<Transfer> transfers) = 0;
};

// Each returns nullptr and says why in `refusal` where the kernel does not have it.
std::unique_ptr<TransferEngine> make_uring_engine(const std::shared_ptr<SystemCalls>& calls, std::string& refusal);
std::unique_ptr<TransferEngine> make_pread_engine(const std::shared_ptr<SystemCalls>& calls);
/// Reads through mappings; writes with pwrite.
std::unique_ptr<TransferEngine> make_mmap_engine(const std::shared_ptr<SystemCalls>& calls);

struct ChosenEngine {
  std::unique_ptr<TransferEngine> engine;
  int open_flags = 0;    // O_DIRECT, or 0: page cache
  std::string name;      // "io_uring, O_DIRECT"
  std::string refusals;  // why better ones were passed over; empty: the first choice
};

/// The first that works in `directory`. auto: io_uring with O_DIRECT, pread with O_DIRECT, pread. uring, pread: that
/// one with O_DIRECT or else without. mmap: that one. Throws: ConfigError for another name; IoError with every refusal
/// where none works.
ChosenEngine choose_engine(std::string_view io, const std::filesystem::path& directory,
                           const std::shared_ptr<SystemCalls>& calls);

}  // namespace lockstep
