// Checked MPI calls and owners of MPI handles. Private to dist/comm/mpi/.
#pragma once

#include "core/error.h"

#include <mpi.h>

namespace lockstep {

/// Throws MpiError with MPI's own text unless `code` is MPI_SUCCESS.
void check_mpi(int code, ErrorSite site);

/// Waits for `request`, giving up the core while it takes long (MPI's own waits may spin without end).
/// Throws: MpiError.
void wait_for(MPI_Request request);

/// False when releasing an MPI object could hang: after MPI_Finalize, and while an exception unwinds the stack. Release
/// is collective, and the peers of a failed rank are waiting elsewhere; the process is about to end the job instead.
bool may_release_mpi_objects() noexcept;

/// Owns a communicator whose errors are returned, not fatal. Ranks: constructor and destructor are collective.
class OwnedComm {
 public:
  explicit OwnedComm(MPI_Comm comm);
  ~OwnedComm();
  OwnedComm(const OwnedComm&) = delete;
  OwnedComm& operator=(const OwnedComm&) = delete;

  MPI_Comm get() const { return comm_; }

 private:
  MPI_Comm comm_;
};

/// A duplicate of the communicator of all ranks.
MPI_Comm duplicate_world();
int32_t size_of(MPI_Comm comm);
int32_t rank_of(MPI_Comm comm);
/// Whether all ranks of `comm` can share memory. Ranks: collective.
bool is_within_node(MPI_Comm comm);

}  // namespace lockstep

// Calls an MPI function; throws MpiError if it fails.
#define LS_MPI(call) ::lockstep::check_mpi((call), ::lockstep::ErrorSite{__FILE__, __LINE__, #call})
