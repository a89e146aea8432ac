// A Llama checkpoint whose weights are built, not trained, so that it follows chains of associations over any distance,
// and contexts with questions whose answers are known: for measuring what attention that reads less still finds.
//
// Tokens: a fact (key, value) says that `value` comes after `key`; ask(key) makes the model generate ask(value), which
// asks in turn. Hay is everything else: weak hay has keys of little length, decoys are as long as facts but of no key.
// How it works: the embedding of a fact holds the key's code and the value's; the first query head of each group
// matches the code of the token that asks, all others look at nearby positions and their results are dropped. Each KV
// head has codes of its own. The rotary embedding turns the codes' dimensions by less than a tenth within 2^18
// positions.
#pragma once

#include "core/dtype.h"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace lockstep::examples {

struct AssociativeModel {
  int64_t head_dim = 128;  // a multiple of 8
  int64_t kv_heads = 2;
  int64_t group = 2;   // query heads of a KV head
  int64_t layers = 1;  // the last one recalls, those before it attend to no effect
  int64_t keys = 128;  // at least 2
  int64_t decoys = 1024, weak_hay = 2048;
  double sharpness = 14.0;     // score of a match, in the softmax's natural units; of all else it is 0 on average
  double weak_length = 0.125;  // of weak hay's keys; facts and decoys have 1
  std::string dtype = "bfloat16";

  int64_t fact(int64_t key, int64_t value) const { return first_fact() + key * keys + value; }
  int64_t ask(int64_t key) const { return first_fact() + keys * keys + key; }
  int64_t decoy(int64_t i) const { return ask(keys) + i; }
  int64_t hay(int64_t i) const { return decoy(decoys) + i; }
  int64_t vocab() const { return hay(weak_hay); }

 private:
  static int64_t first_fact();  // behind the tokens of make_random_checkpoint's tokenizer
};

/// Throws ConfigError for sizes that do not work.
std::string config_json(const AssociativeModel& model);

/// Writes model.safetensors. Values are a function of (model, seed). Throws IoError.
void write_weights(const AssociativeModel& model, uint64_t seed, const std::filesystem::path& path);

/// What stands in a context. Every key has one fact, at a place of its own; the rest is hay.
struct AssociativeContext {
  std::vector<int64_t> tokens;
  std::vector<int64_t> value_of;  // [keys]
  std::vector<int64_t> place_of;  // [keys], position of the key's fact
};

/// `decoy_share` of the hay are decoys. Facts stand at even distances in random order. Throws ConfigError if the keys'
/// facts do not fit.
AssociativeContext make_context(const AssociativeModel& model, int64_t num_tokens, double decoy_share, uint64_t seed);

/// The tokens that are generated behind ask(key), as many as `hops`.
std::vector<int64_t> answer_of(const AssociativeModel& model, const AssociativeContext& context, int64_t key,
                               int64_t hops);

}  // namespace lockstep::examples
