#include "launcher/phase.h"

#include "launcher/commands/command.h"

#include <cstddef>
#include <span>
#include <vector>

namespace lockstep {

void require_equal(Communicator& world, const std::string& what, const Hash128& value) {
  std::vector<Hash128> all(static_cast<size_t>(world.size()));
  world.all_gather(std::as_bytes(std::span(&value, 1)), std::as_writable_bytes(std::span(all)));
  for (size_t rank = 1; rank < all.size(); ++rank) {
    if (all[rank] == all[0]) continue;
    throw PhaseFailure(fmt::format("{} differs between ranks: rank 0 has {}, rank {} has {}", what, all[0].to_string(),
                                   rank, all[rank].to_string()),
                       kExitFailure);
  }
}

}  // namespace lockstep
