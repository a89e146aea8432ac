#include "cache/disk/transfer_engine.h"

#include "cache/disk/aligned_bytes.h"
#include "core/error.h"

#include <algorithm>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace lockstep {
namespace {

struct Candidate {
  const char* engine;
  bool is_direct;
};

/// Writes a block to a file of its own and reads it back. Empty, or why that failed.
std::string try_out(TransferEngine& engine, int flags, const std::filesystem::path& directory,
                    const std::shared_ptr<SystemCalls>& calls) {
  // Only one process tries at a time: whoever opens a store holds its lock.
  const std::filesystem::path path = directory / "probe.tmp";
  const FileHandle file(calls, calls->open(path, O_RDWR | O_CREAT | O_TRUNC | flags));
  if (!file) return "open: " + error_text(calls->open(path, O_RDWR | O_CREAT | flags));
  AlignedBytes written(kDiskAlignment), read(kDiskAlignment);
  std::memset(written.data(), 0x5a, static_cast<size_t>(kDiskAlignment));
  std::memset(read.data(), 0, static_cast<size_t>(kDiskAlignment));
  std::string refusal;
  for (const bool is_write : {true, false}) {
    Transfer block{file.fd(), is_write, is_write ? written.data() : read.data(), kDiskAlignment, 0};
    engine.run({&block, 1});
    if (block.error != 0 && refusal.empty())
      refusal = std::string(is_write ? "write: " : "read: ") + error_text(block.error);
  }
  calls->unlink(path);
  if (refusal.empty() && std::memcmp(written.data(), read.data(), static_cast<size_t>(kDiskAlignment)) != 0)
    refusal = "a block read back is not what was written";
  return refusal;
}

std::vector<Candidate> candidates_of(std::string_view io) {
  if (io == "auto") return {{"io_uring", true}, {"pread", true}, {"pread", false}};
  if (io == "uring") return {{"io_uring", true}, {"io_uring", false}};
  if (io == "pread") return {{"pread", true}, {"pread", false}};
  if (io == "mmap") return {{"mmap", false}};
  LS_THROW(ConfigError, "way of disk I/O '{}' is unknown; accepted: auto, uring, pread, mmap", io);
}

}  // namespace

ChosenEngine choose_engine(std::string_view io, const std::filesystem::path& directory,
                           const std::shared_ptr<SystemCalls>& calls) {
  ChosenEngine chosen;
  for (const Candidate& candidate : candidates_of(io)) {
    const std::string_view kind = candidate.engine;
    std::string refusal;
    std::unique_ptr<TransferEngine> engine = kind == "io_uring" ? make_uring_engine(calls, refusal)
                                             : kind == "mmap"   ? make_mmap_engine(calls)
                                                                : make_pread_engine(calls);
    const int flags = candidate.is_direct ? O_DIRECT : 0;
    if (engine) refusal = try_out(*engine, flags, directory, calls);
    const std::string name = fmt::format("{}{}", kind, candidate.is_direct ? ", O_DIRECT" : ", page cache");
    if (refusal.empty()) {
      chosen.engine = std::move(engine);
      chosen.open_flags = flags;
      chosen.name = name;
      return chosen;
    }
    chosen.refusals += fmt::format("{}{}: {}", chosen.refusals.empty() ? "" : "; ", name, refusal);
  }
  LS_THROW(IoError, "no way of disk I/O works in {}: {}", directory.string(), chosen.refusals);
}

}  // namespace lockstep
