// Mailbox between processes, by MPI messages.
#pragma once

#include "dist/mailbox.h"

#include <memory>

namespace lockstep {

class MpiEnvironment;
class OwnedComm;

/// The mailbox of world rank 0. `environment` must outlive it. Ranks: collective, here and at destruction.
std::unique_ptr<Mailbox> make_mpi_mailbox(const MpiEnvironment& environment);
/// The same for rank 0 of `comm`, which it owns.
std::unique_ptr<Mailbox> make_mpi_mailbox(std::unique_ptr<OwnedComm> comm);

}  // namespace lockstep
