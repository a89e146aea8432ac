// One rank's side of a local group. Private to dist/comm/local/; made by LocalGroup.
#pragma once

#include "dist/comm/local/local_shared.h"
#include "dist/communicator.h"

#include <memory>

namespace lockstep {

class LocalCommunicator final : public Communicator {
 public:
  LocalCommunicator(std::shared_ptr<LocalShared> shared, Rank rank);

  Rank rank() const override { return rank_; }
  int32_t size() const override { return shared_->size; }
  std::string_view transport() const override { return "local"; }

  void* partial_buffer(int64_t bytes) override;
  void all_reduce_sum(const OpContext& context, ConstTensorView partial, TensorView out) override;

  void broadcast(std::span<std::byte> bytes, Rank root) override;
  void all_gather(std::span<const std::byte> in, std::span<std::byte> out) override;
  void gather(std::span<const std::byte> in, std::span<const int64_t> sizes, std::span<std::byte> out,
              Rank root) override;
  int64_t all_reduce_min(int64_t value) override;
  int64_t all_reduce_max(int64_t value) override;
  void barrier() override { shared_->barrier(); }
  std::unique_ptr<Mailbox> make_mailbox() override;
  std::unique_ptr<Communicator> split(int32_t color, int32_t key) override;

 private:
  template <class Read>
  void exchange(const void* mine, Read&& read);
  void reserve_sum(int64_t bytes);

  const std::shared_ptr<LocalShared> shared_;
  const Rank rank_;
  SharedSum sum_;
};

}  // namespace lockstep
