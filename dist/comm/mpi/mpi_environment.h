// The life of MPI in this process, and this process's place in the job. The one entry to MPI besides communicators.
//
// Works under mpirun, under srun (PMIx or PMI) and as a plain process, which is a job of one rank. Make one in main()
// before any communicator and keep it until all are gone. MPI may be used by several threads, one at a time.
#pragma once

#include "core/ids.h"

#include <cstdint>
#include <string>

namespace lockstep {

class MpiEnvironment {
 public:
  /// Initialises MPI. Ranks: collective.
  /// Throws: MpiError; ConfigError if a launcher started several ranks that MPI does not connect.
  MpiEnvironment();
  /// Finalises MPI, collectively. Left by an exception, it ends the whole job instead: the peers are waiting elsewhere.
  ~MpiEnvironment();
  MpiEnvironment(const MpiEnvironment&) = delete;
  MpiEnvironment& operator=(const MpiEnvironment&) = delete;

  Rank world_rank() const { return world_rank_; }
  int32_t world_size() const { return world_size_; }
  /// Place among the ranks of this node, for choosing a device and cores.
  int32_t node_rank() const { return node_rank_; }
  int32_t node_size() const { return node_size_; }
  /// True if all ranks of the job run on one node; the same on every rank.
  bool is_single_node() const { return node_size_ == world_size_; }
  /// Of the library in use, for example "Open MPI v4.1.4, …".
  std::string library_version() const;

  /// Ends every rank of the job with exit code `code`.
  [[noreturn]] void abort(int code) const;

 private:
  Rank world_rank_;
  int32_t world_size_ = 1, node_rank_ = 0, node_size_ = 1;
};

}  // namespace lockstep
