#include "core/checkpoint/synthetic.h"

#include "core/buffer.h"
#include "core/checkpoint/checkpoint_impl.h"
#include "core/error.h"
#include "core/philox.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <mutex>

namespace lockstep {
namespace {

constexpr int64_t kPerDraw = 8;  // 16-bit numbers of one Philox call
constexpr float kDeviation = 0.02F;
constexpr int64_t kAlignment = 64;  // elements: what tensors start at a multiple of

// Uniform around `mean` with the standard deviation kDeviation. A value is a function of its place alone.
template <class T>
void fill(T* out, int64_t count, float mean) {
  const float scale = kDeviation * std::sqrt(3.0F) / 32768.0F;  // uniform in (-1, 1) deviates by 1 / sqrt(3)
  for (int64_t begin = 0; begin < count; begin += kPerDraw) {
    const auto draw = static_cast<uint64_t>(begin / kPerDraw);
    const auto words = philox4x32({static_cast<uint32_t>(draw), static_cast<uint32_t>(draw >> 32), 0, 0}, {0, 0});
    const int64_t lanes = std::min(kPerDraw, count - begin);
    for (int64_t lane = 0; lane < lanes; ++lane) {
      const uint32_t bits = (words[static_cast<size_t>(lane / 2)] >> (16 * (lane % 2))) & 0xffffU;
      out[begin + lane] = from_float<T>(mean + scale * (static_cast<float>(bits) - 32767.5F));
    }
  }
}

Buffer random_block(int64_t count, DType dtype, float mean) {
  Buffer block(count * size_of(dtype));
  visit_floating(dtype, [&]<class T>() { fill(static_cast<T*>(block.data()), count, mean); });
  return block;
}

Shape shape_of(const std::vector<int64_t>& sizes) {
  return sizes.size() == 1 ? Shape{sizes[0]} : Shape{sizes[0], sizes[1]};
}

struct SyntheticImpl : Checkpoint::Impl {
  std::map<std::string, WeightShape> weights;
  std::map<std::string, int64_t> offsets;  // bytes into the block
  int64_t largest = 0, largest_norm = 0;
  // Made at the first use: who asks for sizes only pays nothing.
  mutable std::once_flag filled;
  mutable Buffer near_zero, near_one;

  const std::vector<int64_t>* shape(const std::string& name) const override {
    const auto found = weights.find(name);
    return found == weights.end() ? nullptr : &found->second.shape;
  }
  ConstTensorView view(const std::string& name) const override {
    std::call_once(filled, [&] {
      near_zero = random_block(largest, config.dtype, 0.0F);
      near_one = random_block(largest_norm, config.dtype, 1.0F);
    });
    const WeightShape& weight = weights.at(name);
    return (weight.is_norm ? near_one : near_zero).view(config.dtype, shape_of(weight.shape), offsets.at(name));
  }
  std::string place_of(const std::string&) const override { return place; }
  std::vector<std::string> names() const override {
    std::vector<std::string> names;
    for (const auto& [name, weight] : weights) names.push_back(name);
    return names;
  }
  int64_t weight_bytes() const override {
    int64_t count = 0;
    for (const auto& [name, weight] : weights) count += weight.num_elements();
    return count * size_of(config.dtype);
  }
  Hash128 fingerprint() const override { return hash128(config.canonical_json(), hash128("synthetic")); }
};

}  // namespace

Checkpoint Checkpoint::synthetic(const std::string& place, const ModelConfig& config) {
  auto impl = std::make_unique<SyntheticImpl>();
  impl->place = place;
  impl->config = config;
  const std::vector<WeightShape> weights = weight_shapes(config);
  for (const WeightShape& weight : weights) {
    int64_t& most = weight.is_norm ? impl->largest_norm : impl->largest;
    most = std::max(most, weight.num_elements());
  }
  // Tensors start at different places, or equal rows of several would make equal keys and values.
  int64_t index = 0;
  for (const WeightShape& weight : weights) {
    const int64_t room = (weight.is_norm ? impl->largest_norm : impl->largest) - weight.num_elements();
    const int64_t places = room / kAlignment + 1;
    constexpr int64_t kStep = 1000003;  // a prime: neighbours lie far apart
    impl->offsets.emplace(weight.name, index++ * kStep % places * kAlignment * size_of(config.dtype));
    impl->weights.emplace(weight.name, weight);
  }
  return Checkpoint(std::move(impl));
}

}  // namespace lockstep
