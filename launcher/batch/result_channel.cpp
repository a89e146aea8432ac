#include "launcher/batch/result_channel.h"

#include "core/error.h"

#include <cstring>
#include <vector>

namespace lockstep {
namespace {

// The message but its line; plain data, since all ranks run the same program on the same kind of machine.
struct Head {
  int64_t row, prompt_tokens, generated_tokens;
  LeaderGauges gauges;
  int32_t leader;
  uint8_t kind, has_row;
  uint8_t unused[2];
};

}  // namespace

void send_row(Mailbox& mailbox, const RowMessage& message) {
  const Head head{message.row,
                  message.prompt_tokens,
                  message.generated_tokens,
                  message.gauges,
                  message.leader,
                  static_cast<uint8_t>(message.kind),
                  message.has_row,
                  {}};
  std::vector<std::byte> bytes(sizeof head + message.line.size());
  std::memcpy(bytes.data(), &head, sizeof head);
  std::memcpy(bytes.data() + sizeof head, message.line.data(), message.line.size());
  mailbox.send(bytes);
}

std::optional<RowMessage> receive_row(Mailbox& mailbox) {
  const std::optional<std::vector<std::byte>> bytes = mailbox.poll();
  if (!bytes) return std::nullopt;
  Head head;
  LS_CHECK(bytes->size() >= sizeof head, "a result message of {} bytes", bytes->size());
  std::memcpy(&head, bytes->data(), sizeof head);
  const auto* const text = reinterpret_cast<const char*>(bytes->data()) + sizeof head;
  return RowMessage{head.leader,
                    head.gauges,
                    head.has_row != 0,
                    head.row,
                    static_cast<RowKind>(head.kind),
                    head.prompt_tokens,
                    head.generated_tokens,
                    std::string(text, bytes->size() - sizeof head)};
}

}  // namespace lockstep
