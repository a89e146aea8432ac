#include "cache/disk/transfer_engine.h"

#include <cerrno>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>
#include <utility>

namespace lockstep {
namespace {

class MmapEngine : public TransferEngine {
 public:
  explicit MmapEngine(std::shared_ptr<SystemCalls> calls) : calls_(std::move(calls)) {}

  void run(std::span<Transfer> transfers) override {
    for (Transfer& transfer : transfers) {
      const std::span<std::byte> bytes(transfer.data, static_cast<size_t>(transfer.bytes));
      transfer.error =
          transfer.is_write ? write_all(*calls_, transfer.fd, bytes, transfer.offset) : read_mapped(transfer);
    }
  }

 private:
  static int read_mapped(const Transfer& transfer) {
    if (facts_of(transfer.fd).bytes < transfer.offset + transfer.bytes) return -ENODATA;
    const auto bytes = static_cast<size_t>(transfer.bytes);
    void* mapping = ::mmap(nullptr, bytes, PROT_READ, MAP_SHARED, transfer.fd, transfer.offset);
    if (mapping == MAP_FAILED) return -errno;
    const int error = copy_out(static_cast<std::byte*>(mapping), transfer.data, bytes);
    ::munmap(mapping, bytes);
    return error;
  }

  /// Copies through the kernel: where the file was cut short or its disk fails, memcpy would end the process with
  /// SIGBUS, this returns an error.
  static int copy_out(std::byte* from, std::byte* to, size_t bytes) {
    size_t done = 0;
    while (done < bytes) {
      const iovec local{to + done, bytes - done}, remote{from + done, bytes - done};
      const ssize_t moved = ::process_vm_readv(::getpid(), &local, 1, &remote, 1, 0);
      if (moved < 0 && errno == EINTR) continue;
      if (moved < 0) return errno == EFAULT ? -EIO : -errno;
      if (moved == 0) return -EIO;
      done += static_cast<size_t>(moved);
    }
    return 0;
  }

  std::shared_ptr<SystemCalls> calls_;
};

}  // namespace

std::unique_ptr<TransferEngine> make_mmap_engine(const std::shared_ptr<SystemCalls>& calls) {
  return std::make_unique<MmapEngine>(calls);
}

}  // namespace lockstep
