// Finished rows on their way from every leader to rank 0, with what rank 0 shows of that leader.
#pragma once

#include "dist/mailbox.h"
#include "launcher/batch/journal.h"
#include "launcher/metrics/engine_figures.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace lockstep {

/// Gauges of a leader's engine at one moment.
struct LeaderGauges {
  int64_t running = 0, waiting = 0, used_pages = 0;
};

struct RowMessage {
  int32_t leader = 0;  // its replica
  LeaderGauges gauges;
  /// False: the leader has no more rows, and the rest of the message says nothing.
  bool has_row = false;
  int64_t row = 0;
  RowKind kind = RowKind::kResult;
  int64_t prompt_tokens = 0, generated_tokens = 0;
  std::string line{};
  /// Now and then, and with the last message.
  std::optional<EngineFigures> figures{};
};

void send_row(Mailbox& mailbox, const RowMessage& message);
/// Rank 0: the next one that has arrived, or nothing now.
std::optional<RowMessage> receive_row(Mailbox& mailbox);

}  // namespace lockstep
