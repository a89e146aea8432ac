#include "kernels/sample_weights.h"
#include "tests/kernels/cuda/thrust/thrust_draw.h"

#include <algorithm>
#include <thrust/binary_search.h>
#include <thrust/device_vector.h>
#include <thrust/functional.h>
#include <thrust/scan.h>
#include <thrust/sequence.h>
#include <thrust/sort.h>
#include <thrust/transform.h>

namespace lockstep::test {
namespace {

struct Weigh {
  float best;
  double temperature;
  __device__ uint64_t operator()(float logit) const { return sample_weight(logit, best, temperature); }
};

// Descending logits; a stable sort of ascending ids keeps ties in their order.
int32_t draw(const float* logits, int64_t vocab, const RowSampling& row) {
  thrust::device_vector<float> sorted(logits, logits + vocab);
  thrust::device_vector<int32_t> tokens(static_cast<size_t>(vocab));
  thrust::sequence(tokens.begin(), tokens.end());
  thrust::stable_sort_by_key(sorted.begin(), sorted.end(), tokens.begin(), thrust::greater<float>());
  int64_t num_kept = row.top_k > 0 ? std::min<int64_t>(row.top_k, vocab) : vocab;
  thrust::device_vector<uint64_t> weights(static_cast<size_t>(num_kept)), mass(static_cast<size_t>(num_kept));
  thrust::transform(sorted.begin(), sorted.begin() + num_kept, weights.begin(), Weigh{sorted[0], row.temperature});
  thrust::inclusive_scan(weights.begin(), weights.end(), mass.begin());

  const uint64_t enough = std::max<uint64_t>(share_of(mass.back(), row.top_p), 1);
  const auto by_mass = thrust::lower_bound(mass.begin(), mass.end(), enough) - mass.begin() + 1;
  const uint64_t least = share_of(kFullWeight, row.min_p);
  const auto by_weight =
      least == 0
          ? num_kept
          : thrust::upper_bound(weights.begin(), weights.end(), least, thrust::greater<uint64_t>()) - weights.begin();
  num_kept = std::min<int64_t>({num_kept, by_mass, by_weight});
  const uint64_t target = draw_target(mass[static_cast<size_t>(num_kept - 1)], row.seed, row.position);
  return tokens[static_cast<size_t>(thrust::upper_bound(mass.begin(), mass.begin() + num_kept, target) - mass.begin())];
}

}  // namespace

std::vector<int32_t> thrust_draw(const std::vector<float>& logits, const std::vector<RowSampling>& rows) {
  const auto vocab = static_cast<int64_t>(logits.size() / rows.size());
  std::vector<int32_t> tokens;
  for (size_t r = 0; r < rows.size(); ++r) {
    tokens.push_back(draw(logits.data() + static_cast<int64_t>(r) * vocab, vocab, rows[r]));
  }
  return tokens;
}

}  // namespace lockstep::test
