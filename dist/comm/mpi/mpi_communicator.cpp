#include "dist/comm/mpi/mpi_communicator.h"

#include "core/error.h"
#include "dist/comm/collective_checks.h"
#include "dist/comm/mpi/check.h"
#include "dist/comm/mpi/host_sum.h"
#include "dist/comm/mpi/mpi_mailbox.h"

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

namespace lockstep {
namespace {

int to_count(size_t bytes, const char* what) {
  constexpr auto kMost = static_cast<size_t>(std::numeric_limits<int>::max());
  LS_REQUIRE(CommError, bytes <= kMost, "{} of {} bytes; MPI takes up to {}", what, bytes, kMost);
  return static_cast<int>(bytes);
}

std::unique_ptr<HostSum> make_sum(MPI_Comm comm, Transport transport) {
  if (transport == Transport::kMpi) return make_message_sum(comm);
  const bool shares = is_within_node(comm);
  LS_REQUIRE(ConfigError, shares || transport == Transport::kAuto,
             "transport shared_memory for a group of {} ranks that spans nodes; accepted: auto, mpi", size_of(comm));
  return shares ? make_shared_memory_sum(comm) : make_message_sum(comm);
}

// Within the eager limit of every transport of Open MPI, the least being 4 KiB with its header.
constexpr size_t kShortMessage = 3584;

class MpiCommunicator final : public Communicator {
 public:
  MpiCommunicator(MPI_Comm comm, Transport transport)
      : comm_(comm),
        rank_(rank_of(comm)),
        size_(size_of(comm)),
        requested_(transport),
        sum_(make_sum(comm, transport)) {}

  Rank rank() const override { return rank_; }
  int32_t size() const override { return size_; }
  std::string_view transport() const override { return sum_->transport(); }

  void* partial_buffer(int64_t bytes) override { return sum_->partial_buffer(bytes); }

  void all_reduce_sum(const OpContext& context, ConstTensorView partial, TensorView out) override {
    check_all_reduce(*this, context, Device::cpu(), partial, out);
    sum_->all_reduce(partial.as<float>(), out.as<float>(), out.shape().num_elements(), context.threads);
  }

  void broadcast(std::span<std::byte> bytes, Rank root) override {
    check_root(*this, root);
    const int count = to_count(bytes.size(), "broadcast");
    if (bytes.size() <= kShortMessage) return send_to_all(bytes, count, root);
    complete([&](MPI_Request* request) {
      LS_MPI(MPI_Ibcast(bytes.data(), count, MPI_BYTE, root.value(), comm_.get(), request));
    });
  }

  void all_gather(std::span<const std::byte> in, std::span<std::byte> out) override {
    check_all_gather(*this, in, out);
    to_count(out.size(), "all-gather");
    const int count = to_count(in.size(), "all-gather");
    complete([&](MPI_Request* request) {
      LS_MPI(MPI_Iallgather(in.data(), count, MPI_BYTE, out.data(), count, MPI_BYTE, comm_.get(), request));
    });
  }

  void gather(std::span<const std::byte> in, std::span<const int64_t> sizes, std::span<std::byte> out,
              Rank root) override {
    check_gather(*this, in, sizes, out, root);
    to_count(out.size(), "gather");
    std::vector<int> counts, offsets;
    size_t offset = 0;
    for (const int64_t size : sizes) {
      counts.push_back(to_count(static_cast<size_t>(size), "gather"));
      offsets.push_back(rank_ == root ? to_count(offset, "gather") : 0);
      offset += static_cast<size_t>(size);
    }
    const int count = counts[static_cast<size_t>(rank_.value())];
    complete([&](MPI_Request* request) {
      LS_MPI(MPI_Igatherv(in.data(), count, MPI_BYTE, out.data(), counts.data(), offsets.data(), MPI_BYTE, root.value(),
                          comm_.get(), request));
    });
  }

  int64_t all_reduce_min(int64_t value) override { return reduce(value, MPI_MIN); }
  int64_t all_reduce_max(int64_t value) override { return reduce(value, MPI_MAX); }

  void barrier() override {
    complete([&](MPI_Request* request) { LS_MPI(MPI_Ibarrier(comm_.get(), request)); });
  }

  std::unique_ptr<Mailbox> make_mailbox() override {
    MPI_Comm duplicate = MPI_COMM_NULL;
    LS_MPI(MPI_Comm_dup(comm_.get(), &duplicate));
    return make_mpi_mailbox(std::make_unique<OwnedComm>(duplicate));
  }

  std::unique_ptr<Communicator> split(int32_t color, int32_t key) override {
    LS_REQUIRE(CommError, color >= 0, "split into color {}; colors are not negative", color);
    MPI_Comm part = MPI_COMM_NULL;
    LS_MPI(MPI_Comm_split(comm_.get(), color, key, &part));
    return std::make_unique<MpiCommunicator>(part, requested_);
  }

 private:
  // Starts an operation and waits for it. Non-blocking forms throughout: a waiting rank gives up its core.
  template <class Start>
  void complete(Start&& start) {
    MPI_Request request = MPI_REQUEST_NULL;
    start(&request);
    wait_for(request);
  }

  // Messages that short MPI takes over at once: the root does not wait for ranks that have no core now, as it may in a
  // collective.
  void send_to_all(std::span<std::byte> bytes, int count, Rank root) {
    constexpr int kTag = 1;
    if (rank_ != root) {
      return complete([&](MPI_Request* request) {
        LS_MPI(MPI_Irecv(bytes.data(), count, MPI_BYTE, root.value(), kTag, comm_.get(), request));
      });
    }
    std::vector<MPI_Request> requests(static_cast<size_t>(size_), MPI_REQUEST_NULL);
    for (int32_t rank = 0; rank < size_; ++rank) {
      if (rank == root.value()) continue;
      LS_MPI(MPI_Isend(bytes.data(), count, MPI_BYTE, rank, kTag, comm_.get(), &requests[static_cast<size_t>(rank)]));
    }
    for (const MPI_Request request : requests) wait_for(request);
  }

  int64_t reduce(int64_t value, MPI_Op operation) {
    int64_t result = 0;
    complete([&](MPI_Request* request) {
      LS_MPI(MPI_Iallreduce(&value, &result, 1, MPI_INT64_T, operation, comm_.get(), request));
    });
    return result;
  }

  const OwnedComm comm_;
  const Rank rank_;
  const int32_t size_;
  const Transport requested_;
  const std::unique_ptr<HostSum> sum_;  // before comm_ in destruction: its windows belong to it
};

}  // namespace

std::unique_ptr<Communicator> make_mpi_communicator(const MpiEnvironment&, Transport transport) {
  LS_CHECK(transport != Transport::kNccl, "the MPI communicator sums in host memory; nccl is made by {}",
           "make_nccl_communicator");
  return std::make_unique<MpiCommunicator>(duplicate_world(), transport);
}

}  // namespace lockstep
