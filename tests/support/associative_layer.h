// One layer of the built associative model (examples/associative_model.h) run by kernels alone. As keys and values of
// its only layer follow from the tokens alone, a context of any length is written without attending over it.
#pragma once

#include "core/buffer.h"
#include "core/checkpoint/checkpoint.h"
#include "kernels/context.h"
#include "kernels/linear.h"
#include "kernels/paged_attention.h"
#include "kernels/rope.h"
#include "kernels/select_pages.h"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

namespace lockstep::testing_support {

/// A context held in pages, and single tokens asked behind it. Host only; not thread-safe.
class AssociativeLayer {
 public:
  /// `directory` holds a model of one layer. Throws FormatError.
  AssociativeLayer(const OpContext& context, const std::filesystem::path& directory, KvFormat format,
                   int64_t page_tokens, int64_t max_tokens);

  /// Appends tokens, whole pages, sealed.
  void hold(const std::vector<int64_t>& tokens);

  /// Appends a token and returns the likeliest next one; with a rule, attention reads selected pages.
  int64_t ask(int64_t token, const SparseRule* rule);
  /// Gives up what was asked since hold().
  void forget_asked() { length_ = held_; }

  /// Of the last ask(): its queries [heads, head_dim], and its lists where it had a rule.
  const std::vector<float>& queries() const { return queries_; }
  std::vector<int32_t> list(int64_t kv_head) const;
  const SelectionTotals& totals() const { return totals_; }
  const KvPages& pages() const { return pages_; }
  const std::vector<int32_t>& slots() const { return slots_; }
  int64_t length() const { return length_; }
  float scale() const;
  const ModelConfig& config() const { return checkpoint_.config(); }

 private:
  struct Row;
  /// Queries, keys and values [tokens, heads, head_dim] of tokens at the next positions; stores the latter two.
  TensorView write(const std::vector<int64_t>& tokens, const RaggedRows& rows);
  int64_t next_token(int64_t token, TensorView attended);

  const OpContext& context_;
  Checkpoint checkpoint_;
  LinearWeight qkv_, output_, head_;
  RopeTable rope_;
  KvPages pages_;
  Buffer pool_, open_pool_, summaries_, projected_;
  std::vector<int32_t> slots_;  // as RaggedRows has them, for all of max_tokens
  std::vector<float> queries_;
  std::vector<int32_t> lists_, counts_;
  int64_t capacity_ = 0, held_ = 0, length_ = 0;
  SelectionTotals totals_;
};

}  // namespace lockstep::testing_support
