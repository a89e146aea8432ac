#include "tests/dist/comm/collective_cases.h"

#include "core/buffer.h"
#include "core/copy.h"
#include "core/error.h"
#include "kernels/add_bias.h"
#include "kernels/rms_norm.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <gtest/gtest.h>
#include <numeric>
#include <vector>

namespace lockstep::collective_cases {
namespace {

int64_t rank_of(const Communicator& communicator) { return communicator.rank().value(); }

// Small integers: sums over any number of ranks here are exact.
float whole_number(int64_t rank, int64_t round, int64_t i) {
  return static_cast<float>((rank * 31 + round * 7 + i) % 1001);
}

// Numbers of very different sizes, so that sums round and their order shows.
float rough_number(int64_t rank, int64_t i) {
  uint64_t bits = (static_cast<uint64_t>(rank) << 40) + static_cast<uint64_t>(i) + 1;
  bits = (bits ^ (bits >> 29)) * 0x9e3779b97f4a7c15ULL;
  bits ^= bits >> 32;
  const float fraction = static_cast<float>(bits & 0xffffff) / 16777216.0F - 0.5F;
  return std::ldexp(fraction, static_cast<int>((bits >> 24) % 24));
}

// The definition, round by round; `terms` is used up.
float pairwise(std::vector<float>& terms) {
  while (terms.size() > 1) {
    const size_t pairs = terms.size() / 2;
    for (size_t i = 0; i < pairs; ++i) terms[i] = terms[2 * i] + terms[2 * i + 1];
    if (terms.size() % 2 == 1) terms[pairs] = terms.back();
    terms.resize(pairs + terms.size() % 2);
  }
  return terms.front();
}

void write(const OpContext& context, void* to, const void* from, size_t bytes) {
  if (context.device.kind == DeviceKind::kCpu) {
    if (bytes > 0) std::memcpy(to, from, bytes);
    return;
  }
  copy_async(*context.stream, to, from, static_cast<int64_t>(bytes));
  context.stream->synchronize();
}

std::vector<float> read(const OpContext& context, const void* from, int64_t count) {
  std::vector<float> values(static_cast<size_t>(count));
  write(context, values.data(), from, values.size() * sizeof(float));
  return values;
}

// Floats in memory of the context's device.
class Array {
 public:
  Array(const OpContext& context, const std::vector<float>& values)
      : context_(context), count_(static_cast<int64_t>(values.size())), buffer_(count_ * 4, context.device) {
    write(context, buffer_.data(), values.data(), values.size() * sizeof(float));
  }
  void* data() const { return buffer_.data(); }
  TensorView view(Shape shape) const { return buffer_.view(DType::kF32, shape); }
  std::vector<float> values() const { return read(context_, buffer_.data(), count_); }

