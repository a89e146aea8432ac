#include "tests/support/associative_layer.h"

#include "core/error.h"
#include "kernels/embedding.h"
#include "kernels/page_summaries.h"
#include "kernels/rms_norm.h"
#include "kernels/seal_pages.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

namespace lockstep::testing_support {
namespace {

constexpr int64_t kOpenPages = 16;  // written before they are sealed

LinearWeight packed(const OpContext& context, const std::vector<ConstTensorView>& parts) {
  return pack_linear_weight(context, parts, {}, {0, parts.front().size(1)});
}

}  // namespace

AssociativeLayer::AssociativeLayer(const OpContext& context, const std::filesystem::path& directory, KvFormat format,
                                   int64_t page_tokens, int64_t max_tokens)
    : context_(context), checkpoint_(Checkpoint::open(directory)) {
  const ModelConfig& model = config();
  LS_REQUIRE(FormatError, model.num_layers == 1, "{} layers; one is needed", model.num_layers);
  const int64_t hidden = model.hidden_size, width = model.num_heads * model.head_dim;
  const int64_t kv_width = model.num_kv_heads * model.head_dim;
  const std::string prefix = "model.layers.0.self_attn.";
  qkv_ = packed(context, {checkpoint_.tensor(prefix + "q_proj.weight", {width, hidden}),
                          checkpoint_.tensor(prefix + "k_proj.weight", {kv_width, hidden}),
                          checkpoint_.tensor(prefix + "v_proj.weight", {kv_width, hidden})});
  output_ = packed(context, {checkpoint_.tensor(prefix + "o_proj.weight", {hidden, width})});
  head_ = packed(context, {checkpoint_.tensor("lm_head.weight", {model.vocab_size, hidden})});
  rope_ = make_rope_table(context, model, max_tokens);

  pages_.layout = {page_tokens, model.num_kv_heads, 1, model.head_dim, model.dtype, format};
  pages_.layout.has_summaries = format == KvFormat::kFull;
  const int64_t num_slots = pages_.layout.slots_for(max_tokens);
  slots_.resize(static_cast<size_t>(num_slots));
  std::iota(slots_.begin(), slots_.end(), 0);
  pool_ = Buffer(num_slots * pages_.layout.page_bytes());
  pages_.base = static_cast<std::byte*>(pool_.data());
  summaries_ = Buffer(num_slots * summary_slot_bytes(pages_.layout));
  pages_.summaries = static_cast<std::byte*>(summaries_.data());
  pages_.num_summaries = num_slots;
  if (pages_.layout.is_coded()) {
    open_pool_ = Buffer(kOpenPages * pages_.open_layout().page_bytes());
    pages_.open_base = static_cast<std::byte*>(open_pool_.data());
  }
}

float AssociativeLayer::scale() const {
  return static_cast<float>(1.0 / std::sqrt(static_cast<double>(config().head_dim)));
}

/// The arrays of a batch of one row at the sequence's end.
struct AssociativeLayer::Row {
  std::array<int32_t, 2> token_begin, page_begin, open_begin;
  std::array<int32_t, kOpenPages> open_slots;
  int32_t first_position, is_sparse = 1;
  RaggedRows rows;

