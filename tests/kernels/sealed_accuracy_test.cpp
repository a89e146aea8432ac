// What coding costs in the output of attention, against full precision, with keys of three kinds.
#include "kernels/key_noise.h"
#include "tests/kernels/sealed_support.h"

namespace lockstep::test {
namespace {

enum class Regime { kNormal, kOutliers, kBiased };

constexpr int64_t kTokens = 4096, kHeadDim = 128, kHeads = 4;

double angle_of(int64_t position, int64_t pair) {
  return static_cast<double>(position) * std::pow(1e6, -static_cast<double>(pair) / (kHeadDim / 2));
}

void rotate(float* x, int64_t position) {
  constexpr int64_t kHalf = kHeadDim / 2;
  for (int64_t i = 0; i < kHalf; ++i) {
    const double angle = angle_of(position, i);
    const double a = x[i], b = x[i + kHalf];
    x[i] = static_cast<float>(a * std::cos(angle) - b * std::sin(angle));
    x[i + kHalf] = static_cast<float>(b * std::cos(angle) + a * std::sin(angle));
  }
}

AttentionInputs inputs_of(Regime regime) {
  AttentionInputs in({kHeads, 1, kHeadDim, 64, DType::kBF16, 0, 1, 0}, kTokens, 1);
  in.q = normal_floats(kTokens * kHeads * kHeadDim, 1);
  in.k = normal_floats(kTokens * kHeadDim, 2);
  in.v = normal_floats(kTokens * kHeadDim, 3);
  for (int64_t t = 0; t < kTokens; ++t) {
    float* k = in.k.data() + t * kHeadDim;
    if (regime == Regime::kOutliers) {
      for (int64_t d = 5; d < kHeadDim; d += 32) k[d] *= 10.0F;
    }
    if (regime == Regime::kBiased) {
      for (int64_t d = 9; d < kHeadDim; d += 16) k[d] += 40.0F;
    }
    if (regime == Regime::kBiased) {
      rotate(k, t);
      for (int64_t h = 0; h < kHeads; ++h) rotate(in.q.data() + (t * kHeads + h) * kHeadDim, t);
    }
  }
  if (regime == Regime::kOutliers) {
    // Scores deviate by 1 as they do with normal keys, not by 2: an error of scores counts by its size against 1.
    for (float& q : in.q) q *= std::sqrt(static_cast<float>(kHeadDim) / (kHeadDim - 4 + 4 * 100));
  }
  return in;
}

/// The outputs of a few queries far apart, all other tokens being keys and values only.
std::vector<float> outputs(const AttentionInputs& in, KvFormat format) {
  const CpuContext context;
  SealedRun run(context, {in.shape, format}, {in});
  run.step({{0, 0, kTokens}});
  std::vector<float> out;
  for (int64_t p = 1024; p < kTokens; p += 96) {
    out.insert(out.end(), run.output().begin() + p * kHeads * kHeadDim,
               run.output().begin() + (p + 1) * kHeads * kHeadDim);
  }
  return out;
}

TEST(SealedAccuracy, OfThreeKindsOfKeys) {
  struct Bound {
    Regime regime;
    const char* name;
    KvFormat format;
    double most;
  };
  constexpr Bound kBounds[] = {
      {Regime::kNormal, "normal", KvFormat::kKv8, 0.012},     {Regime::kNormal, "normal", KvFormat::kK8v4, 0.10},
      {Regime::kNormal, "normal", KvFormat::kKv4, 0.17},      {Regime::kOutliers, "outliers", KvFormat::kKv8, 0.012},
      {Regime::kOutliers, "outliers", KvFormat::kK8v4, 0.10}, {Regime::kOutliers, "outliers", KvFormat::kKv4, 0.17},
      {Regime::kBiased, "biased", KvFormat::kKv8, 0.025},     {Regime::kBiased, "biased", KvFormat::kK8v4, 0.10}};
  for (const Bound& bound : kBounds) {
    const AttentionInputs in = inputs_of(bound.regime);
    const std::vector<float> full = outputs(in, KvFormat::kFull);
    const double error = relative_error(outputs(in, bound.format), {full.begin(), full.end()});
    EXPECT_LE(error, bound.most) << bound.name << " " << name_of(bound.format);
    EXPECT_GE(error, bound.most * 0.1) << "codes were not read: " << bound.name << " " << name_of(bound.format);
    std::printf("%s %s %.4f\n", bound.name, std::string(name_of(bound.format)).c_str(), error);
  }
}

double decibels_of(Regime regime) {
  const AttentionInputs in = inputs_of(regime);
  const CpuContext context;
  AttentionRun run(context, {in});
  run.step({{0, 0, kTokens}});
  RopeTable table;
  table.storage = Buffer(2 * kTokens * kHeadDim / 2 * 4);
  table.cos = table.storage.view(DType::kF32, {kTokens, kHeadDim / 2});
  table.sin = table.storage.view(DType::kF32, {kTokens, kHeadDim / 2}, kTokens * kHeadDim / 2 * 4);
  for (int64_t t = 0; t < kTokens; ++t) {
    for (int64_t i = 0; i < kHeadDim / 2; ++i) {
      table.cos.as<float>()[t * kHeadDim / 2 + i] = static_cast<float>(std::cos(angle_of(t, i)));
      table.sin.as<float>()[t * kHeadDim / 2 + i] = static_cast<float>(std::sin(angle_of(t, i)));
    }
  }
  KeyNoise noise;
  for (int64_t page = 0; page < kTokens / 64; ++page) {
    noise +=
        key_noise(run.pages().layout, run.page(0, page), 0, 0, page * 64, regime == Regime::kBiased ? &table : nullptr);
  }
  return noise.decibels();
}

TEST(SealedAccuracy, TheGuardTellsBiasedKeys) {
  const double normal = decibels_of(Regime::kNormal), outliers = decibels_of(Regime::kOutliers);
  const double biased = decibels_of(Regime::kBiased);
  std::printf("%.2f %.2f %.2f\n", normal, outliers, biased);
  EXPECT_GT(normal, 18.0);
  EXPECT_GT(outliers, 18.0);
  EXPECT_LT(biased, 18.0);
}

}  // namespace
}  // namespace lockstep::test
