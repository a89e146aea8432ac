#include "dist/comm/mpi/check.h"

#include "dist/comm/backoff.h"

#include <array>
#include <exception>
#include <string_view>

namespace lockstep {

void check_mpi(int code, ErrorSite site) {
  if (code == MPI_SUCCESS) return;
  std::array<char, MPI_MAX_ERROR_STRING> text{};
  int length = 0;
  MPI_Error_string(code, text.data(), &length);
  const std::string_view call(site.expression);
  throw MpiError(site, fmt::format("{} failed: {}", call.substr(0, call.find('(')),
                                   std::string_view(text.data(), static_cast<size_t>(length))));
}

void wait_for(MPI_Request request) {
  int done = 0;
  for (Backoff backoff;; backoff.once()) {
    LS_MPI(MPI_Test(&request, &done, MPI_STATUS_IGNORE));
    if (done) return;
  }
}

bool may_release_mpi_objects() noexcept {
  int finalized = 0;
  MPI_Finalized(&finalized);
  return !finalized && std::uncaught_exceptions() == 0;
}

OwnedComm::OwnedComm(MPI_Comm comm) : comm_(comm) { LS_MPI(MPI_Comm_set_errhandler(comm_, MPI_ERRORS_RETURN)); }

OwnedComm::~OwnedComm() {
  if (may_release_mpi_objects()) MPI_Comm_free(&comm_);
}

MPI_Comm duplicate_world() {
  MPI_Comm comm = MPI_COMM_NULL;
  LS_MPI(MPI_Comm_dup(MPI_COMM_WORLD, &comm));
  return comm;
}

int32_t size_of(MPI_Comm comm) {
  int size = 0;
  LS_MPI(MPI_Comm_size(comm, &size));
  return size;
}

int32_t rank_of(MPI_Comm comm) {
  int rank = 0;
  LS_MPI(MPI_Comm_rank(comm, &rank));
  return rank;
}

bool is_within_node(MPI_Comm comm) {
  MPI_Comm node = MPI_COMM_NULL;
  LS_MPI(MPI_Comm_split_type(comm, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &node));
  return size_of(OwnedComm(node).get()) == size_of(comm);
}

}  // namespace lockstep
