#include "launcher/batch/shared_rows.h"

#include "core/error.h"
#include "launcher/commands/command.h"
#include "launcher/phase.h"

#include <cstddef>
#include <span>
#include <vector>

namespace lockstep {

std::string broadcast_text(Communicator& world, const std::string& text) {
  const std::vector<std::byte> bytes = broadcast_bytes(world, std::as_bytes(std::span(text)), Rank(0));
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::optional<RowIndex> open_shared_rows(const Session& session, const std::string& file, const std::string& name) {
  Communicator& world = session.world();
  const std::string path = broadcast_text(world, file);
  std::optional<RowIndex> rows;
  run_phase(world, kExitFailure, [&] {
    if (session.topology().is_leader()) rows.emplace(path, session.is_root() ? name : std::string());
  });
  Hash128 digest = rows ? rows->digest() : Hash128{};
  world.broadcast(std::as_writable_bytes(std::span(&digest, 1)), Rank(0));
  run_phase(world, kExitFailure, [&] {
    LS_REQUIRE(ConfigError, !rows || rows->digest() == digest,
               "'{}' is another file here ({} rows, digest {}) than on rank 0 (digest {}): it must lie where all nodes "
               "see the same one",
               path, rows->size(), rows->digest().to_string(), digest.to_string());
  });
  return rows;
}

}  // namespace lockstep
