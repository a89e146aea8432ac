#include "core/checkpoint/safetensors_header.h"

#include "core/checkpoint/json_reader.h"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

namespace lockstep {
namespace {

constexpr uint64_t kLengthBytes = 8;               // the header starts with its own length, 64 bits little-endian
constexpr uint64_t kMaxHeaderBytes = 100'000'000;  // the reference implementation's bound

/// Bits of one element, 0 for an unknown dtype.
int64_t bits_of(std::string_view dtype) {
  static constexpr std::pair<std::string_view, int64_t> kBits[] = {
      {"F32", 32},    {"F16", 16},    {"BF16", 16},   {"F64", 64},       {"I64", 64}, {"I32", 32},
      {"I16", 16},    {"I8", 8},      {"U64", 64},    {"U32", 32},       {"U16", 16}, {"U8", 8},
      {"BOOL", 8},    {"F8_E4M3", 8}, {"F8_E5M2", 8}, {"F8_E8M0", 8},    {"C64", 64}, {"F8_E4M3FNUZ", 8},
      {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"F4", 4},      {"F8_E5M2FNUZ", 8}};
  for (const auto& [name, bits] : kBits)
    if (name == dtype) return bits;
  return 0;
}

/// A size or offset. Negative, fractional and over-long numbers are refused.
int64_t read_size(const nlohmann::json& value, const std::string& where, const char* key) {
  const bool is_size = value.is_number_unsigned() && value.get<uint64_t>() <= static_cast<uint64_t>(INT64_MAX);
  LS_REQUIRE(FormatError, is_size, "{}: {} holds {}; accepted: integers from 0 to {}", where, key, shown(value),
             INT64_MAX);
  return value.get<int64_t>();
}

/// Bytes of shape × dtype. The product must fit even without its zeros: strides are such products.
int64_t stored_bytes(const SafetensorsEntry& entry, const std::string& where) {
  int64_t bits = bits_of(entry.dtype);
  LS_REQUIRE(FormatError, bits != 0, "{}: unknown dtype {}", where, shown(entry.dtype));
  bool is_empty = false;
  for (const int64_t dim : entry.shape) {
    is_empty = is_empty || dim == 0;
    LS_REQUIRE(FormatError, dim == 0 || !__builtin_mul_overflow(bits, dim, &bits),
               "{}: the product of its shape [{}] overflows", where, fmt::join(entry.shape, ", "));
  }
  if (is_empty) return 0;
  LS_REQUIRE(FormatError, bits % 8 == 0, "{}: {} bits do not fill whole bytes", where, bits);
  return bits / 8;
}

SafetensorsEntry read_entry(const nlohmann::json& value, const std::string& where, int64_t data_bytes) {
  const JsonObject object(value, where);
  SafetensorsEntry entry;
  entry.dtype = object.text("dtype");
  const nlohmann::json* shape = object.find("shape");
  if (!shape || !shape->is_array()) object.refuse("shape", "a list of sizes");
  for (const nlohmann::json& dim : *shape) entry.shape.push_back(read_size(dim, where, "shape"));
  const nlohmann::json* offsets = object.find("data_offsets");
  if (!offsets || !offsets->is_array() || offsets->size() != 2) object.refuse("data_offsets", "[begin, end]");
  entry.begin = read_size((*offsets)[0], where, "data_offsets");
  entry.end = read_size((*offsets)[1], where, "data_offsets");
  LS_REQUIRE(FormatError, entry.begin <= entry.end, "{}: data_offsets [{}, {}] run backwards", where, entry.begin,
             entry.end);
  LS_REQUIRE(FormatError, entry.end <= data_bytes,
             "{}: data_offsets [{}, {}] end beyond the {} bytes of data in the file; is it truncated?", where,
             entry.begin, entry.end, data_bytes);
  const int64_t expected = stored_bytes(entry, where);
  LS_REQUIRE(FormatError, entry.end - entry.begin == expected,
             "{}: data_offsets [{}, {}] hold {} bytes, but {} of shape [{}] takes {}", where, entry.begin, entry.end,
             entry.end - entry.begin, entry.dtype, fmt::join(entry.shape, ", "), expected);
  return entry;
}

/// Refuses overlaps, holes and bytes after the last tensor.
void require_tiling(const std::map<std::string, SafetensorsEntry>& entries, int64_t data_bytes,
                    const std::string& source) {
  std::vector<std::map<std::string, SafetensorsEntry>::const_iterator> order;
  for (auto it = entries.begin(); it != entries.end(); ++it) order.push_back(it);
  std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
    return std::pair(a->second.begin, a->second.end) < std::pair(b->second.begin, b->second.end);
  });
  int64_t reached = 0;
  for (const auto& it : order) {
    LS_REQUIRE(FormatError, it->second.begin == reached,
               "{}: tensor {} begins at {}, but the data before it ends at {}: {}", source, shown(it->first),
               it->second.begin, reached, it->second.begin < reached ? "tensors overlap" : "a hole");
    reached = it->second.end;
  }
  LS_REQUIRE(FormatError, reached == data_bytes, "{}: {} bytes of data, but its tensors end at {}", source, data_bytes,
             reached);
}

}  // namespace

SafetensorsHeader parse_safetensors_header(std::span<const std::byte> file, const std::string& source) {
  LS_REQUIRE(FormatError, file.size() >= kLengthBytes, "{}: {} bytes are too few for a safetensors file", source,
             file.size());
  uint64_t length = 0;
  std::memcpy(&length, file.data(), kLengthBytes);
  LS_REQUIRE(FormatError, length <= kMaxHeaderBytes, "{}: header of {} bytes; at most {} are accepted", source, length,
             kMaxHeaderBytes);
  LS_REQUIRE(FormatError, length <= file.size() - kLengthBytes,
             "{}: header of {} bytes in a file of {}; is it truncated?", source, length, file.size());

  SafetensorsHeader header;
  header.json = {reinterpret_cast<const char*>(file.data()) + kLengthBytes, static_cast<size_t>(length)};
  header.data_offset = static_cast<int64_t>(kLengthBytes + length);
  const int64_t data_bytes = static_cast<int64_t>(file.size()) - header.data_offset;
  const nlohmann::json json = parse_json_object(header.json, source);
  for (const auto& [name, value] : json.items()) {
    if (name == "__metadata__") continue;  // free text for people and tools
    header.entries.emplace(name, read_entry(value, source + ": tensor " + shown(name), data_bytes));
  }
  require_tiling(header.entries, data_bytes, source);
  return header;
}

}  // namespace lockstep
