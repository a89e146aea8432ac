#include "core/error.h"
#include "core/philox.h"
#include "examples/random_model.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

namespace lockstep::examples {
namespace {

constexpr int64_t kPerBlock = 8;                      // 16-bit numbers of one Philox call
constexpr int64_t kPieceElements = int64_t{1} << 20;  // a multiple of kPerBlock; 2 or 4 MB
constexpr size_t kDataAlignment = 64;                 // of the first tensor, as loaders like it

/// Throws DTypeError for types that weights do not have.
const char* stored_name(DType dtype) {
  switch (dtype) {
    case DType::kF32: return "F32";
    case DType::kF16: return "F16";
    case DType::kBF16: return "BF16";
    case DType::kI32: break;
  }
  throw_not_floating(dtype);
}

/// Length, JSON, and spaces up to the alignment of the data.
std::string header_of(const std::vector<WeightSpec>& weights, DType dtype) {
  const char* const type = stored_name(dtype);
  nlohmann::json json{{"__metadata__", {{"format", "pt"}}}};
  int64_t offset = 0;
  for (const WeightSpec& weight : weights) {
    const int64_t end = offset + weight.num_elements() * size_of(dtype);
    json[weight.name] = {{"dtype", type}, {"shape", weight.shape}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = json.dump();
  const size_t used = sizeof(uint64_t) + text.size();
  text.append((kDataAlignment - used % kDataAlignment) % kDataAlignment, ' ');
  const uint64_t length = text.size();
  std::string header(sizeof length, '\0');
  std::memcpy(header.data(), &length, sizeof length);
  return header + text;
}

/// Elements [first, first + out.size()) of weight number `index`; `first` is a multiple of kPerBlock.
template <class T>
void fill(const WeightSpec& weight, uint32_t index, uint64_t seed, int64_t first, std::vector<T>& out) {
  const std::array<uint32_t, 2> key{static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)};
  // A uniform number in (-1, 1) has the standard deviation 1 / sqrt(3).
  const float scale = static_cast<float>(weight.deviation * std::sqrt(3.0) / 32768.0);
  const float mean = static_cast<float>(weight.mean);
  const int64_t count = static_cast<int64_t>(out.size());
  for (int64_t begin = 0; begin < count; begin += kPerBlock) {
    const uint64_t block = static_cast<uint64_t>((first + begin) / kPerBlock);
    const std::array<uint32_t, 4> words =
        philox4x32({static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32), index, 0}, key);
    const int64_t end = std::min(count, begin + kPerBlock);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t lane = i - begin;
      const uint32_t bits = (words[static_cast<size_t>(lane / 2)] >> (16 * (lane % 2))) & 0xffffU;
      out[static_cast<size_t>(i)] = from_float<T>(mean + scale * (static_cast<float>(bits) - 32767.5F));
    }
  }
}

template <class T>
void write_all(const std::vector<WeightSpec>& weights, uint64_t seed, std::ofstream& stream) {
  std::vector<T> piece;
  for (size_t index = 0; index < weights.size(); ++index) {
    const int64_t count = weights[index].num_elements();
    for (int64_t first = 0; first < count && stream; first += kPieceElements) {
      piece.resize(static_cast<size_t>(std::min(kPieceElements, count - first)));
      fill(weights[index], static_cast<uint32_t>(index), seed, first, piece);
      stream.write(reinterpret_cast<const char*>(piece.data()), static_cast<std::streamsize>(piece.size() * sizeof(T)));
    }
  }
}

}  // namespace

void write_weights(const std::vector<WeightSpec>& weights, DType dtype, uint64_t seed,
                   const std::filesystem::path& path) {
  const std::string header = header_of(weights, dtype);
  std::ofstream stream(path, std::ios::binary | std::ios::trunc);
  LS_REQUIRE(IoError, stream.is_open(), "cannot create {}: {}", path.string(), std::strerror(errno));
  stream.write(header.data(), static_cast<std::streamsize>(header.size()));
  visit_floating(dtype, [&]<class T>() { write_all<T>(weights, seed, stream); });
  stream.close();
  LS_REQUIRE(IoError, !stream.fail(), "cannot write {}: {}", path.string(), std::strerror(errno));
}

}  // namespace lockstep::examples
