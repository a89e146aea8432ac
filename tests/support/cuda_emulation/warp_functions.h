// CUDA's functions of a block and of a warp, emulated. A value read from a lane that took no part has all bits set.
#pragma once

#include "tests/support/cuda_emulation/simt.h"

#include <bit>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace lockstep::emulation {

template <class T>
uint64_t to_box(const T& value) {
  static_assert(std::is_trivially_copyable_v<T> && (sizeof(T) == 4 || sizeof(T) == 8 || sizeof(T) == 2));
  uint64_t box = 0;
  std::memcpy(&box, &value, sizeof value);
  return box;
}

template <class T>
T from_box(uint64_t box) {
  T value;
  std::memcpy(&value, &box, sizeof value);
  return value;
}

template <class T>
T value_of_lane(const Meeting& meeting, uint32_t lane) {
  return from_box<T>((meeting.lanes >> lane & 1) != 0 ? meeting.values[lane] : ~uint64_t{0});
}

inline uint32_t first_of_part(int width) { return lane_id() & ~(static_cast<uint32_t>(width) - 1); }

template <class T, class Combine>
T reduce_warp(uint32_t mask, const char* operation, T value, Combine combine) {
  const Meeting meeting = meet_warp(mask, operation, to_box(value));
  uint32_t lanes = meeting.lanes;
  T total = from_box<T>(meeting.values[std::countr_zero(lanes)]);
  for (lanes &= lanes - 1; lanes != 0; lanes &= lanes - 1) {
    total = combine(total, from_box<T>(meeting.values[std::countr_zero(lanes)]));
  }
  return total;
}

}  // namespace lockstep::emulation

inline void __syncthreads() { lockstep::emulation::meet_block(false); }
inline int __syncthreads_count(int predicate) { return lockstep::emulation::meet_block(predicate != 0); }
inline int __syncthreads_or(int predicate) { return lockstep::emulation::meet_block(predicate != 0) > 0 ? 1 : 0; }
inline int __syncthreads_and(int predicate) { return lockstep::emulation::meet_block(predicate == 0) == 0 ? 1 : 0; }
inline void __syncwarp(unsigned int mask = 0xffffffffU) { lockstep::emulation::meet_warp(mask, "__syncwarp", 0); }

template <class T>
T __shfl_sync(unsigned int mask, T value, int lane, int width = warpSize) {
  namespace emulation = lockstep::emulation;
  const auto meeting = emulation::meet_warp(mask, "__shfl_sync", emulation::to_box(value));
  const uint32_t within = static_cast<uint32_t>(lane) & (static_cast<uint32_t>(width) - 1);
  return emulation::value_of_lane<T>(meeting, emulation::first_of_part(width) + within);
}
template <class T>
T __shfl_xor_sync(unsigned int mask, T value, int lane_mask, int width = warpSize) {
  namespace emulation = lockstep::emulation;
  const auto meeting = emulation::meet_warp(mask, "__shfl_xor_sync", emulation::to_box(value));
  const uint32_t from = emulation::lane_id() ^ static_cast<uint32_t>(lane_mask);
  // Beyond the lane's part of the warp: its own value, as on the device for the parts above.
  return from < emulation::first_of_part(width) + static_cast<uint32_t>(width)
             ? emulation::value_of_lane<T>(meeting, from)
             : value;
}
template <class T>
T __shfl_down_sync(unsigned int mask, T value, unsigned int delta, int width = warpSize) {
  namespace emulation = lockstep::emulation;
  const auto meeting = emulation::meet_warp(mask, "__shfl_down_sync", emulation::to_box(value));
  const uint32_t from = emulation::lane_id() + delta;
  return from < emulation::first_of_part(width) + static_cast<uint32_t>(width)
             ? emulation::value_of_lane<T>(meeting, from)
             : value;
}
template <class T>
T __shfl_up_sync(unsigned int mask, T value, unsigned int delta, int width = warpSize) {
  namespace emulation = lockstep::emulation;
  const auto meeting = emulation::meet_warp(mask, "__shfl_up_sync", emulation::to_box(value));
  const uint32_t lane = emulation::lane_id();
  return lane >= emulation::first_of_part(width) + delta ? emulation::value_of_lane<T>(meeting, lane - delta) : value;
}

inline unsigned int __ballot_sync(unsigned int mask, int predicate) {
  const auto meeting = lockstep::emulation::meet_warp(mask, "__ballot_sync", predicate != 0 ? 1 : 0);
  unsigned int votes = 0;
  for (unsigned int lane = 0; lane < 32; ++lane) {
    if ((meeting.lanes >> lane & 1) != 0 && meeting.values[lane] != 0) votes |= 1U << lane;
  }
  return votes;
}
inline int __any_sync(unsigned int mask, int predicate) { return __ballot_sync(mask, predicate) != 0 ? 1 : 0; }
inline int __all_sync(unsigned int mask, int predicate) {
  return __ballot_sync(mask, predicate == 0 ? 1 : 0) == 0 ? 1 : 0;
}

// On the device for 4-byte integers only.
template <class T>
requires(std::is_same_v<T, int> || std::is_same_v<T, unsigned int>) T __reduce_add_sync(unsigned int mask, T value) {
  return static_cast<T>(lockstep::emulation::reduce_warp(mask, "__reduce_add_sync", static_cast<unsigned int>(value),
                                                         [](unsigned int a, unsigned int b) { return a + b; }));
}
template <class T>
requires(std::is_same_v<T, int> || std::is_same_v<T, unsigned int>) T __reduce_max_sync(unsigned int mask, T value) {
  return lockstep::emulation::reduce_warp(mask, "__reduce_max_sync", value, [](T a, T b) { return a < b ? b : a; });
}
template <class T>
requires(std::is_same_v<T, int> || std::is_same_v<T, unsigned int>) T __reduce_min_sync(unsigned int mask, T value) {
  return lockstep::emulation::reduce_warp(mask, "__reduce_min_sync", value, [](T a, T b) { return b < a ? b : a; });
}

inline void __trap() { lockstep::emulation::fail_kernel("__trap"); }