 private:
  const OpContext& context_;
  int64_t count_;
  Buffer buffer_;
};

void sum(Communicator& communicator, const OpContext& context, const void* partial, void* out, int64_t count) {
  communicator.all_reduce_sum(context, ConstTensorView(partial, DType::kF32, {count}, context.device),
                              TensorView(out, DType::kF32, {count}, context.device));
}

enum class Place { kPrivate, kInPlace, kBuffer, kBufferInPlace };

// One sum with input and output in the places that `place` names; returns the result.
std::vector<float> sum_in(Communicator& communicator, const OpContext& context, Place place,
                          const std::vector<float>& input) {
  const auto count = static_cast<int64_t>(input.size());
  const Array mine(context, input), other(context, std::vector<float>(input.size(), -1.0F));
  const void* partial = mine.data();
  void* out = place == Place::kInPlace ? mine.data() : other.data();
  if (place == Place::kBuffer || place == Place::kBufferInPlace) {
    void* const buffer = communicator.partial_buffer(count * 4);
    write(context, buffer, input.data(), input.size() * sizeof(float));
    partial = buffer;
    if (place == Place::kBufferInPlace) out = buffer;
  }
  sum(communicator, context, partial, out, count);
  return read(context, out, count);
}

std::vector<std::byte> pattern(int64_t rank, int64_t bytes) {
  std::vector<std::byte> data(static_cast<size_t>(bytes));
  for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<std::byte>((static_cast<size_t>(rank) * 37 + i) % 251);
  return data;
}

}  // namespace

void sums_are_exact(Communicator& communicator, int rounds, const OpContext& context) {
  const std::vector<int64_t> sizes = {1, 4096, 17, 0, 333, 40000, 16384, 2};
  for (int round = 0; round < rounds; ++round) {
    // Large sums seldom: only their alternation with small ones matters.
    const size_t choice = static_cast<size_t>(round) % (round % 16 < 8 ? 5 : sizes.size());
    const int64_t count = sizes[choice];
    std::vector<float> input(static_cast<size_t>(count)), expected(static_cast<size_t>(count));
    for (int64_t i = 0; i < count; ++i) {
      input[static_cast<size_t>(i)] = whole_number(rank_of(communicator), round, i);
      for (int64_t r = 0; r < communicator.size(); ++r) {
        expected[static_cast<size_t>(i)] += whole_number(r, round, i);
      }
    }
    // partial_buffer() is collective; where the result goes is each rank's own affair.
    const bool buffered = round % 3 == 0;
    const bool in_place = (round + rank_of(communicator)) % 2 == 0;
    const Place place =
        buffered ? (in_place ? Place::kBufferInPlace : Place::kBuffer) : (in_place ? Place::kInPlace : Place::kPrivate);
    ASSERT_EQ(sum_in(communicator, context, place, input), expected)
        << "round " << round << ", " << count << " elements";
  }
}

void sums_are_pairwise(Communicator& communicator, const OpContext& context) {
  for (const int64_t count : {0, 1, 2, 31, 1000, 4097, 65537, 1000000}) {
    std::vector<float> input(static_cast<size_t>(count)), expected(static_cast<size_t>(count)), terms;
    for (int64_t i = 0; i < count; ++i) {
      input[static_cast<size_t>(i)] = rough_number(rank_of(communicator), i);
      terms.clear();
      for (int64_t r = 0; r < communicator.size(); ++r) terms.push_back(rough_number(r, i));
      expected[static_cast<size_t>(i)] = pairwise(terms);
    }
    for (const Place place : {Place::kPrivate, Place::kInPlace, Place::kBuffer, Place::kBufferInPlace}) {
      const std::vector<float> out = sum_in(communicator, context, place, input);
      ASSERT_TRUE(count == 0 || std::memcmp(out.data(), expected.data(), static_cast<size_t>(count) * 4) == 0)
          << count << " elements, place " << static_cast<int>(place);
    }
  }
}

void results_may_be_changed_at_once(Communicator& communicator, const OpContext& context) {
  for (const int64_t count : {100, 60000}) {
    for (int round = 0; round < 50; ++round) {
      void* const buffer = communicator.partial_buffer(count * 4);
      std::vector<float> values(static_cast<size_t>(count), static_cast<float>(rank_of(communicator) + round));
      write(context, buffer, values.data(), values.size() * sizeof(float));
      sum(communicator, context, buffer, buffer, count);
      const int64_t size = communicator.size();
      const auto expected = static_cast<float>(size * (size - 1) / 2 + size * round);
      values = read(context, buffer, count);
      const auto wrong = std::find_if(values.begin(), values.end(), [&](float value) { return value != expected; });
      ASSERT_EQ(wrong - values.begin(), count) << "round " << round;
      std::fill(values.begin(), values.end(), -1e9F);
      write(context, buffer, values.data(), values.size() * sizeof(float));
    }
  }
}

void gathers_on_device(Communicator& communicator, const OpContext& context) {
  const auto size = static_cast<size_t>(communicator.size());
  for (const DType dtype : {DType::kF32, DType::kBF16, DType::kI32}) {
    for (const int64_t count : {0, 1, 333, 30001}) {
      const int64_t bytes = count * size_of(dtype);
      const std::vector<std::byte> mine = pattern(rank_of(communicator), bytes);
      const Buffer in(bytes, context.device), out(bytes * communicator.size(), context.device);
      write(context, in.data(), mine.data(), mine.size());
      communicator.all_gather_on_device(context, in.view(dtype, {count}),
                                        out.view(dtype, {communicator.size(), count}));
      std::vector<std::byte> seen(mine.size() * size), expected;
      write(context, seen.data(), out.data(), seen.size());
      for (int32_t r = 0; r < communicator.size(); ++r) {
        const std::vector<std::byte> part = pattern(r, bytes);
        expected.insert(expected.end(), part.begin(), part.end());
      }
      ASSERT_EQ(seen, expected) << count << " of " << name_of(dtype);
    }
  }
}

void sum_and_norm_is_its_parts(Communicator& communicator, const OpContext& context) {
  for (const int64_t hidden : {8, 100, 4096}) {
    const int64_t rows = 3;
    const auto random = [&](int64_t seed, int64_t count) {
      std::vector<float> values(static_cast<size_t>(count));
      for (int64_t i = 0; i < count; ++i) values[static_cast<size_t>(i)] = rough_number(seed, i) / 4096.0F;
      return values;
    };
    const std::vector<float> input = random(rank_of(communicator), rows * hidden);
    const Array bias(context, random(100, hidden)), weight(context, random(101, hidden));
    const Array residual(context, random(102, rows * hidden)), residual_of_parts(context, random(102, rows * hidden));
    const Array out(context, input), out_of_parts(context, input), delta(context, input);
    const Shape shape{rows, hidden};
    for (const bool has_bias : {false, true}) {
      write(context, delta.data(), input.data(), input.size() * sizeof(float));
      sum(communicator, context, delta.data(), delta.data(), rows * hidden);
      if (has_bias) add_bias(context, delta.view(shape), bias.view({hidden}));
      add_rms_norm(context, residual_of_parts.view(shape), delta.view(shape), weight.view({hidden}), 1e-5F,
                   out_of_parts.view(shape));

      void* const buffer = communicator.partial_buffer(rows * hidden * 4);
      write(context, buffer, input.data(), input.size() * sizeof(float));
      const auto given = has_bias ? std::optional<ConstTensorView>(bias.view({hidden})) : std::nullopt;
      communicator.all_reduce_add_rms_norm(context, TensorView(buffer, DType::kF32, shape, context.device),
                                           residual.view(shape), given, weight.view({hidden}), 1e-5F, out.view(shape));
      ASSERT_EQ(residual.values(), residual_of_parts.values()) << hidden;
      ASSERT_EQ(out.values(), out_of_parts.values()) << hidden;
    }
  }
}

void broadcasts_from_every_root(Communicator& communicator) {
  for (const int64_t bytes : {0, 1, 1000, 300001}) {
    for (int32_t root = 0; root < communicator.size(); ++root) {
      std::vector<std::byte> data = pattern(rank_of(communicator), bytes);
      communicator.broadcast(data, Rank(root));
      ASSERT_EQ(data, pattern(root, bytes)) << bytes << " bytes from " << root;
      // Only the root knows the size: the others' bytes are ignored.
      const std::vector<std::byte> mine = pattern(rank_of(communicator), bytes + rank_of(communicator));
      ASSERT_EQ(broadcast_bytes(communicator, mine, Rank(root)), pattern(root, bytes + root));
    }
  }
}

void all_gathers_in_rank_order(Communicator& communicator) {
  for (const int64_t bytes : {0, 1, 1000, 100001}) {
    std::vector<std::byte> expected;
    for (int32_t r = 0; r < communicator.size(); ++r) {
      const std::vector<std::byte> part = pattern(r, bytes);
      expected.insert(expected.end(), part.begin(), part.end());
    }
    std::vector<std::byte> out(expected.size());
    communicator.all_gather(pattern(rank_of(communicator), bytes), out);
    ASSERT_EQ(out, expected);
  }
}

void gathers_unequal_sizes(Communicator& communicator) {
  for (int32_t root = 0; root < communicator.size(); ++root) {
    std::vector<int64_t> sizes;
    std::vector<std::byte> expected;
    for (int32_t r = 0; r < communicator.size(); ++r) {
      sizes.push_back(r * 1013 % 2500);  // the first brings nothing
      const std::vector<std::byte> part = pattern(r, sizes.back());
      expected.insert(expected.end(), part.begin(), part.end());
    }
    const bool is_root = communicator.rank() == Rank(root);
    std::vector<std::byte> out(is_root ? expected.size() : 0);
    communicator.gather(pattern(rank_of(communicator), sizes[static_cast<size_t>(rank_of(communicator))]), sizes, out,
                        Rank(root));
    if (is_root) {
      ASSERT_EQ(out, expected) << "root " << root;
    }
  }
}

void minimum_and_maximum(Communicator& communicator) {
  const int64_t last = communicator.size() - 1;
  const int64_t big = int64_t{1} << 60;
  EXPECT_EQ(communicator.all_reduce_min(big + rank_of(communicator)), big);
  EXPECT_EQ(communicator.all_reduce_max(big + rank_of(communicator)), big + last);
  EXPECT_EQ(communicator.all_reduce_min(-rank_of(communicator)), -last);
  communicator.barrier();
}

void split_groups_work_side_by_side(Communicator& communicator, const OpContext& context) {
  const int32_t mine = communicator.rank().value();
  const int32_t color = mine % 2;
  const std::unique_ptr<Communicator> half = communicator.split(color, -mine);

  std::vector<int32_t> members;
  for (int32_t r = communicator.size() - 1; r >= 0; --r) {
    if (r % 2 == color) members.push_back(r);
  }
  ASSERT_EQ(half->size(), static_cast<int32_t>(members.size()));
  ASSERT_EQ(members[static_cast<size_t>(half->rank().value())], mine);

  std::vector<int32_t> seen(members.size());
  half->all_gather(std::as_bytes(std::span(&mine, 1)), std::as_writable_bytes(std::span(seen)));
  EXPECT_EQ(seen, members);

  for (int round = 0; round < 100; ++round) {
    // The halves take different numbers of steps: they must not wait for each other.
    for (int step = 0; step < 1 + color * 3; ++step) {
      std::vector<float> value(static_cast<size_t>(50 + round * color), static_cast<float>(mine + step));
      value = sum_in(*half, context, Place::kInPlace, value);
      const float expected = static_cast<float>(std::accumulate(members.begin(), members.end(), 0)) +
                             static_cast<float>(step) * static_cast<float>(members.size());
      ASSERT_EQ(value.front(), expected);
      ASSERT_EQ(value.back(), expected);
    }
    const std::vector<float> whole = sum_in(communicator, context, Place::kInPlace, std::vector<float>(10, 1.0F));
    ASSERT_EQ(whole.front(), static_cast<float>(communicator.size()));
  }
}

void wrong_arguments_are_refused(Communicator& communicator) {
  std::vector<float> memory(16);
  const TensorView good(memory.data(), DType::kF32, {4});
  const TensorView half_type(memory.data(), DType::kBF16, {4});
  const TensorView longer(memory.data(), DType::kF32, {5});
  const TensorView strided = TensorView::matrix(memory.data(), DType::kF32, 2, 2, 4);
  const TensorView on_gpu(memory.data(), DType::kF32, {4}, Device::cuda(0));
  const OpContext context;
  EXPECT_THROW(communicator.all_reduce_sum(context, half_type, half_type), DTypeError);
  EXPECT_THROW(communicator.all_reduce_sum(context, good, longer), ShapeError);
  EXPECT_THROW(communicator.all_reduce_sum(context, strided, good), ShapeError);
  EXPECT_THROW(communicator.all_reduce_sum(context, on_gpu, on_gpu), NotCompiled);

  std::vector<std::byte> bytes(3);
  EXPECT_THROW(communicator.broadcast(bytes, Rank(communicator.size())), CommError);
  EXPECT_THROW(communicator.broadcast(bytes, Rank(-1)), CommError);
  EXPECT_THROW(communicator.all_gather(bytes, std::span(bytes).first(1)), CommError);
  const std::vector<int64_t> too_many(static_cast<size_t>(communicator.size()) + 1, 3);
  EXPECT_THROW(communicator.gather(bytes, too_many, bytes, Rank(0)), CommError);
  EXPECT_THROW(communicator.split(-1, 0), CommError);

  // Nothing was sent, so the group still works.
  EXPECT_EQ(communicator.all_reduce_max(rank_of(communicator)), communicator.size() - 1);
}

}  // namespace lockstep::collective_cases
