#include "dist/comm/mpi/mpi_environment.h"

#include "dist/comm/mpi/check.h"
#include "dist/comm/mpi/launcher_hint.h"

#include <array>
#include <cstdlib>
#include <exception>

namespace lockstep {
namespace {

[[noreturn]] void abort_job(int code) {
  MPI_Abort(MPI_COMM_WORLD, code);
  std::_Exit(code);
}

}  // namespace

MpiEnvironment::MpiEnvironment() {
  int initialized = 0;
  LS_MPI(MPI_Initialized(&initialized));
  LS_CHECK(!initialized, "MPI is initialised already: a process has one MpiEnvironment");

  // Ranks may share cores. Open MPI's own waits yield only if told so; the user's setting wins.
  setenv("OMPI_MCA_mpi_yield_when_idle", "1", 0);
  int provided = MPI_THREAD_SINGLE;
  LS_MPI(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &provided));
  LS_REQUIRE(MpiError, provided >= MPI_THREAD_SERIALIZED,
             "the MPI library grants thread level {}; MPI_THREAD_SERIALIZED ({}) is needed", provided,
             MPI_THREAD_SERIALIZED);
  LS_MPI(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN));

  world_rank_ = Rank(rank_of(MPI_COMM_WORLD));
  world_size_ = size_of(MPI_COMM_WORLD);
  require_connected(launcher_hint([](const char* name) { return static_cast<const char*>(std::getenv(name)); }),
                    world_size_);

  MPI_Comm comm = MPI_COMM_NULL;
  LS_MPI(MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &comm));
  const OwnedComm node(comm);
  node_rank_ = rank_of(node.get());
  node_size_ = size_of(node.get());
}

MpiEnvironment::~MpiEnvironment() {
  if (std::uncaught_exceptions() > 0) abort_job(1);
  MPI_Finalize();
}

std::string MpiEnvironment::library_version() const {
  std::array<char, MPI_MAX_LIBRARY_VERSION_STRING> text{};
  int length = 0;
  LS_MPI(MPI_Get_library_version(text.data(), &length));
  return std::string(text.data());
}

void MpiEnvironment::abort(int code) const { abort_job(code); }

}  // namespace lockstep
