#include "cache/disk/store_format.h"

#include "core/error.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

namespace lockstep {
namespace {

constexpr uint64_t kLogMagic = 0x474f4c564b4b434cULL;      // "LCKKVLOG"
constexpr uint64_t kSegmentMagic = 0x474553564b4b434cULL;  // "LCKKVSEG"
constexpr uint32_t kByteOrderMark = 0x01020304;
constexpr int64_t kCrcBytes = 4;
constexpr int64_t kEntryFixedBytes = 64;
constexpr int64_t kPackingBytes = 8;  // of a record
// Bounds far above any model's, so that products of a header's numbers stay in range.
constexpr int64_t kMostLayers = 1 << 16, kMostHeads = 1 << 12, kMostLayerBytes = int64_t{1} << 32;
constexpr int64_t kMostSegmentBytes = int64_t{1} << 50, kMostEntryBytes = int64_t{1} << 26;

/// Appends plain values to a block of fixed size, zero behind them, and ends it with the CRC32C of all before.
class BlockWriter {
 public:
  explicit BlockWriter(int64_t bytes) : bytes_(static_cast<size_t>(bytes)) {}
  template <class T>
  BlockWriter& put(T value) {
    static_assert(std::is_arithmetic_v<T>);
    LS_CHECK(place_ + sizeof value + kCrcBytes <= bytes_.size(), "a block of {} bytes is too small", bytes_.size());
    std::memcpy(bytes_.data() + place_, &value, sizeof value);
    place_ += sizeof value;
    return *this;
  }
  BlockWriter& put(Hash128 hash) { return put(hash.low).put(hash.high); }
  BlockWriter& put(HeadRange heads) { return put(heads.first).put(heads.count); }
  std::vector<std::byte> finish(uint32_t crc) {
    const size_t covered = bytes_.size() - kCrcBytes;
    crc = crc32c(std::span(bytes_).first(covered), crc);
    std::memcpy(bytes_.data() + covered, &crc, sizeof crc);
    return std::move(bytes_);
  }

 private:
  std::vector<std::byte> bytes_;
  size_t place_ = 0;
};

/// Reads them back. The block's size was checked before.
class BlockReader {
 public:
  explicit BlockReader(std::span<const std::byte> bytes) : bytes_(bytes) {}
  template <class T>
  T get() {
    T value{};
    std::memcpy(&value, bytes_.data() + place_, sizeof value);
    place_ += sizeof value;
    return value;
  }
  Hash128 get_hash() {
    const auto low = get<uint64_t>();
    return {low, get<uint64_t>()};
  }
  HeadRange get_heads() {
    const auto first = get<int32_t>();
    return {first, get<int32_t>()};
  }

