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

ForwardBatch::ForwardBatch(Device device, const BatchLimits& limits) : device_(device) {
  if (device.kind == DeviceKind::kCpu) return;
  const int64_t elements =
      4 * rounded(limits.tokens) + 4 * rounded(limits.rows + 1) + rounded(limits.tokens) + rounded(limits.pages);
  const int64_t bytes = elements * size_of(DType::kI32);
  memory_ = Buffer(bytes, device);
  for (PinnedBuffer& area : staging_) area = PinnedBuffer(bytes, device);
}

void ForwardBatch::assign(const StepPlan& plan, const PageTable& table, int64_t padded_rows) {
  for (auto& array : arrays_) array.clear();
  max_row_tokens_ = num_single_rows_ = max_end_ = 0;
  has_unknown_tokens_ = false;
  host(kTokenBegin).push_back(0);
  host(kPageBegin).push_back(0);
  for (const PlanRow& row : plan.rows) {
    const auto num_tokens = static_cast<int64_t>(row.tokens.size());
    const auto row_index = static_cast<int32_t>(host(kFirstPosition).size());
    auto position = static_cast<int32_t>(row.first_position);
    host(kFirstPosition).push_back(position);
    for (const TokenId token : row.tokens) {
      host(kIds).push_back(token.value());
      host(kSources).push_back(-1);
      host(kPositions).push_back(position++);
      host(kTokenRow).push_back(row_index);
    }
    if (row.token_source >= 0) {
      host(kSources).back() = row.token_source;
      has_unknown_tokens_ = true;
    }
    for (int64_t scored = row.score_begin; scored < row.score_end; ++scored) {
      host(kScoredTokens).push_back(host(kTokenBegin).back() + static_cast<int32_t>(scored - row.first_position));
    }
    for (const PageId page : row.pages) host(kSlots).push_back(table.slot_of(page).value());
    host(kTokenBegin).push_back(static_cast<int32_t>(size(kIds)));
    host(kPageBegin).push_back(static_cast<int32_t>(size(kSlots)));
    if (row.wants_logits) host(kLogitTokens).push_back(static_cast<int32_t>(size(kIds)) - 1);
    max_row_tokens_ = std::max(max_row_tokens_, num_tokens);
    num_single_rows_ += num_tokens == 1 ? 1 : 0;
    max_end_ = std::max(max_end_, row.first_position + num_tokens);
  }
  if (padded_rows > static_cast<int64_t>(plan.rows.size())) {
    LS_CHECK(is_decode(plan), "plan {} of more than single tokens is padded to {} rows", plan.number, padded_rows);
    pad(padded_rows);
  }
  place_sections();
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
    ++num_single_rows_;
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
          .token_row = data(kTokenRow),
          .num_single_rows = num_single_rows_,
          .max_row_tokens = max_row_tokens_,
          .max_end = max_end_};
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
