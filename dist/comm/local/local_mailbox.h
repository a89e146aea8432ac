// Mailbox between threads. Private to dist/comm/local/.
#pragma once

#include "dist/mailbox.h"

#include <deque>
#include <memory>
#include <mutex>
#include <vector>

namespace lockstep {

/// What has been sent and not received.
struct LocalMessages {
  std::mutex mutex;
  std::deque<std::vector<std::byte>> queue;
};

std::unique_ptr<Mailbox> make_local_mailbox(std::shared_ptr<LocalMessages> messages);

}  // namespace lockstep
