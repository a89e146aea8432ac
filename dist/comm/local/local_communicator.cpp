#include "dist/comm/local/local_communicator.h"

#include "core/error.h"
#include "dist/comm/collective_checks.h"
#include "dist/comm/local/local_mailbox.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace lockstep {
namespace {

std::vector<SharedSumFlags*> flags_of(LocalShared& shared) {
  std::vector<SharedSumFlags*> flags;
  for (SharedSumFlags& one : shared.flags) flags.push_back(&one);
  return flags;
}

void copy_bytes(void* to, const void* from, size_t bytes) {
  if (bytes > 0 && to != from) std::memcpy(to, from, bytes);
}

struct Membership {
  int32_t color, key, rank;
};

// What a rank shows while a broadcast or all-gather runs.
struct Part {
  const std::byte* data;
  size_t bytes;
};

}  // namespace

LocalCommunicator::LocalCommunicator(std::shared_ptr<LocalShared> shared, Rank rank)
    : shared_(std::move(shared)),
      rank_(rank),
      sum_(rank.value(), flags_of(*shared_), [abort = shared_->abort] { abort->check(); }) {}

// Shows `mine` to the others, calls read(r, what rank r shows) for every rank, and returns when all have read.
template <class Read>
void LocalCommunicator::exchange(const void* mine, Read&& read) {
  shared_->published[static_cast<size_t>(rank_.value())] = mine;
  shared_->barrier();
  for (int32_t r = 0; r < size(); ++r) read(r, shared_->published[static_cast<size_t>(r)]);
  shared_->barrier();
}

void LocalCommunicator::reserve_sum(int64_t bytes) {
  if (bytes <= sum_.capacity() && sum_.capacity() > 0) return;
  const int64_t capacity = shared_sum_capacity(bytes);
  shared_->barrier();  // nobody reads the old buffers any more
  shared_->sum_buffers[static_cast<size_t>(rank_.value())] = Buffer(2 * capacity);
  shared_->barrier();
  std::vector<std::byte*> pieces;
  for (const Buffer& buffer : shared_->sum_buffers) pieces.push_back(static_cast<std::byte*>(buffer.data()));
  sum_.use_buffers(std::move(pieces), capacity);
}

void* LocalCommunicator::partial_buffer(int64_t bytes) {
  shared_->abort->check();
  reserve_sum(bytes);
  return sum_.next_buffer();
}

void LocalCommunicator::all_reduce_sum(const OpContext& context, ConstTensorView partial, TensorView out) {
  check_all_reduce(*this, context, Device::cpu(), partial, out);
  shared_->abort->check();
  const int64_t count = out.shape().num_elements();
  reserve_sum(count * size_of(DType::kF32));
  sum_.all_reduce(partial.as<float>(), out.as<float>(), count, context.threads);
}

void LocalCommunicator::broadcast(std::span<std::byte> bytes, Rank root) {
  check_root(*this, root);
  const Part mine{bytes.data(), bytes.size()};
  size_t root_bytes = 0;
  exchange(&mine, [&](int32_t r, const void* shown) {
    if (r != root.value()) return;
    const auto& part = *static_cast<const Part*>(shown);
    root_bytes = part.bytes;
    copy_bytes(bytes.data(), part.data, std::min(part.bytes, bytes.size()));
  });
  LS_REQUIRE(CommError, root_bytes == bytes.size(), "broadcast: rank {} sends {} bytes, rank {} expects {}",
             root.value(), root_bytes, rank_.value(), bytes.size());
}

void LocalCommunicator::all_gather(std::span<const std::byte> in, std::span<std::byte> out) {
  check_all_gather(*this, in, out);
  const Part mine{in.data(), in.size()};
  bool equal = true;
  exchange(&mine, [&](int32_t r, const void* shown) {
    const auto& part = *static_cast<const Part*>(shown);
    equal = equal && part.bytes == in.size();
    copy_bytes(out.data() + static_cast<size_t>(r) * in.size(), part.data, std::min(part.bytes, in.size()));
  });
  LS_REQUIRE(CommError, equal, "all-gather: ranks bring different sizes; rank {} brings {} bytes", rank_.value(),
             in.size());
}

void LocalCommunicator::gather(std::span<const std::byte> in, std::span<const int64_t> sizes, std::span<std::byte> out,
                               Rank root) {
  check_gather(*this, in, sizes, out, root);
  std::byte* to = out.data();
  exchange(in.data(), [&](int32_t r, const void* shown) {
    if (rank_ != root) return;
    const auto bytes = static_cast<size_t>(sizes[static_cast<size_t>(r)]);
    copy_bytes(to, shown, bytes);
    to += bytes;
  });
}

int64_t LocalCommunicator::all_reduce_min(int64_t value) {
  int64_t least = value;
  exchange(&value, [&](int32_t, const void* shown) { least = std::min(least, *static_cast<const int64_t*>(shown)); });
  return least;
}

int64_t LocalCommunicator::all_reduce_max(int64_t value) {
  int64_t most = value;
  exchange(&value, [&](int32_t, const void* shown) { most = std::max(most, *static_cast<const int64_t*>(shown)); });
  return most;
}

std::unique_ptr<Mailbox> LocalCommunicator::make_mailbox() {
  std::shared_ptr<LocalMessages> messages;
  if (rank_.value() == 0) messages = std::make_shared<LocalMessages>();
  const std::shared_ptr<LocalMessages> made = messages;
  exchange(&made, [&](int32_t r, const void* shown) {
    if (r == 0) messages = *static_cast<const std::shared_ptr<LocalMessages>*>(shown);
  });
  return make_local_mailbox(std::move(messages));
}

std::unique_ptr<Communicator> LocalCommunicator::split(int32_t color, int32_t key) {
  LS_REQUIRE(CommError, color >= 0, "split into color {}; colors are not negative", color);
  const Membership mine{color, key, rank_.value()};
  std::vector<Membership> members;
  exchange(&mine, [&](int32_t, const void* shown) {
    const auto& other = *static_cast<const Membership*>(shown);
    if (other.color == color) members.push_back(other);
  });
  std::stable_sort(members.begin(), members.end(), [](const auto& a, const auto& b) { return a.key < b.key; });
  const auto place = std::find_if(members.begin(), members.end(), [&](const auto& m) { return m.rank == mine.rank; });

  // The first member makes what the new group shares; the others take it from there.
  const int32_t founder = members.front().rank;
  std::shared_ptr<LocalShared> group;
  if (founder == rank_.value()) {
    group = std::make_shared<LocalShared>(static_cast<int32_t>(members.size()), shared_->abort);
  }
  const std::shared_ptr<LocalShared> made = group;
  exchange(&made, [&](int32_t r, const void* shown) {
    if (r == founder) group = *static_cast<const std::shared_ptr<LocalShared>*>(shown);
  });
  return std::make_unique<LocalCommunicator>(std::move(group), Rank(static_cast<int32_t>(place - members.begin())));
}

}  // namespace lockstep
