// The device's selection of tokens against a whole sort of each row by Thrust, on a GPU.
#include "tests/kernels/cuda/thrust/thrust_draw.h"

#include "tests/kernels/cuda/device_support.h"

namespace lockstep::test {
namespace {

TEST(ThrustDraw, SelectionDrawsWhatAWholeSortDraws) {
  CudaContext context;
  for (const int64_t vocab : {1, 7, 512, 32000, 128256}) {
    std::vector<RowSampling> rows;
    for (uint64_t i = 0; i < 48; ++i) {
      RowSampling row{.temperature = 0.25 + 0.25 * static_cast<double>(i % 7), .seed = i, .position = 3 * i};
      if (i % 2 == 1) row.top_p = 0.5 + 0.01 * static_cast<double>(i);
      if (i % 3 == 1) row.top_k = static_cast<int32_t>(1 + 5 * i);
      if (i % 4 == 1) row.min_p = 0.02;
      rows.push_back(row);
    }
    const auto num_rows = static_cast<int64_t>(rows.size());
    std::vector<float> logits = random_floats(num_rows * vocab, static_cast<uint64_t>(vocab), 3.0F);
    for (size_t i = 0; i < logits.size(); i += 5) logits[i] = static_cast<float>(static_cast<int>(logits[i]));  // ties
    const DeviceArray on_device(context, DType::kF32, logits);
    const DeviceArray tokens(context, DType::kI32, num_rows);
    Buffer settings(num_rows * static_cast<int64_t>(sizeof(RowSampling)), Device::cuda(0));
    copy_async(context.stream(), settings.data(), rows.data(), settings.bytes());
    context.synchronize();
    sample_rows(context, on_device.view({num_rows, vocab}), static_cast<const RowSampling*>(settings.data()),
                tokens.view({num_rows}));
    EXPECT_EQ(tokens.integers(), thrust_draw(logits, rows)) << "vocabulary " << vocab;
  }
}

}  // namespace
}  // namespace lockstep::test
