// Rows of logits and settings that sampling must get through alike on every device: plain ones and every special case.
#pragma once

#include "kernels/sample_rows.h"
#include "tests/kernels/op_support.h"

#include <limits>
#include <random>
#include <vector>

namespace lockstep::test {

/// Draws from lists and ranges, the same on every machine.
class Choices {
 public:
  explicit Choices(uint64_t seed) : engine_(seed) {}
  uint64_t below(uint64_t bound) { return engine_() % bound; }
  double uniform() { return static_cast<double>(engine_() >> 11) * 0x1p-53; }
  template <class T>
  T of(std::initializer_list<T> list) {
    return list.begin()[below(list.size())];
  }

 private:
  std::mt19937_64 engine_;
};

inline std::vector<float> random_row(int64_t vocabulary, Choices& choices) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  std::vector<float> row = random_floats(vocabulary, choices.below(1 << 30), choices.of({0.01F, 1.0F, 3.0F, 20.0F}));
  const auto put = [&](float value, uint64_t share_of_256) {
    for (float& x : row) {
      if (choices.below(256) < share_of_256) x = value;
    }
  };
  switch (choices.below(12)) {
    case 0:  // ties, more than fit any list
      for (float& x : row) x = std::round(x * 2.0F) / 2.0F;
      break;
    case 1: put(row[0], 256); break;
    case 2: put(-kInfinity, choices.of<uint64_t>({10, 250, 256})); break;
    case 3: put(std::numeric_limits<float>::quiet_NaN(), choices.of<uint64_t>({10, 250, 256})); break;
    case 4: put(kInfinity, choices.of<uint64_t>({1, 100, 256})); break;
    case 5: put(choices.of({-1e9F, -3.4e38F, 3.4e38F}), 128); break;
    case 6:  // denormals and both zeros
      for (float& x : row) x *= 1e-38F * 1e-6F;
      put(-0.0F, 40);
      put(0.0F, 40);
      break;
    case 7:  // neighbours that differ in the last bit
      for (float& x : row) x = std::nextafter(16.0F, x > 0.0F ? 17.0F : 15.0F);
      break;
    default: break;
  }
  if (choices.below(8) == 0) put(-kInfinity, 60);
  return row;
}

inline RowSampling random_settings(int64_t vocabulary, Choices& choices) {
  RowSampling settings;
  settings.temperature = choices.of({0.0, 1.0, 1.0, 0.7, 1.7, 1e-4, 100.0, 1e-30, 1e30, 5e-324, 1e308});
  const auto tokens = static_cast<int32_t>(vocabulary);
  const auto some = static_cast<int32_t>(1 + choices.below(static_cast<uint64_t>(vocabulary)));
  settings.top_k = choices.of({0, 0, 1, 2, 40, some, some, tokens, std::numeric_limits<int32_t>::max()});
  settings.top_p = choices.of({1.0, 1.0, 0.95, 0.5, choices.uniform(), 1e-9, 0.0, 0x1.fffffffffffffp-1, 1e-310});
  settings.min_p = choices.of({0.0, 0.0, 0.05, 0.3, choices.uniform(), 1.0, 1e-13, 1e-300});
  settings.seed = choices.below(5) == 0 ? ~uint64_t{0} : choices.below(1 << 20);
  settings.position = choices.below(5) == 0 ? uint64_t{1} << 40 : choices.below(1 << 20);
  return settings;
}

/// As what a request asks for; the position goes beside it.
inline SamplingParams params_of(const RowSampling& settings) {
  SamplingParams params;
  params.temperature = settings.temperature;
  params.top_k = settings.top_k;
  params.top_p = settings.top_p;
  params.min_p = settings.min_p;
  params.seed = settings.seed;
  return params;
}

}  // namespace lockstep::test
