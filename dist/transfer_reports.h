// How the leader of a group learns of all ranks' transfers without anybody waiting: ranks post what is done, the leader
// takes the least of it.
#pragma once

#include "cache/planner.h"
#include "cache/transfer/mover_report.h"
#include "dist/communicator.h"

#include <memory>
#include <span>
#include <vector>

namespace lockstep {

/// Not thread-safe.
class TransferReports {
 public:
  /// Ranks: collective, here and at destruction.
  explicit TransferReports(Communicator& group);

  /// Other ranks. Posts the report if it says something new. Ranks: local. Throws: CommError.
  void post(const TransferReport& report);
  /// Leader. What is known of all ranks now, `mine` included; failures are logged with rank and reason.
  /// Ranks: local. Throws: CommError, FormatError.
  TransferStatus collect(const TransferReport& mine);

 private:
  void take(size_t rank, const TransferReport& report, TransferStatus& status);

  const size_t rank_;
  std::unique_ptr<Mailbox> mailbox_;
  TransferReport posted_;
  std::vector<TransferReport> latest_;  // leader: by rank, without failures
};

/// Pages that failed on any rank, in ascending order, each once. Ranks: collective; the same on every rank.
std::vector<PageId> agree_on_failed_pages(Communicator& group, std::span<const PageId> mine);

}  // namespace lockstep
