// A rank's memory as a model: per position of a slot the hash of the token chain that was written there. Transfers take
// as many reports as chance wants, and fail where chance wants. What a PageMover does with bytes, without bytes.
#pragma once

#include "cache/page_table.h"
#include "cache/planner.h"

#include <array>
#include <cstdint>
#include <random>
#include <unordered_map>
#include <vector>

namespace lockstep {

/// Content of the disk store of a rank; outlives jobs.
using ModelDisk = std::unordered_map<Hash128, std::vector<uint64_t>>;

struct RankModelOptions {
  uint64_t seed = 0;
  /// A report finds between 0 and this many more transfers of a channel done; 0: all.
  int64_t slowness = 0;
  /// One in this many transfers fails; 0: none.
  int64_t failure_rate = 0;
  ModelDisk* disk = nullptr;
};

class RankModel {
 public:
  RankModel(const PlannerConfig& config, const RankModelOptions& options);

  /// Follows the ops. Throws Error for what no rank may be asked to do.
  void apply(const StepPlan& plan);
  /// Pages of the last plan whose promotion failed here, or the copy that is read on the host from there on.
  const std::vector<PageId>& failed_promotions() const { return failed_promotions_; }
  /// How transfers stand now.
  TransferStatus report();
  /// What the planner was told of all ranks.
  void told(const TransferStatus& status) { told_ = status; }

  const PageTable& table() const { return table_; }
  std::vector<uint64_t>& content_of(PageId page) {
    const auto slot = static_cast<size_t>(table_.slot_of(page).value());
    return slot < device_.size() ? device_[slot] : host_[slot - device_.size()].content;
  }
  /// Where the page is written: an open slot where pages are coded, else its slot.
  std::vector<uint64_t>& open_content_of(PageId page) {
    const SlotId open = table_.open_slot_of(page);
    return open.value() < 0 ? content_of(page) : open_[static_cast<size_t>(open.value())];
  }
  int64_t num_failures() const { return num_failures_; }

 private:
  struct HostSlot {
    std::vector<uint64_t> content;
    uint64_t fetch = 0;
    bool is_void = false;
  };

  void apply(const PageOp& op);
  void check_unconfirmed(const StepPlan& plan);
  ModelDisk& disk() { return options_.disk != nullptr ? *options_.disk : own_disk_; }
  bool fails(bool source_is_void);
  HostSlot& host(const PageOp& op) { return host_[static_cast<size_t>(op.host_slot.value())]; }
  std::vector<uint64_t>& device(const PageOp& op) { return device_[static_cast<size_t>(op.slot.value())]; }

  RankModelOptions options_;
  std::mt19937_64 random_;
  PageTable table_;
  std::vector<std::vector<uint64_t>> device_, open_;
  std::vector<HostSlot> host_;
  ModelDisk own_disk_;
  std::array<uint64_t, kNumTransferChannels> issued_{}, done_{};
  std::vector<TransferStatus::Failure> failures_;  // not reported
  std::vector<PageId> failed_promotions_;
  TransferStatus told_;
  int64_t num_failures_ = 0;
};

}  // namespace lockstep
