#include "kernels/cuda/linear/choose.h"

#include "core/log.h"
#include "kernels/cuda/linear/trial.h"
#include "kernels/cuda/state.h"

#include <algorithm>
#include <array>
#include <utility>

namespace lockstep::cuda {
namespace {

using Algorithm = MatmulAlgorithm;
using Algorithms = std::vector<Algorithm>;

// A range of rows each: from one more than the one before.
constexpr std::array<int64_t, 5> kRanges = {1, 16, 64, 256, 1024};
// The reference's proposals: a layer of a middling model, at rows where the tiles of large products are in use.
constexpr int64_t kReferenceSize = 4096;
constexpr std::array<int64_t, 4> kReferenceRows = {256, 64, 16, 1};
// A product is held in whole by trials, and in F32 parts by products of segments.
constexpr int64_t kMaxProductBytes = int64_t{256} << 20;
// Below this the launch takes the time, not the product.
constexpr int64_t kMinTimedWeights = int64_t{1} << 17;
constexpr size_t kMaxTimed = 4;
// A guess of the library is left only for a gain above the noise.
constexpr float kMinGain = 0.97F;

int64_t max_rows(const MatmulShape& shape) {
  const int64_t row_bytes = shape.num_segments * shape.out * size_of(DType::kF32);
  return std::clamp<int64_t>(kMaxProductBytes / row_bytes, 1, kRanges.back());
}

/// Both ends of a range and an odd number between.
std::vector<int64_t> rows_to_prove(int64_t first, int64_t last) {
  std::vector<int64_t> rows = {first, ((first + last) / 2) | 1, last};
  std::erase_if(rows, [&](int64_t r) { return r > last; });
  rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
  return rows;
}

void append_new(Algorithms& to, const Algorithms& more) {
  for (const Algorithm& algorithm : more) {
    if (std::find(to.begin(), to.end(), algorithm) == to.end()) to.push_back(algorithm);
  }
}

bool agrees_between(const Trial& trial, const Algorithm& algorithm, int64_t first, int64_t last) {
  const std::vector<int64_t> all = rows_to_prove(first, last);
  return std::all_of(all.begin(), all.end(), [&](int64_t rows) {
    return trial.is_supported(algorithm, rows) && trial.agrees(algorithm, rows);
  });
}

/// Whether a row has the bits of `algorithm`'s own product of 64 rows at every number of rows.
bool agrees_with_itself(Trial& trial, const Algorithm& algorithm, const MatmulShape& shape, int64_t most_rows,
                        std::vector<float>& product) {
  if (!trial.is_supported(algorithm, std::min(kTrialRows, most_rows))) return false;
  product = trial.product(algorithm);
  trial.expect(product, shape.has_bias);
  int64_t first = 1;
  for (const int64_t range : kRanges) {
    const int64_t last = std::min(range, most_rows);
    if (first <= last && !agrees_between(trial, algorithm, first, last)) return false;
    first = last + 1;
  }
  return true;
}

const LinearReference& reference_of(const OpContext& context, int64_t in, DType dtype) {
  LinearLibrary& library = state_of(context).linear_library();
  const std::tuple key(in, dtype);
  if (const auto found = library.references.find(key); found != library.references.end()) return found->second;
  Algorithms candidates;
  const MatmulShape typical{.out = kReferenceSize, .in = kReferenceSize, .dtype = dtype};
  for (const int64_t rows : kReferenceRows) {
    const MatmulOperands operands{.x_stride = typical.in, .out_stride = typical.out};
    append_new(candidates, Matmul(typical, rows, operands).candidates(library.handle));
  }
  const MatmulShape shape{.out = kTrialColumns, .in = in, .dtype = dtype};
  const Buffer w(shape.out * shape.in * size_of(dtype), context.device);
  const int64_t most_rows = kReferenceRows.front();
  Trial trial(context, shape, most_rows, w.data(), nullptr);
  for (const int64_t rows : kReferenceRows) append_new(candidates, trial.candidates(rows));
  LinearReference reference;
  for (const Algorithm& candidate : candidates) {
    std::vector<float> product;
    if (!agrees_with_itself(trial, candidate, shape, most_rows, product)) continue;
    reference = {std::move(product), candidate};
    break;
  }
  return library.references.emplace(key, std::move(reference)).first->second;
}

/// The fastest of algorithms with equal bits, the first of those that are about equally fast.
const Algorithm& fastest(const Trial& trial, const Algorithms& algorithms, int64_t rows) {
  size_t best = 0;
  float best_time = trial.milliseconds(algorithms[0], rows);
  for (size_t i = 1; i < algorithms.size(); ++i) {
    const float time = trial.milliseconds(algorithms[i], rows);
    if (time >= best_time * kMinGain) continue;
    best = i;
    best_time = time;
  }
  return algorithms[best];
}

/// Fills the plan with algorithms that have the reference's bits; false if they leave some number of rows out.
bool follow_reference(Trial& trial, const LinearReference& reference, const std::vector<Algorithms>& proposals,
                      int64_t most_rows, LinearPlan& plan) {
  if (reference.values.empty()) return false;
  trial.expect(reference.values, false);
  const MatmulShape& shape = plan.shape;
  const bool is_timed = shape.num_segments * shape.out * shape.in >= kMinTimedWeights;
  int64_t first = 1;
  for (size_t range = 0; range < proposals.size(); ++range) {
    const int64_t last = std::min(kRanges[range], most_rows);
    Algorithms candidates = proposals[range], good;
    append_new(candidates, {reference.algorithm});
    for (const Algorithms& more : proposals) append_new(candidates, more);
    for (const Algorithm& candidate : candidates) {
      if (agrees_between(trial, candidate, first, last)) good.push_back(candidate);
      if (good.size() == (is_timed ? kMaxTimed : 1)) break;
    }
    if (good.empty()) return false;
    plan.choices.push_back({last, good.size() == 1 ? good[0] : fastest(trial, good, last)});
    first = last + 1;
  }
  return true;
}

LinearPlan make_plan(const OpContext& context, const MatmulShape& shape, void* w, float* bias) {
  const LinearReference& reference = reference_of(context, shape.in, shape.dtype);
  const int64_t most_rows = max_rows(shape);
  Trial trial(context, shape, most_rows, w, bias);
  std::vector<Algorithms> proposals;
  Algorithms all;
  for (size_t range = 0; range < kRanges.size() && (range == 0 || kRanges[range - 1] < most_rows); ++range) {
    proposals.push_back(trial.candidates(std::min(kRanges[range], most_rows)));
    append_new(all, proposals.back());
  }
  LinearPlan plan;
  plan.shape = shape;
  if (follow_reference(trial, reference, proposals, most_rows, plan)) return plan;

  plan.choices.clear();
  plan.is_common = false;
  std::vector<float> product;
  for (const Algorithm& algorithm : all) {
    if (!agrees_with_itself(trial, algorithm, shape, most_rows, product)) continue;
    plan.choices.push_back({most_rows, algorithm});
    log_warn("linear {}: no algorithm has the bits of other shapes; results depend on tensor parallelism",
             shape.to_string());
    return plan;
  }
  LS_THROW(Error, "linear {}: none of {} cuBLASLt algorithms gives a row the same bits at every number of rows",
           shape.to_string(), all.size());
}

}  // namespace

const Algorithm& LinearPlan::algorithm(int64_t rows) const {
  for (const Choice& choice : choices) {
    if (rows <= choice.max_rows) return choice.algorithm;
  }
  LS_THROW(Error, "a product of {} rows; its plan ends at {}", rows, max_rows());
}

std::string LinearPlan::describe() const {
  std::string text = shape.to_string() + ":";
  for (const Choice& choice : choices) {
    text += fmt::format("{} up to {} rows {}", &choice == choices.data() ? "" : ",", choice.max_rows,
                        choice.algorithm.to_string());
  }
  return is_common ? text : text + " (bits of its own)";
}

std::shared_ptr<const LinearAlgorithm> choose_algorithm(const OpContext& context, const LinearLayout& layout, void* w,
                                                        float* bias) {
  auto& known = state_of(context).linear_library().algorithms;
  const std::tuple key(layout.out, layout.in, layout.num_segments, layout.dtype, bias != nullptr);
  if (const auto found = known.find(key); found != known.end()) return found->second;
  MatmulShape shape{.out = layout.out,
                    .in = layout.in,
                    .num_segments = layout.num_segments,
                    .dtype = layout.dtype,
                    .has_bias = bias != nullptr};
  auto algorithm = std::make_shared<LinearAlgorithm>();
  algorithm->f32 = make_plan(context, shape, w, bias);
  log_debug("linear {}", algorithm->f32.describe());
  if (layout.dtype != DType::kF32 && layout.num_segments == 1 && bias == nullptr) {
    shape.out_dtype = layout.dtype;
    algorithm->same = make_plan(context, shape, w, nullptr);
    log_debug("linear {}", algorithm->same->describe());
  }
  known.emplace(key, algorithm);
  return algorithm;
}

}  // namespace lockstep::cuda
