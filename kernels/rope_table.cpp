#include "core/copy.h"
#include "kernels/check.h"
#include "kernels/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>
#include <vector>

namespace lockstep {
namespace {

/// The angle of a position is position * inverse_frequencies[i]; cos and sin are multiplied by `attention_factor`.
struct Frequencies {
  std::vector<double> inverse;
  double attention_factor = 1.0;
};

std::vector<double> plain_frequencies(const ModelConfig& config) {
  std::vector<double> inverse(static_cast<size_t>(config.head_dim / 2));
  for (size_t i = 0; i < inverse.size(); ++i) {
    inverse[i] = 1.0 / std::pow(config.rope_theta, 2.0 * static_cast<double>(i) / static_cast<double>(config.head_dim));
  }
  return inverse;
}

// Long wavelengths are stretched by `factor`, short ones stay, those between are blended.
void scale_llama3(const RopeScaling& scaling, std::vector<double>& inverse) {
  const double original = static_cast<double>(scaling.original_max_positions);
  for (double& frequency : inverse) {
    const double wavelength = 2.0 * std::numbers::pi / frequency;
    if (wavelength > original / scaling.low_freq_factor) {
      frequency /= scaling.factor;
    } else if (wavelength >= original / scaling.high_freq_factor) {
      const double smooth =
          (original / wavelength - scaling.low_freq_factor) / (scaling.high_freq_factor - scaling.low_freq_factor);
      frequency = (1.0 - smooth) * frequency / scaling.factor + smooth * frequency;
    }
  }
}

double yarn_attention_factor(const RopeScaling& scaling) {
  if (scaling.attention_factor) return *scaling.attention_factor;
  const auto magnitude = [&](double mscale) {
    return scaling.factor <= 1.0 ? 1.0 : 0.1 * mscale * std::log(scaling.factor) + 1.0;
  };
  if (scaling.mscale != 0.0 && scaling.mscale_all_dim != 0.0) {
    return magnitude(scaling.mscale) / magnitude(scaling.mscale_all_dim);
  }
  return magnitude(1.0);
}

// Dimensions that turn often within the original context keep their frequency, slow ones are stretched by `factor`,
// with a linear ramp between.
void scale_yarn(const ModelConfig& config, std::vector<double>& inverse) {
  const RopeScaling& scaling = config.rope_scaling;
  const double dim = static_cast<double>(config.head_dim);
  const auto dimension_of = [&](double num_turns) {
    return dim * std::log(static_cast<double>(scaling.original_max_positions) / (num_turns * 2.0 * std::numbers::pi)) /
           (2.0 * std::log(config.rope_theta));
  };
  double low = dimension_of(scaling.beta_fast), high = dimension_of(scaling.beta_slow);
  if (scaling.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, dim - 1.0);
  if (low == high) high += 0.001;  // as transformers: no division by zero
  for (size_t i = 0; i < inverse.size(); ++i) {
    const double ramp = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    inverse[i] = inverse[i] / scaling.factor * ramp + inverse[i] * (1.0 - ramp);
  }
}

Frequencies make_frequencies(const ModelConfig& config) {
  Frequencies frequencies{plain_frequencies(config)};
  switch (config.rope_scaling.kind) {
    case RopeScalingKind::kNone: break;
    case RopeScalingKind::kLinear:
      for (double& frequency : frequencies.inverse) frequency /= config.rope_scaling.factor;
      break;
    case RopeScalingKind::kLlama3: scale_llama3(config.rope_scaling, frequencies.inverse); break;
    case RopeScalingKind::kYarn:
      scale_yarn(config, frequencies.inverse);
      frequencies.attention_factor = yarn_attention_factor(config.rope_scaling);
      break;
  }
  return frequencies;
}

// Computed on the host whatever the device: cos and sin of every device are the same bits.
Buffer to_device(const OpContext& context, Buffer host) {
  if (context.device.kind == DeviceKind::kCpu) return host;
  Buffer device(host.bytes(), context.device);
  copy_async(*context.stream, device.data(), host.data(), host.bytes());
  context.stream->synchronize();
  return device;
}

}  // namespace

RopeTable make_rope_table(const OpContext& context, const ModelConfig& config, int64_t max_positions) {
  check_context("make_rope_table", context);
  LS_REQUIRE(ShapeError, config.head_dim > 0 && config.head_dim % 2 == 0, "rotary embedding of head size {}",
             config.head_dim);
  LS_REQUIRE(ShapeError, max_positions >= 0, "rotary embedding of {} positions", max_positions);
  const Frequencies frequencies = make_frequencies(config);
  const int64_t half = config.head_dim / 2;
  const int64_t table_bytes = max_positions * half * size_of(DType::kF32);

  Buffer host(2 * table_bytes);
  float* cos = host.view(DType::kF32, {max_positions, half}).as<float>();
  float* sin = host.view(DType::kF32, {max_positions, half}, table_bytes).as<float>();
  for (int64_t position = 0; position < max_positions; ++position) {
    for (const double inverse : frequencies.inverse) {
      const double angle = static_cast<double>(position) * inverse;
      *cos++ = static_cast<float>(std::cos(angle) * frequencies.attention_factor);
      *sin++ = static_cast<float>(std::sin(angle) * frequencies.attention_factor);
    }
  }
  RopeTable table;
  table.storage = to_device(context, std::move(host));
  table.cos = table.storage.view(DType::kF32, {max_positions, half});
  table.sin = table.storage.view(DType::kF32, {max_positions, half}, table_bytes);
  return table;
}

}  // namespace lockstep
