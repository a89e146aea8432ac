#include "launcher/batch/result_channel.h"

#include "core/error.h"

#include <cstring>
#include <span>
#include <vector>

namespace lockstep {
namespace {

// The message but its line and figures; plain data, since all ranks run the same program on the same kind of machine.
struct Head {
  int64_t row, prompt_tokens, generated_tokens;
  LeaderGauges gauges;
  int32_t leader;
  uint8_t kind, has_row, has_figures;
  uint8_t unused[1];
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
                  message.figures.has_value(),
                  {}};
  const size_t figures_bytes = message.figures ? sizeof(EngineFigures) : 0;
  std::vector<std::byte> bytes(sizeof head + figures_bytes + message.line.size());
  std::memcpy(bytes.data(), &head, sizeof head);
  if (message.figures) std::memcpy(bytes.data() + sizeof head, &*message.figures, figures_bytes);
  std::memcpy(bytes.data() + sizeof head + figures_bytes, message.line.data(), message.line.size());
  mailbox.send(bytes);
}

std::optional<RowMessage> receive_row(Mailbox& mailbox) {
  const std::optional<std::vector<std::byte>> bytes = mailbox.poll();
  if (!bytes) return std::nullopt;
  Head head;
  LS_CHECK(bytes->size() >= sizeof head, "a result message of {} bytes", bytes->size());
  std::memcpy(&head, bytes->data(), sizeof head);
  std::span<const std::byte> rest = std::span(*bytes).subspan(sizeof head);
  std::optional<EngineFigures> figures;
  if (head.has_figures != 0) {
    LS_CHECK(rest.size() >= sizeof(EngineFigures), "a result message of {} bytes with figures", bytes->size());
    std::memcpy(&figures.emplace(), rest.data(), sizeof(EngineFigures));
    rest = rest.subspan(sizeof(EngineFigures));
  }
  return RowMessage{head.leader,
                    head.gauges,
                    head.has_row != 0,
                    head.row,
                    static_cast<RowKind>(head.kind),
                    head.prompt_tokens,
                    head.generated_tokens,
                    std::string(reinterpret_cast<const char*>(rest.data()), rest.size()),
                    figures};
}

}  // namespace lockstep
