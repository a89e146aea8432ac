#include "examples/associative_model.h"

#include "core/error.h"
#include "core/philox.h"
#include "examples/random_model.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <numeric>

namespace lockstep::examples {
namespace {

/// Draws of Philox, one 32-bit word a number.
class Draw {
 public:
  Draw(uint64_t seed, uint32_t stream)
      : key_{static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)}, stream_(stream) {}
  uint32_t word() {
    if (next_ == 4) {
      words_ = philox4x32({static_cast<uint32_t>(block_), static_cast<uint32_t>(block_ >> 32), stream_, 1}, key_);
      ++block_;
      next_ = 0;
    }
    return words_[next_++];
  }
  float sign() { return (word() & 1U) != 0 ? 1.0F : -1.0F; }
  double uniform() { return static_cast<double>(word()) * 0x1p-32; }
  /// Below `count`.
  int64_t index(int64_t count) { return static_cast<int64_t>(uniform() * static_cast<double>(count)); }

 private:
  std::array<uint32_t, 2> key_;
  uint32_t stream_;
  std::array<uint32_t, 4> words_{};
  uint64_t block_ = 0;
  size_t next_ = 4;
};

enum Stream : uint32_t { kKeyCodes, kValueCodes, kDecoys, kHay, kOtherLayers, kContext };

/// Where the parts of the residual stream and of a head lie.
struct Places {
  int64_t head_dim, kv_heads, codes, key, question, value, out, constant, ballast, hidden;

  explicit Places(const AssociativeModel& m)
      : head_dim(m.head_dim),
        kv_heads(m.kv_heads),
        codes(head_dim / 4 * 3),
        key(0),
        question(key + kv_heads * codes),
        value(question + kv_heads * codes),
        out(value + kv_heads * head_dim),
        constant(out + kv_heads * head_dim),
        ballast(constant + 1),
        hidden((ballast + kBallast + 15) / 16 * 16) {}

  static constexpr int64_t kBallast = 8;
  static constexpr float kValueLength = 0.5F;
  /// Squared length of every embedding, so that the norm scales all tokens alike.
  double energy() const {
    return static_cast<double>(kv_heads * codes) +
           kValueLength * kValueLength * static_cast<double>(kv_heads * head_dim) + 2.0;
  }
  /// What the norm multiplies by.
  double norm_factor() const { return std::sqrt(static_cast<double>(hidden) / energy()); }
  /// The slow three quarters of the rotary pairs (i, i + head_dim / 2) hold codes, the others positions.
  int64_t code_dim(int64_t i) const {
    const int64_t half = head_dim / 2, fast = head_dim / 8, slow = half - fast;
    return i < slow ? fast + i : half + fast + (i - slow);
  }
};

struct Tensor {
  std::string name;
  std::vector<int64_t> shape;
  std::vector<float> values;

  Tensor(std::string n, std::vector<int64_t> s) : name(std::move(n)), shape(std::move(s)) {
    values.resize(static_cast<size_t>(std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>())));
  }
  float& at(int64_t row, int64_t column) { return values[static_cast<size_t>(row * shape[1] + column)]; }
};

std::vector<float> signs(int64_t count, uint64_t seed, Stream stream) {
  Draw draw(seed, stream);
  std::vector<float> out(static_cast<size_t>(count));
  for (float& value : out) value = draw.sign();
  return out;
}

/// Fills what is missing to the common length into the ballast.
void level(const Places& at, Tensor& embedding, int64_t token) {
  embedding.at(token, at.constant) = 1.0F;
  double energy = 0.0;
  for (int64_t i = 0; i < at.ballast; ++i) {
    energy += static_cast<double>(embedding.at(token, i)) * embedding.at(token, i);
  }
  const double rest = std::max(at.energy() - energy, 0.0);
  for (int64_t i = 0; i < Places::kBallast; ++i) {
    embedding.at(token, at.ballast + i) = static_cast<float>(std::sqrt(rest / Places::kBallast));
  }
}

