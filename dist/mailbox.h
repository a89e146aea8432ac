// Messages from any rank of a group to its rank 0, without anybody waiting: replicas send finished answers to the one
// that writes, ranks tell their leader of transfers.
//
// Made by Communicator::make_mailbox(). Not collective. One thread at a time per object.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

namespace lockstep {

class Mailbox {
 public:
  virtual ~Mailbox() = default;
  /// Hands a message over; returns before it is received. Messages of one sender arrive in order. Throws: CommError.
  virtual void send(std::span<const std::byte> message) = 0;
  /// Senders, now and then: helps large messages on their way, which may need their sender. Throws: CommError.
  virtual void advance() = 0;
  /// Rank 0: the next message that has arrived, or nothing now. Throws: CommError.
  virtual std::optional<std::vector<std::byte>> poll() = 0;
};

}  // namespace lockstep