 private:
  std::span<const std::byte> bytes_;
  size_t place_ = 0;
};

bool ends_in_its_crc(std::span<const std::byte> bytes, uint32_t crc) {
  uint32_t stored = 0;
  std::memcpy(&stored, bytes.data() + bytes.size() - kCrcBytes, sizeof stored);
  return crc32c(bytes.first(bytes.size() - kCrcBytes), crc) == stored;
}

/// Sets the entries of each log apart: one that strays into another log is not valid there.
uint32_t entry_seed(const WriterFacts& facts) { return crc32c(std::as_bytes(std::span(&facts.writer, 1))); }

void put_facts(BlockWriter& block, const WriterFacts& facts) {
  block.put(facts.writer).put(facts.content).put(facts.shape.num_layers).put(facts.shape.layer_bytes);
  block.put(facts.shape.wide_layer_bytes);
  for (const uint64_t word : facts.shape.wide_layers.words()) block.put(word);
  block.put(facts.heads).put(facts.pages_per_segment).put(facts.created).put(facts.group).put(facts.budget_bytes);
  block.put(facts.num_writers).put(uint32_t{0}).put(facts.capacity_bytes);
}

bool is_between(int64_t value, int64_t least, int64_t most) { return value >= least && value <= most; }

/// Bounds before products.
bool is_sane(const WriterFacts& f) {
  if (!is_between(f.shape.num_layers, 1, kMostLayers) || !is_between(f.shape.layer_bytes, 1, kMostLayerBytes) ||
      !is_between(f.shape.wide_layer_bytes, 0, kMostLayerBytes) || !is_between(f.heads.first, 0, kMostHeads) ||
      !is_between(f.heads.count, 1, kMostHeads))
    return false;
  const LayerSet& wide = f.shape.wide_layers;
  if (wide.size() > 0 &&
      (f.shape.wide_layer_bytes < f.shape.layer_bytes || wide.count_below(f.shape.num_layers) != wide.size()))
    return false;
  if (f.shape.payload_bytes() > kMostSegmentBytes / kMostHeads || f.num_crcs() > kMostEntryBytes / 4) return false;
  const int64_t most_pages = std::min(kMostSegmentBytes / f.page_bytes(), int64_t{UINT32_MAX});
  return is_between(f.pages_per_segment, 1, most_pages) && f.num_writers >= 1 && f.budget_bytes >= 0 &&
         f.budget_bytes <= INT64_MAX / f.num_writers && f.capacity_bytes >= 0;
}

std::optional<WriterFacts> decode_header(std::span<const std::byte> bytes, uint64_t magic, int64_t header_bytes,
                                         uint64_t* segment, std::string& problem) {
  if (bytes.size() < static_cast<size_t>(header_bytes)) {
    problem = fmt::format("is cut short within its header: {} of {} bytes", bytes.size(), header_bytes);
    return std::nullopt;
  }
  bytes = bytes.first(static_cast<size_t>(header_bytes));
  BlockReader block(bytes);
  const bool has_magic = block.get<uint64_t>() == magic;
  const auto version = block.get<uint32_t>();
  const auto order = block.get<uint32_t>();
  if (has_magic && version != kStoreVersion)
    problem = fmt::format("has version {}; this program knows version {}", version, kStoreVersion);
  else if (has_magic && order != kByteOrderMark)
    problem = "was written in another byte order";
  else if (!has_magic || !ends_in_its_crc(bytes, 0))
    problem = "has a damaged header";
  if (!problem.empty()) return std::nullopt;

  WriterFacts facts;
  facts.writer = block.get<uint64_t>();
  facts.content = block.get_hash();
  facts.shape.num_layers = block.get<int64_t>();
  facts.shape.layer_bytes = block.get<int64_t>();
  facts.shape.wide_layer_bytes = block.get<int64_t>();
  std::array<uint64_t, 4> wide{};
  for (uint64_t& word : wide) word = block.get<uint64_t>();
  facts.shape.wide_layers = LayerSet::of_words(wide);
  facts.heads = block.get_heads();
  facts.pages_per_segment = block.get<int64_t>();
  facts.created = block.get<int64_t>();
  facts.group = block.get<uint64_t>();
  facts.budget_bytes = block.get<int64_t>();
  facts.num_writers = block.get<int32_t>();
  block.get<uint32_t>();
  facts.capacity_bytes = block.get<int64_t>();
  if (segment != nullptr) *segment = block.get<uint64_t>();
  if (is_sane(facts)) return facts;
  problem = "has a header with impossible numbers";
  return std::nullopt;
}

}  // namespace

int64_t WriterFacts::entry_bytes() const {
  constexpr int64_t kMultiple = 8;
  const int64_t bytes = kEntryFixedBytes + kPackingBytes * heads.count + 4 * num_crcs() + kCrcBytes;
  return (bytes + kMultiple - 1) / kMultiple * kMultiple;
}

std::vector<std::byte> encode_log_header(const WriterFacts& facts) {
  LS_CHECK(is_sane(facts), "a writer's facts are out of range");
  BlockWriter block(kLogHeaderBytes);
  block.put(kLogMagic).put(kStoreVersion).put(kByteOrderMark);
  put_facts(block, facts);
  return block.finish(0);
}

std::vector<std::byte> encode_segment_header(const WriterFacts& facts, uint64_t segment) {
  BlockWriter block(kSegmentHeaderBytes);
  block.put(kSegmentMagic).put(kStoreVersion).put(kByteOrderMark);
  put_facts(block, facts);
  block.put(segment);
  return block.finish(0);
}

std::vector<std::byte> encode_entry(const WriterFacts& facts, uint64_t index, const LogEntry& entry) {
  BlockWriter block(facts.entry_bytes());
  block.put(static_cast<uint32_t>(entry.kind)).put(entry.slot).put(index).put(entry.segment).put(entry.key);
  block.put(entry.writer).put(entry.heads).put(entry.time);
  if (entry.kind == EntryKind::kPage) {
    for (size_t head = 0; head < static_cast<size_t>(facts.heads.count); ++head) {
      const RecordPacking packing = entry.packing.empty() ? RecordPacking() : entry.packing.at(head);
      block.put(packing.bytes).put(packing.crc);
    }
  }
  for (const uint32_t crc : entry.layer_crcs) block.put(crc);
  return block.finish(entry_seed(facts));
}

std::optional<WriterFacts> decode_log_header(std::span<const std::byte> bytes, std::string& problem) {
  return decode_header(bytes, kLogMagic, kLogHeaderBytes, nullptr, problem);
}

std::optional<WriterFacts> decode_segment_header(std::span<const std::byte> bytes, std::string& problem) {
  uint64_t segment = 0;
  return decode_header(bytes, kSegmentMagic, kSegmentHeaderBytes, &segment, problem);
}

std::string check_segment_header(std::span<const std::byte> bytes, const WriterFacts& facts, uint64_t segment) {
  std::string problem;
  uint64_t found_segment = 0;
  const auto found = decode_header(bytes, kSegmentMagic, kSegmentHeaderBytes, &found_segment, problem);
  if (!found) return problem;
  if (*found != facts || found_segment != segment) return "has the header of another segment";
  return {};
}

std::optional<LogEntry> decode_entry(const WriterFacts& facts, uint64_t index, std::span<const std::byte> bytes) {
  if (static_cast<int64_t>(bytes.size()) != facts.entry_bytes() || !ends_in_its_crc(bytes, entry_seed(facts)))
    return std::nullopt;
  BlockReader block(bytes);
  LogEntry entry;
  const auto kind = block.get<uint32_t>();
  entry.slot = block.get<uint32_t>();
  const auto stored_index = block.get<uint64_t>();
  entry.segment = block.get<uint64_t>();
  entry.key = block.get_hash();
  entry.writer = block.get<uint64_t>();
  entry.heads = block.get_heads();
  entry.time = block.get<int64_t>();
  if (stored_index != index || !is_between(entry.heads.first, 0, kMostHeads) ||
      !is_between(entry.heads.count, 1, kMostHeads))
    return std::nullopt;
  entry.kind = static_cast<EntryKind>(kind);
  if (entry.kind == EntryKind::kDrop) return entry;
  if (entry.kind != EntryKind::kPage || entry.writer != facts.writer || entry.heads != facts.heads ||
      entry.slot >= facts.pages_per_segment)
    return std::nullopt;
  entry.packing.resize(static_cast<size_t>(facts.heads.count));
  for (RecordPacking& packing : entry.packing) {
    packing.bytes = block.get<uint32_t>();
    packing.crc = block.get<uint32_t>();
    if (!is_possible(packing, facts.shape)) return std::nullopt;
  }
  entry.layer_crcs.resize(static_cast<size_t>(facts.num_crcs()));
  for (uint32_t& crc : entry.layer_crcs) crc = block.get<uint32_t>();
  return entry;
}

}  // namespace lockstep