struct Codes {
  std::vector<float> keys, values;  // [keys][kv_heads * codes], [keys][kv_heads * head_dim]
};

Tensor embedding_of(const AssociativeModel& model, const Places& at, const Codes& codes, uint64_t seed) {
  Tensor out("model.embed_tokens.weight", {model.vocab(), at.hidden});
  const int64_t key_width = at.kv_heads * at.codes, value_width = at.kv_heads * at.head_dim;
  const auto put = [&](int64_t token, int64_t place, const float* from, int64_t count, double length) {
    for (int64_t i = 0; i < count; ++i) out.at(token, place + i) = static_cast<float>(length) * from[i];
  };
  for (int64_t k = 0; k < model.keys; ++k) {
    for (int64_t v = 0; v < model.keys; ++v) {
      put(model.fact(k, v), at.key, &codes.keys[static_cast<size_t>(k * key_width)], key_width, 1.0);
      put(model.fact(k, v), at.value, &codes.values[static_cast<size_t>(v * value_width)], value_width,
          Places::kValueLength);
    }
    put(model.ask(k), at.question, &codes.keys[static_cast<size_t>(k * key_width)], key_width, 1.0);
  }
  const auto scatter = [&](int64_t first, int64_t count, double length, Stream stream) {
    const std::vector<float> random = signs(count * (key_width + value_width), seed, stream);
    for (int64_t i = 0; i < count; ++i) {
      const float* from = &random[static_cast<size_t>(i * (key_width + value_width))];
      put(first + i, at.key, from, key_width, length);
      put(first + i, at.value, from + key_width, value_width, Places::kValueLength);
    }
  };
  scatter(model.decoy(0), model.decoys, 1.0, kDecoys);
  scatter(model.hay(0), model.weak_hay, model.weak_length, kHay);
  for (int64_t token = 0; token < model.vocab(); ++token) level(at, out, token);
  return out;
}

void add_layer(const AssociativeModel& model, const Places& at, int64_t layer, uint64_t seed,
               std::vector<Tensor>& out) {
  const std::string prefix = "model.layers." + std::to_string(layer) + ".";
  const int64_t heads = model.kv_heads * model.group, d = at.head_dim, fast = d / 8;
  Tensor q(prefix + "self_attn.q_proj.weight", {heads * d, at.hidden});
  Tensor k(prefix + "self_attn.k_proj.weight", {model.kv_heads * d, at.hidden});
  Tensor v(prefix + "self_attn.v_proj.weight", {model.kv_heads * d, at.hidden});
  Tensor o(prefix + "self_attn.o_proj.weight", {at.hidden, heads * d});
  const double unit = 1.0 / at.norm_factor();  // undoes the norm
  const double match = model.sharpness * std::sqrt(static_cast<double>(d)) / static_cast<double>(at.codes);
  constexpr double kNearby = 4.0;  // score of a token for itself, in heads that look at positions
  const double nearby = kNearby * std::sqrt(static_cast<double>(d)) / static_cast<double>(fast);
  for (int64_t h = 0; h < model.kv_heads; ++h) {
    for (int64_t i = 0; i < at.codes; ++i) {
      q.at(h * model.group * d + at.code_dim(i), at.question + h * at.codes + i) = static_cast<float>(unit * match);
      k.at(h * d + at.code_dim(i), at.key + h * at.codes + i) = static_cast<float>(unit);
    }
    for (int64_t i = 0; i < fast; ++i) {
      k.at(h * d + i, at.constant) = static_cast<float>(unit);
      for (int64_t g = 1; g < model.group; ++g) {
        q.at((h * model.group + g) * d + i, at.constant) = static_cast<float>(unit * nearby);
      }
    }
    for (int64_t i = 0; i < d; ++i) {
      v.at(h * d + i, at.value + h * d + i) = static_cast<float>(unit);
      if (layer + 1 == model.layers) o.at(at.out + h * d + i, h * model.group * d + i) = 1.0F;
    }
  }
  const auto vector = [&](const std::string& name) {
    Tensor norm(prefix + name + ".weight", {at.hidden});
    std::fill(norm.values.begin(), norm.values.end(), 1.0F);
    out.push_back(std::move(norm));
  };
  vector("input_layernorm");
  for (Tensor* const tensor : {&q, &k, &v, &o}) out.push_back(std::move(*tensor));
  vector("post_attention_layernorm");
  constexpr int64_t kFfn = 16;  // without effect: what it adds is zero
  const std::vector<float> random = signs(2 * kFfn * at.hidden, seed, kOtherLayers);
  for (const char* const name : {"gate_proj", "up_proj"}) {
    Tensor matrix(prefix + "mlp." + name + ".weight", {kFfn, at.hidden});
    for (size_t i = 0; i < matrix.values.size(); ++i) matrix.values[i] = 0.02F * random[i];
    out.push_back(std::move(matrix));
  }
  out.emplace_back(prefix + "mlp.down_proj.weight", std::vector<int64_t>{at.hidden, kFfn});
}

