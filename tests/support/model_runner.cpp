#include "tests/support/model_runner.h"

#include "kernels/sample.h"

#include <algorithm>

namespace lockstep::testing_support {
namespace {

constexpr int64_t kMostStepTokens = 512;

}  // namespace

ModelRunner::ModelRunner(const std::filesystem::path& model, Communicator& communicator, CpuIsa isa, int num_threads)
    : communicator_(communicator),
      checkpoint_(Checkpoint::open(model)),
      shard_(shard_of(checkpoint_.config(), communicator.size(), communicator.rank())),
      threads_(num_threads),
      stream_(Stream::inline_cpu()),
      context_{.device = Device::cpu(), .stream = &stream_, .threads = &threads_, .isa = isa},
      decoder_(context_, checkpoint_, shard_, communicator, checkpoint_.config().dtype, kMostStepTokens,
               checkpoint_.config().max_positions),
      num_slots_((checkpoint_.config().max_positions + kPageTokens - 1) / kPageTokens),
      pool_(decoder_.kv_layout(kPageTokens), num_slots_, context_.device) {
  restart();
}

void ModelRunner::restart() {
  table_ = std::make_unique<PageTable>(num_slots_);
  pages_.clear();
  length_ = 0;
}

std::vector<float> ModelRunner::append(const std::vector<TokenId>& tokens, int64_t chunk) {
  std::vector<float> logits;
  for (size_t begin = 0; begin < tokens.size(); begin += static_cast<size_t>(chunk)) {
    const size_t end = std::min(begin + static_cast<size_t>(chunk), tokens.size());
    StepPlan plan;
    plan.number = table_->next_plan_number();
    plan.digest_before = table_->digest();
    const int64_t new_length = length_ + static_cast<int64_t>(end - begin);
    while (static_cast<int64_t>(pages_.size()) * kPageTokens < new_length) {
      const auto index = static_cast<int64_t>(pages_.size());
      pages_.emplace_back(index);
      // Slots in descending order: a page's place must not matter.
      plan.ops.push_back({PageOpKind::kAllocate, PageId(index), SlotId(static_cast<int32_t>(num_slots_ - 1 - index))});
    }
    PlanRow& row = plan.rows.emplace_back();
    row.first_position = length_;
    row.tokens.assign(tokens.begin() + static_cast<int64_t>(begin), tokens.begin() + static_cast<int64_t>(end));
    row.pages = pages_;
    row.wants_logits = true;
    table_->apply(plan);
    ForwardBatch batch;
    batch.assign(plan, *table_);
    const TensorView out = decoder_.forward(batch, pool_.pages());
    logits.assign(out.as<float>(), out.as<float>() + out.size(1));
    length_ = new_length;
  }
  return logits;
}

std::vector<TokenId> ModelRunner::greedy(std::vector<float> logits, int64_t count) {
  std::vector<TokenId> tokens;
  for (int64_t i = 0; i < count; ++i) {
    ArgmaxResult mine;
    const TensorView row(logits.data(), DType::kF32, {1, static_cast<int64_t>(logits.size())});
    argmax_rows(context_, row, shard_.vocab.begin, std::span(&mine, 1));
    std::vector<ArgmaxResult> all(static_cast<size_t>(communicator_.size()));
    communicator_.all_gather(std::as_bytes(std::span(&mine, 1)), std::as_writable_bytes(std::span(all)));
    ArgmaxResult best = all[0];
    for (const ArgmaxResult& other : all) best = better_of(best, other);
    tokens.push_back(best.token);
    if (i + 1 < count) logits = append({best.token}, 1);
  }
  return tokens;
}

}  // namespace lockstep::testing_support
