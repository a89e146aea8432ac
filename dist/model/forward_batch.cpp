#include "dist/model/forward_batch.h"

#include "core/copy.h"
#include "core/error.h"
#include "kernels/fill_tokens.h"

#include <algorithm>
#include <cstring>

namespace lockstep {
namespace {

constexpr int64_t kSectionGrain = 32;  // elements: sections start at 128 bytes

int64_t rounded(int64_t count) { return (count + kSectionGrain - 1) / kSectionGrain * kSectionGrain; }

}  // namespace

ForwardBatch::ForwardBatch(Device device, const BatchLimits& limits, const PageShape& shape)
    : device_(device), shape_(shape) {
  if (device.kind == DeviceKind::kCpu) return;
  const int64_t elements = 4 * rounded(limits.tokens) + 6 * rounded(limits.rows + 1) + rounded(limits.tokens) +
                           rounded(limits.pages) + 3 * rounded(limits.filled_pages) +
                           rounded(limits.rows + limits.filled_pages);
  const int64_t bytes = elements * size_of(DType::kI32);
  memory_ = Buffer(bytes, device);
  for (PinnedBuffer& area : staging_) area = PinnedBuffer(bytes, device);
}

void ForwardBatch::follow(const StepPlan& plan, int64_t num_slots) {
  if (!shape_.is_sparse) return;
  for (const PageOp& op : plan.ops) {
    const bool stays_on_host = is_offload(op);
    const bool arrives = stays_on_host || (op.kind == PageOpKind::kPromote && op.tier == Tier::kDevice);
    if (!arrives && op.kind != PageOpKind::kAllocate) continue;
    const auto slot = static_cast<size_t>(stays_on_host ? num_slots + op.host_slot.value() : op.slot.value());
    if (slot >= lacks_summary_.size()) lacks_summary_.resize(slot + 1);
    lacks_summary_[slot] = arrives;  // what is written here gets its summary when it is sealed
  }
}

void ForwardBatch::assign(const StepPlan& plan, const PageTable& table, int64_t padded_rows) {
  for (auto& array : arrays_) array.clear();
  arrived_.clear();
  max_row_tokens_ = num_single_rows_ = max_end_ = 0;
  has_unknown_tokens_ = has_sparse_rows_ = false;
  for (const Section section : {kTokenBegin, kPageBegin, kOpenBegin}) host(section).push_back(0);
  for (const PlanRow& row : plan.rows) {
    const int64_t end = row.first_position + static_cast<int64_t>(row.tokens.size());
    const int64_t dense_end = row.sparse_begin < 0 ? end : row.sparse_begin;
    const auto first_token = static_cast<int32_t>(size(kIds));
    if (row.first_position < dense_end) add_row(row, table, row.first_position, dense_end, false);
    // Each of the others selects pages of its own.
    for (int64_t position = dense_end; position < end; ++position) add_row(row, table, position, position + 1, true);
    if (row.token_source >= 0) {
      host(kSources).back() = row.token_source;
      has_unknown_tokens_ = true;
    }
    for (int64_t scored = row.score_begin; scored < row.score_end; ++scored) {
      host(kScoredTokens).push_back(first_token + static_cast<int32_t>(scored - row.first_position));
    }
    if (row.wants_logits) host(kLogitTokens).push_back(static_cast<int32_t>(size(kIds)) - 1);
    if (shape_.is_sealed_by_step) add_filled(row, table);
  }
  if (padded_rows > 0 && padded_rows >= static_cast<int64_t>(plan.rows.size())) {
    LS_CHECK(is_decode(plan), "plan {} of more than single tokens is padded to {} rows", plan.number, padded_rows);
    pad(padded_rows);
  }
  place_sections();
}

// Tokens at positions [first, end) of a plan's row.
void ForwardBatch::add_row(const PlanRow& row, const PageTable& table, int64_t first, int64_t end, bool is_sparse) {
  const auto row_index = static_cast<int32_t>(size(kFirstPosition));
  host(kFirstPosition).push_back(static_cast<int32_t>(first));
  for (int64_t position = first; position < end; ++position) {
    host(kIds).push_back(row.tokens[static_cast<size_t>(position - row.first_position)].value());
    host(kSources).push_back(-1);
    host(kPositions).push_back(static_cast<int32_t>(position));
    host(kTokenRow).push_back(row_index);
  }
  const int64_t extra = shape_.splits_first_page ? 1 : 0, page_tokens = shape_.page_tokens;
  const bool is_whole = end == row.first_position + static_cast<int64_t>(row.tokens.size());
  const auto num_pages =
      is_whole ? row.pages.size() : static_cast<size_t>((end + page_tokens - 1) / page_tokens + extra);
  add_slots(row, table, num_pages);
  if (shape_.is_coded) {
    for (int64_t page = first / page_tokens; page * page_tokens < end; ++page) {
      const PageId written = row.pages[static_cast<size_t>(page == 0 ? 0 : page + extra)];
      host(kOpenSlots).push_back(table.open_slot_of(written).value());
    }
  }
  host(kTokenBegin).push_back(static_cast<int32_t>(size(kIds)));
  host(kPageBegin).push_back(static_cast<int32_t>(size(kSlots)));
  host(kOpenBegin).push_back(static_cast<int32_t>(size(kOpenSlots)));
  host(kIsSparse).push_back(is_sparse ? 1 : 0);
  has_sparse_rows_ = has_sparse_rows_ || is_sparse;
  max_row_tokens_ = std::max(max_row_tokens_, end - first);
  num_single_rows_ += end - first == 1 ? 1 : 0;
  max_end_ = std::max(max_end_, end);
}

void ForwardBatch::add_slots(const PlanRow& row, const PageTable& table, size_t num_pages) {
  for (size_t page = 0; page < num_pages; ++page) {
    const int32_t slot = table.slot_of(row.pages[page]).value();
    host(kSlots).push_back(slot);
    const auto at = static_cast<size_t>(slot);
    if (at >= lacks_summary_.size() || !lacks_summary_[at]) continue;
    lacks_summary_[at] = false;
    // The second slot of a first page holds values, and has no entry.
    if (page != 1 || !shape_.splits_first_page) arrived_.push_back({slot, page == 0});
  }
}

void ForwardBatch::add_filled(const PlanRow& row, const PageTable& table) {
  const int64_t extra = shape_.splits_first_page ? 1 : 0;
  const int64_t end = row.first_position + static_cast<int64_t>(row.tokens.size());
  for (int64_t page = row.first_position / shape_.page_tokens; (page + 1) * shape_.page_tokens <= end; ++page) {
    const auto keys = static_cast<size_t>(page == 0 ? 0 : page + extra), values = static_cast<size_t>(page + extra);
    host(kFilledOpen).push_back(shape_.is_coded ? table.open_slot_of(row.pages[keys]).value() : 0);
    host(kFilledKeys).push_back(table.slot_of(row.pages[keys]).value());
    host(kFilledValues).push_back(table.slot_of(row.pages[values]).value());
  }
}

// A row of padding: token 0 at position 0, without pages.
void ForwardBatch::pad(int64_t num_rows) {
  while (size(kFirstPosition) < num_rows) {
    const auto row = static_cast<int32_t>(size(kFirstPosition));
    host(kLogitTokens).push_back(static_cast<int32_t>(size(kIds)));
    for (const Section section : {kIds, kPositions, kFirstPosition}) host(section).push_back(0);
    host(kSources).push_back(-1);
    host(kTokenRow).push_back(row);
    host(kTokenBegin).push_back(row + 1);
    host(kPageBegin).push_back(host(kPageBegin).back());
    host(kOpenBegin).push_back(host(kOpenBegin).back());
    host(kIsSparse).push_back(0);
    ++num_single_rows_;
  }
  has_sparse_rows_ = shape_.is_sparse;  // a recorded graph serves batches with such rows and without
  // As many entries as if every row filled a page: sections stay in their places.
  if (shape_.is_coded) host(kOpenSlots).resize(static_cast<size_t>(num_rows), -1);
  if (!shape_.is_sealed_by_step) return;
  for (const Section section : {kFilledOpen, kFilledKeys, kFilledValues}) {
    host(section).resize(static_cast<size_t>(num_rows), -1);
  }
}

// Equal counts give equal places: what a graph was recorded with stays true. The page tables, whose size changes from
// step to step, come last.
void ForwardBatch::place_sections() {
  int64_t offset = 0;
  for (size_t section = 0; section < kNumSections; ++section) {
    offsets_[section] = offset;
    offset += rounded(static_cast<int64_t>(arrays_[section].size()));
  }
  offsets_[kNumSections] = offset;
}

void ForwardBatch::upload(const OpContext& context, ConstTensorView sampled) {
  if (device_.kind == DeviceKind::kCuda) {
    const int64_t bytes = offsets_[kNumSections] * size_of(DType::kI32);
    LS_CHECK(bytes <= memory_.bytes(), "a batch of {} bytes of arrays; there is room for {}", bytes, memory_.bytes());
    copied_[turn_].synchronize();
    auto* const staging = staging_[turn_].as<int32_t>();
    for (size_t section = 0; section < kNumSections; ++section) {
      const auto& array = arrays_[section];
      if (!array.empty()) std::memcpy(staging + offsets_[section], array.data(), array.size() * sizeof(int32_t));
    }
    copy_async(*context.stream, memory_.data(), staging, bytes);
    copied_[turn_].record(*context.stream);
    turn_ = 1 - turn_;
  }
  if (!has_unknown_tokens_) return;
  const TensorView ids(const_cast<int32_t*>(data(kIds)), DType::kI32, {size(kIds)}, device_);
  fill_tokens(context, ids, view(kSources, 0, size(kSources)), sampled, ids);
}

const int32_t* ForwardBatch::data(Section section) const {
  if (device_.kind == DeviceKind::kCpu) return arrays_[section].data();
  return static_cast<const int32_t*>(memory_.data()) + offsets_[section];
}

ConstTensorView ForwardBatch::view(Section section, int64_t begin, int64_t end) const {
  return {data(section) + begin, DType::kI32, {end - begin}, device_};
}

RaggedRows ForwardBatch::rows() const {
  return {.num_rows = size(kFirstPosition),
          .num_tokens = num_tokens(),
          .token_begin = data(kTokenBegin),
          .first_position = data(kFirstPosition),
          .page_begin = data(kPageBegin),
          .slots = data(kSlots),
          .open_begin = data(kOpenBegin),
          .open_slots = data(kOpenSlots),
          .is_sparse = has_sparse_rows_ ? data(kIsSparse) : nullptr,
          .token_row = data(kTokenRow),
          .num_single_rows = num_single_rows_,
          .max_row_tokens = max_row_tokens_,
          .max_end = max_end_};
}

FilledPages ForwardBatch::filled() const {
  return {size(kFilledOpen), data(kFilledOpen), data(kFilledKeys), data(kFilledValues)};
}

bool ForwardBatch::is_decode(const StepPlan& plan) {
  return std::all_of(plan.rows.begin(), plan.rows.end(),
                     [](const PlanRow& row) { return row.tokens.size() == 1 && row.wants_logits; });
}

void ForwardBatch::bound_positions(int64_t max_end) {
  LS_CHECK(max_end >= max_end_, "rows of up to {} positions are bounded by {}", max_end_, max_end);
  max_end_ = max_end;
}

}  // namespace lockstep