std::vector<Tensor> weights_of(const AssociativeModel& model, uint64_t seed) {
  const Places at(model);
  const int64_t value_width = at.kv_heads * at.head_dim;
  const Codes codes{signs(model.keys * at.kv_heads * at.codes, seed, kKeyCodes),
                    signs(model.keys * value_width, seed, kValueCodes)};
  std::vector<Tensor> out;
  out.push_back(embedding_of(model, at, codes, seed));
  for (int64_t layer = 0; layer < model.layers; ++layer) add_layer(model, at, layer, seed, out);
  Tensor norm("model.norm.weight", {at.hidden});
  std::fill(norm.values.begin(), norm.values.end(), 1.0F);
  out.push_back(std::move(norm));
  Tensor head("lm_head.weight", {model.vocab(), at.hidden});
  for (int64_t k = 0; k < model.keys; ++k) {
    for (int64_t i = 0; i < value_width; ++i) {
      head.at(model.ask(k), at.out + i) = codes.values[static_cast<size_t>(k * value_width + i)];
    }
  }
  out.push_back(std::move(head));
  return out;
}

}  // namespace

int64_t AssociativeModel::first_fact() { return kLeastVocab; }

std::string config_json(const AssociativeModel& model) {
  LS_REQUIRE(ConfigError, model.head_dim >= 16 && model.head_dim % 8 == 0,
             "--head-dim is {}; accepted: multiples of 8 from 16 on", model.head_dim);
  LS_REQUIRE(ConfigError, model.kv_heads > 0 && model.group > 0 && model.layers > 0 && model.keys >= 2,
             "{} KV heads, {} query heads of each, {} layers, {} keys; accepted: at least 1, 1, 1 and 2",
             model.kv_heads, model.group, model.layers, model.keys);
  LS_REQUIRE(ConfigError, model.decoys > 0 && model.weak_hay > 0,
             "{} decoys, {} tokens of weak hay; accepted: from 1 on", model.decoys, model.weak_hay);
  const Places at(model);
  return nlohmann::ordered_json{{"architectures", {"LlamaForCausalLM"}},
                                {"model_type", "llama"},
                                {"hidden_act", "silu"},
                                {"hidden_size", at.hidden},
                                {"intermediate_size", 16},
                                {"num_hidden_layers", model.layers},
                                {"num_attention_heads", model.kv_heads * model.group},
                                {"num_key_value_heads", model.kv_heads},
                                {"head_dim", model.head_dim},
                                {"vocab_size", model.vocab()},
                                {"max_position_embeddings", 1 << 18},
                                {"rms_norm_eps", 1e-6},
                                {"rope_theta", 1e15},
                                {"rope_scaling", {{"rope_type", "linear"}, {"factor", 1000.0}}},
                                {"tie_word_embeddings", false},
                                {"torch_dtype", model.dtype},
                                {"bos_token_id", kBosToken},
                                {"eos_token_id", kEosToken}}
             .dump(2) +
         "\n";
}