  Row(const AssociativeLayer& layer, int64_t count) {
    const KvLayout& layout = layer.pages_.layout;
    first_position = static_cast<int32_t>(layer.length_);
    token_begin = {0, static_cast<int32_t>(count)};
    page_begin = {0, static_cast<int32_t>(layout.slots_for(layer.length_ + count))};
    open_begin = {0, static_cast<int32_t>(kOpenPages)};
    std::iota(open_slots.begin(), open_slots.end(), 0);
    rows = {1, count, token_begin.data(), &first_position, page_begin.data(), layer.slots_.data()};
    rows.open_begin = open_begin.data();
    rows.open_slots = open_slots.data();
    rows.is_sparse = count == 1 ? &is_sparse : nullptr;
  }
};

TensorView AssociativeLayer::write(const std::vector<int64_t>& tokens, const RaggedRows& rows) {
  const ModelConfig& model = config();
  const auto count = static_cast<int64_t>(tokens.size());
  std::vector<int32_t> ids(tokens.begin(), tokens.end()), positions(tokens.size());
  std::iota(positions.begin(), positions.end(), static_cast<int32_t>(length_));
  Buffer embedded(count * model.hidden_size * 4), normed(count * model.hidden_size * size_of(model.dtype));
  const TensorView x = embedded.view(DType::kF32, {count, model.hidden_size});
  const TensorView y = normed.view(model.dtype, {count, model.hidden_size});
  embedding(context_, TensorView(ids.data(), DType::kI32, {count}),
            checkpoint_.tensor("model.embed_tokens.weight", {model.vocab_size, model.hidden_size}), 0, x);
  const auto eps = static_cast<float>(model.rms_norm_eps);
  rms_norm(context_, x, checkpoint_.tensor("model.layers.0.input_layernorm.weight", {model.hidden_size}), eps, y);

  const int64_t all_heads = model.num_heads + 2 * model.num_kv_heads;
  projected_ = Buffer(count * all_heads * model.head_dim * 4);
  linear(context_, y, qkv_, projected_.view(DType::kF32, {count, all_heads * model.head_dim}));
  const TensorView heads = projected_.view(DType::kF32, {count, all_heads, model.head_dim});
  const int64_t k_end = model.num_heads + model.num_kv_heads;
  rope_and_write_kv(context_, heads.slice(1, 0, model.num_heads), heads.slice(1, model.num_heads, k_end),
                    heads.slice(1, k_end, all_heads), TensorView(positions.data(), DType::kI32, {count}), rope_, rows,
                    0, pages_);
  return heads.slice(1, 0, model.num_heads);
}

void AssociativeLayer::hold(const std::vector<int64_t>& tokens) {
  const KvLayout& layout = pages_.layout;
  const int64_t page_tokens = layout.page_tokens, step = kOpenPages * page_tokens;
  LS_REQUIRE(ShapeError, static_cast<int64_t>(tokens.size()) % page_tokens == 0, "{} tokens are no whole pages of {}",
             tokens.size(), page_tokens);
  for (size_t begin = 0; begin < tokens.size();) {
    const size_t end = std::min(tokens.size(), begin + static_cast<size_t>(step));
    const Row row(*this, static_cast<int64_t>(end - begin));
    write({tokens.begin() + static_cast<std::ptrdiff_t>(begin), tokens.begin() + static_cast<std::ptrdiff_t>(end)},
          row.rows);
    std::vector<int32_t> open, keys, values;
    for (int64_t page = length_ / page_tokens; page < (length_ + row.rows.num_tokens) / page_tokens; ++page) {
      const int64_t entry = page + (layout.splits_first_page() && page > 0 ? 1 : 0);
      open.push_back(static_cast<int32_t>(open.size()));
      keys.push_back(slots_[static_cast<size_t>(entry)]);
      values.push_back(slots_[static_cast<size_t>(entry + (layout.splits_first_page() && page == 0 ? 1 : 0))]);
    }
    seal_pages(context_, {static_cast<int64_t>(open.size()), open.data(), keys.data(), values.data()}, 0, pages_);
    length_ += row.rows.num_tokens;
    begin = end;
  }
  held_ = length_;
}

int64_t AssociativeLayer::ask(int64_t token, const SparseRule* rule) {
  LS_REQUIRE(ShapeError, length_ - held_ < pages_.layout.page_tokens, "asked {} tokens; a page holds {}",
             length_ - held_, pages_.layout.page_tokens);
  const ModelConfig& model = config();
  const Row row(*this, 1);
  const TensorView q = write({token}, row.rows);
  queries_.assign(q.as<float>(), q.as<float>() + model.num_heads * model.head_dim);
  PageSelection selection;
  if (rule != nullptr) {
    capacity_ = most_selected_pages(*rule, length_ / pages_.layout.page_tokens + 1);
    lists_.resize(static_cast<size_t>(model.num_kv_heads * capacity_));
    counts_.resize(static_cast<size_t>(model.num_kv_heads));
    const SelectionLists lists{capacity_, lists_.data(), counts_.data(), &totals_};
    select_pages(context_, q, row.rows, 0, pages_, scale(), 0, *rule, lists);
    selection = lists.view();
  }
  Buffer attended(model.num_heads * model.head_dim * size_of(model.dtype));
  const TensorView out = attended.view(model.dtype, {1, model.num_heads * model.head_dim});
  paged_attention(context_, q, row.rows, 0, pages_, scale(), 0, out, rule != nullptr ? &selection : nullptr);
  ++length_;
  return next_token(token, out);
}

int64_t AssociativeLayer::next_token(int64_t token, TensorView attended) {
  const ModelConfig& model = config();
  int32_t id = static_cast<int32_t>(token);
  Buffer residual(model.hidden_size * 4), delta(model.hidden_size * 4), normed(model.hidden_size * 4);
  const TensorView x = residual.view(DType::kF32, {1, model.hidden_size});
  const TensorView change = delta.view(DType::kF32, {1, model.hidden_size});
  const TensorView y = normed.view(model.dtype, {1, model.hidden_size});
  embedding(context_, TensorView(&id, DType::kI32, {1}),
            checkpoint_.tensor("model.embed_tokens.weight", {model.vocab_size, model.hidden_size}), 0, x);
  linear(context_, attended, output_, change);
  add_rms_norm(context_, x, change, checkpoint_.tensor("model.norm.weight", {model.hidden_size}),
               static_cast<float>(model.rms_norm_eps), y);
  std::vector<float> logits(static_cast<size_t>(model.vocab_size));
  linear(context_, y, head_, TensorView(logits.data(), DType::kF32, {1, model.vocab_size}));
  return std::max_element(logits.begin(), logits.end()) - logits.begin();
}

std::vector<int32_t> AssociativeLayer::list(int64_t kv_head) const {
  const int32_t count = counts_[static_cast<size_t>(kv_head)];
  LS_CHECK(count >= 0, "KV head {} read all pages", kv_head);
  const auto begin = lists_.begin() + kv_head * capacity_;
  return {begin, begin + count};
}

}  // namespace lockstep::testing_support
