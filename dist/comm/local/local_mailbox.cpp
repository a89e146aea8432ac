#include "dist/comm/local/local_mailbox.h"

#include <utility>

namespace lockstep {
namespace {

class LocalMailbox final : public Mailbox {
 public:
  explicit LocalMailbox(std::shared_ptr<LocalMessages> messages) : messages_(std::move(messages)) {}

  void send(std::span<const std::byte> message) override {
    const std::lock_guard lock(messages_->mutex);
    messages_->queue.emplace_back(message.begin(), message.end());
  }
  void advance() override {}
  std::optional<std::vector<std::byte>> poll() override {
    const std::lock_guard lock(messages_->mutex);
    if (messages_->queue.empty()) return std::nullopt;
    std::vector<std::byte> message = std::move(messages_->queue.front());
    messages_->queue.pop_front();
    return message;
  }

 private:
  const std::shared_ptr<LocalMessages> messages_;
};

}  // namespace

std::unique_ptr<Mailbox> make_local_mailbox(std::shared_ptr<LocalMessages> messages) {
  return std::make_unique<LocalMailbox>(std::move(messages));
}

}  // namespace lockstep
