#include "dist/communicator.h"

namespace lockstep {

std::vector<std::byte> broadcast_bytes(Communicator& communicator, std::span<const std::byte> bytes, Rank root) {
  const bool is_root = communicator.rank() == root;
  int64_t size = is_root ? static_cast<int64_t>(bytes.size()) : 0;
  communicator.broadcast(std::as_writable_bytes(std::span(&size, 1)), root);

  std::vector<std::byte> received(static_cast<size_t>(size));
  if (is_root) received.assign(bytes.begin(), bytes.end());
  if (size > 0) communicator.broadcast(received, root);
  return received;
}

}  // namespace lockstep
