#include "cache/disk/transfer_engine.h"

#include <utility>

namespace lockstep {
namespace {

/// One call after the other: works everywhere.
class PreadEngine : public TransferEngine {
 public:
  explicit PreadEngine(std::shared_ptr<SystemCalls> calls) : calls_(std::move(calls)) {}

  void run(std::span<Transfer> transfers) override {
    for (Transfer& transfer : transfers) {
      const std::span<std::byte> bytes(transfer.data, static_cast<size_t>(transfer.bytes));
      transfer.error = transfer.is_write ? write_all(*calls_, transfer.fd, bytes, transfer.offset)
                                         : read_all(*calls_, transfer.fd, bytes, transfer.offset);
    }
  }

 private:
  std::shared_ptr<SystemCalls> calls_;
};

}  // namespace

std::unique_ptr<TransferEngine> make_pread_engine(const std::shared_ptr<SystemCalls>& calls) {
  return std::make_unique<PreadEngine>(calls);
}

}  // namespace lockstep
