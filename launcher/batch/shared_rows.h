// Opens one requests file on the leaders of all replicas, and proves that they see the same bytes.
#pragma once

#include "launcher/batch/row_index.h"
#include "launcher/session.h"

#include <optional>
#include <string>

namespace lockstep {

/// Rank 0's text, on every rank. Ranks: collective.
std::string broadcast_text(Communicator& world, const std::string& text);

/// The rows of rank 0's `file`, on leaders; nothing on other ranks. `name` stands for it in rank 0's messages.
/// Ranks: collective; ranks other than 0 pass anything.
/// Throws: PhaseFailure on every rank if a leader cannot read it, or sees another file there.
std::optional<RowIndex> open_shared_rows(const Session& session, const std::string& file, const std::string& name);

}  // namespace lockstep
