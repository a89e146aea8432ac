// The codes of one channel of keys over a page, and of one token's values (kernels/kv_codes.h).
#pragma once

#include "kernels/cpu/seal/quantise.h"

#include <algorithm>

namespace lockstep::cpu {
namespace {

struct CodedKeys {
  float offset;  // a half
  uint8_t scale;
};
struct CodedValues {
  Half scale, low;
};

/// codes[i] = the nearest of 0 … 15 to (x[i] - low) / scale; returns the square error.
inline float code4(const float* x, int64_t n, float low, float scale, float* codes) {
  const Vec::F inverse = Vec::set1(scale > 0.0F ? 1.0F / scale : 0.0F), start = Vec::set1(low);
  const Vec::F step = Vec::set1(scale);
  return sum_of(n, [&](int64_t i) {
    const Vec::F code = nearest(within(Vec::mul(Vec::sub(Vec::load(x + i), start), inverse), 0.0F, 15.0F));
    const Vec::F error = Vec::sub(Vec::load(x + i), Vec::add(start, Vec::mul(step, code)));
    Vec::store(codes + i, code);
    return Vec::mul(error, error);
  });
}

/// codes[i] = the nearest of -127 … 127 to (x[i] - middle) / scale.
inline void code8(const float* x, int64_t n, float middle, float scale, float* codes) {
  const Vec::F inverse = Vec::set1(scale > 0.0F ? 1.0F / scale : 0.0F), offset = Vec::set1(middle);
  for (int64_t i = 0; i < n; i += Vec::kWidth) {
    Vec::store(codes + i, nearest(within(Vec::mul(Vec::sub(Vec::load(x + i), offset), inverse), -127.0F, 127.0F)));
  }
}

inline float mean_of(const float* x, int64_t n) {
  return sum_of(n, [&](int64_t i) { return Vec::load(x + i); }) / static_cast<float>(n);
}

/// Around the mean; n is a multiple of 8. Codes are signed here, 128 below what is stored.
inline CodedKeys code_keys8(const float* x, int64_t n, float* codes) {
  const float offset = as_half(mean_of(x, n));
  const Span span = span_of(x, n);
  const uint8_t scale_code = scale_code_for(std::max(span.most - offset, offset - span.least) / 127.0F);
  code8(x, n, offset, scale_of_code(scale_code), codes);
  return {offset, scale_code};
}

/// Of the scale that covers the span and a few smaller ones, each around the middle, the one of least square error.
inline CodedKeys code_keys4(const float* x, int64_t n, float* codes, float* best_codes) {
  constexpr int kSmaller = 3;
  const Span span = span_of(x, n);
  const float middle = 0.5F * (span.least + span.most);
  const int covering = scale_code_for((span.most - span.least) / 15.0F);
  CodedKeys best{};
  float least_error = 0.0F;
  bool any = false;
  const auto attempt = [&](float offset, int scale_code) {
    const float error = code4(x, n, offset, scale_of_code(static_cast<uint8_t>(scale_code)), codes);
    if (any && !(error < least_error)) return;
    any = true;
    least_error = error;
    best = {offset, static_cast<uint8_t>(scale_code)};
    std::copy(codes, codes + n, best_codes);
  };
  const float below = half_at_most(span.least);
  if (span.most > span.least) {
    for (int scale_code = covering; scale_code >= std::max(covering - kSmaller, 0); --scale_code) {
      attempt(as_half(middle - 7.5F * scale_of_code(static_cast<uint8_t>(scale_code))), scale_code);
    }
  }
  // Where halves are sparse beside the span (a bias far above its deviation, or nothing but a bias): from the half
  // below the least key.
  if (!any || span.least - below > scale_of_code(static_cast<uint8_t>(covering)) * 0.25F) {
    attempt(below, scale_code_for((span.most - below) / 15.0F));
  }
  std::copy(best_codes, best_codes + n, codes);
  return best;
}

/// Codes are signed.
inline CodedValues code_values8(const float* x, int64_t n, float* codes) {
  const Span span = span_of(x, n);
  const Half scale = half_at_least(std::max(span.most, -span.least) / 127.0F);
  code8(x, n, 0.0F, to_float(scale), codes);
  return {scale, {0}};
}

/// Of a few ranges around the middle of the span, the one of least square error; n is a multiple of 8.
inline CodedValues code_values4(const float* x, int64_t n, float* codes, float* best_codes) {
  constexpr float kRanges[] = {1.0F, 0.95F, 0.9F, 0.85F, 0.8F};
  const Span span = span_of(x, n);
  const float middle = 0.5F * (span.least + span.most);
  CodedValues best{};
  float least_error = 0.0F;
  bool any = false;
  for (const float range : kRanges) {
    const Half scale = half_within_range((span.most - span.least) * range / 15.0F);
    const Half low = half_within_range(middle - 7.5F * to_float(scale));
    const float error = code4(x, n, to_float(low), to_float(scale), codes);
    if (any && !(error < least_error)) continue;
    any = true;
    least_error = error;
    best = {scale, low};
    std::copy(codes, codes + n, best_codes);
  }
  std::copy(best_codes, best_codes + n, codes);
  return best;
}

}  // namespace
}  // namespace lockstep::cpu