void write_weights(const AssociativeModel& model, uint64_t seed, const std::filesystem::path& path) {
  const DType dtype = parse_dtype(model.dtype);
  const std::vector<Tensor> weights = weights_of(model, seed);
  nlohmann::json json{{"__metadata__", {{"format", "pt"}}}};
  int64_t offset = 0;
  for (const Tensor& tensor : weights) {
    const int64_t end = offset + static_cast<int64_t>(tensor.values.size()) * size_of(dtype);
    const char* const type = dtype == DType::kF32 ? "F32" : dtype == DType::kF16 ? "F16" : "BF16";
    json[tensor.name] = {{"dtype", type}, {"shape", tensor.shape}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = json.dump();
  constexpr size_t kAlignment = 64;
  text.append((kAlignment - (sizeof(uint64_t) + text.size()) % kAlignment) % kAlignment, ' ');
  const uint64_t length = text.size();
  std::ofstream stream(path, std::ios::binary | std::ios::trunc);
  stream.write(reinterpret_cast<const char*>(&length), sizeof length);
  stream << text;
  visit_floating(dtype, [&]<class T>() {
    for (const Tensor& tensor : weights) {
      std::vector<T> stored(tensor.values.size());
      std::transform(tensor.values.begin(), tensor.values.end(), stored.begin(), from_float<T>);
      stream.write(reinterpret_cast<const char*>(stored.data()),
                   static_cast<std::streamsize>(stored.size() * sizeof(T)));
    }
  });
  stream.close();
  LS_REQUIRE(IoError, !stream.fail(), "cannot write {}", path.string());
}

AssociativeContext make_context(const AssociativeModel& model, int64_t num_tokens, double decoy_share, uint64_t seed) {
  LS_REQUIRE(ConfigError, num_tokens >= 2 * model.keys, "--context is {}; accepted: from {} on, twice the keys",
             num_tokens, 2 * model.keys);
  LS_REQUIRE(ConfigError, decoy_share >= 0.0 && decoy_share <= 1.0, "--decoys is {}; accepted: 0 to 1", decoy_share);
  Draw draw(seed, kContext);
  AssociativeContext out;
  for (int64_t i = 0; i < num_tokens; ++i) {
    out.tokens.push_back(draw.uniform() < decoy_share ? model.decoy(draw.index(model.decoys))
                                                      : model.hay(draw.index(model.weak_hay)));
  }
  // Values are a cycle through all keys, so that every chain is as long as there are keys.
  std::vector<int64_t> order(static_cast<size_t>(model.keys)), cells = order;
  std::iota(order.begin(), order.end(), 0);
  std::iota(cells.begin(), cells.end(), 0);
  const auto shuffle = [&](std::vector<int64_t>& list) {
    for (size_t i = list.size() - 1; i > 0; --i)
      std::swap(list[i], list[static_cast<size_t>(draw.index(static_cast<int64_t>(i) + 1))]);
  };
  shuffle(order);
  shuffle(cells);
  out.value_of.resize(order.size());
  out.place_of.resize(order.size());
  const int64_t step = num_tokens / model.keys;
  for (size_t i = 0; i < order.size(); ++i) {
    const auto key = static_cast<size_t>(order[i]);
    out.value_of[key] = order[(i + 1) % order.size()];
    out.place_of[key] = cells[i] * step + draw.index(step);
    out.tokens[static_cast<size_t>(out.place_of[key])] = model.fact(order[i], out.value_of[key]);
  }
  return out;
}

std::vector<int64_t> answer_of(const AssociativeModel& model, const AssociativeContext& context, int64_t key,
                               int64_t hops) {
  std::vector<int64_t> out;
  for (int64_t i = 0; i < hops; ++i) {
    key = context.value_of[static_cast<size_t>(key)];
    out.push_back(model.ask(key));
  }
  return out;
}

}  // namespace lockstep::examples
