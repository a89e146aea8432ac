#include "dist/comm/mpi/mpi_mailbox.h"

#include "dist/comm/mpi/check.h"
#include "dist/comm/mpi/mpi_environment.h"

#include <limits>
#include <list>
#include <utility>

namespace lockstep {
namespace {

constexpr int kTag = 0;
constexpr int kRoot = 0;

class MpiMailbox final : public Mailbox {
 public:
  explicit MpiMailbox(std::unique_ptr<OwnedComm> comm) : comm_(std::move(comm)) {}
  ~MpiMailbox() override {
    if (!may_release_mpi_objects()) return;
    for (Sending& sending : sending_) MPI_Wait(&sending.request, MPI_STATUS_IGNORE);
  }
  MpiMailbox(const MpiMailbox&) = delete;
  MpiMailbox& operator=(const MpiMailbox&) = delete;

  void send(std::span<const std::byte> message) override {
    LS_REQUIRE(CommError, message.size() <= static_cast<size_t>(std::numeric_limits<int>::max()),
               "a message of {} bytes; at most {} can be sent", message.size(), std::numeric_limits<int>::max());
    advance();
    Sending& sending = sending_.emplace_back();
    sending.bytes.assign(message.begin(), message.end());
    LS_MPI(MPI_Isend(sending.bytes.data(), static_cast<int>(message.size()), MPI_BYTE, kRoot, kTag, comm_->get(),
                     &sending.request));
  }

  void advance() override {
    for (auto it = sending_.begin(); it != sending_.end();) {
      int done = 0;
      LS_MPI(MPI_Test(&it->request, &done, MPI_STATUS_IGNORE));
      it = done != 0 ? sending_.erase(it) : std::next(it);
    }
  }

  std::optional<std::vector<std::byte>> poll() override {
    int arrived = 0;
    MPI_Status status;
    LS_MPI(MPI_Iprobe(MPI_ANY_SOURCE, kTag, comm_->get(), &arrived, &status));
    if (arrived == 0) return std::nullopt;
    int bytes = 0;
    LS_MPI(MPI_Get_count(&status, MPI_BYTE, &bytes));
    std::vector<std::byte> message(static_cast<size_t>(bytes));
    LS_MPI(MPI_Recv(message.data(), bytes, MPI_BYTE, status.MPI_SOURCE, kTag, comm_->get(), MPI_STATUS_IGNORE));
    return message;
  }

 private:
  struct Sending {
    std::vector<std::byte> bytes;
    MPI_Request request = MPI_REQUEST_NULL;
  };

  std::unique_ptr<OwnedComm> comm_;
  std::list<Sending> sending_;  // a list: MPI holds the addresses
};

}  // namespace

std::unique_ptr<Mailbox> make_mpi_mailbox(const MpiEnvironment&) {
  return make_mpi_mailbox(std::make_unique<OwnedComm>(duplicate_world()));
}

std::unique_ptr<Mailbox> make_mpi_mailbox(std::unique_ptr<OwnedComm> comm) {
  return std::make_unique<MpiMailbox>(std::move(comm));
}

}  // namespace lockstep
