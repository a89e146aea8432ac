#include "cache/step_plan.h"

#include "core/error.h"

#include <array>
#include <bit>
#include <cstring>
#include <type_traits>

namespace lockstep {
namespace {

// Layout: header (magic, version, total bytes, number, digest, last), ops, rows, CRC32C of all bytes before it.
constexpr uint32_t kMagic = 0x4e4c5053;  // "SPLN"
constexpr uint32_t kVersion = 6;
constexpr uint8_t kWantsLogits = 1, kNeedsFullLogits = 2;
constexpr size_t kOpBytes = 1 + 8 + 4 + 1 + 4 + 4 + 4 + 16;
constexpr size_t kRowBytes = 8 + 8 + 1 + 4 + 8 + 8 + 8 + 4 + 4;  // without its tokens and pages
constexpr size_t kHeaderBytes = 4 + 4 + 8 + 8 + 16 + 1 + 1;
constexpr size_t kChecksumBytes = 4;

static_assert(std::endian::native == std::endian::little, "plans are copied to bytes as they lie in memory");
static_assert(sizeof(TokenId) == 4 && std::is_trivially_copyable_v<TokenId>);
static_assert(sizeof(PageId) == 8 && std::is_trivially_copyable_v<PageId>);

class Writer {
 public:
  explicit Writer(size_t total_bytes) { bytes_.reserve(total_bytes); }

  template <class T>
  void put(T value) {
    put_all(std::span<const T>(&value, 1));
  }
  template <class T>
  void put_all(std::span<const T> values) {
    const auto raw = std::as_bytes(values);
    bytes_.insert(bytes_.end(), raw.begin(), raw.end());
  }
  std::vector<std::byte>& bytes() { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  template <class T>
  T get() {
    T value;
    std::memcpy(&value, take(sizeof(T)).data(), sizeof(T));
    return value;
  }
  template <class T>
  std::vector<T> get_all(size_t count) {
    require_count(count, sizeof(T));
    std::vector<T> values(count);
    if (count > 0) std::memcpy(values.data(), take(count * sizeof(T)).data(), count * sizeof(T));
    return values;
  }
  // Before memory is set aside: `count` things of at least `bytes_each` must still lie ahead.
  void require_count(uint64_t count, size_t bytes_each) const {
    LS_REQUIRE(FormatError, count <= remaining() / bytes_each,
               "step plan: {} items of {} bytes are announced where {} bytes are left", count, bytes_each, remaining());
  }
  size_t remaining() const { return bytes_.size() - position_; }

 private:
  std::span<const std::byte> take(size_t count) {
    LS_REQUIRE(FormatError, count <= remaining(), "step plan: {} bytes are needed where {} are left", count,
               remaining());
    position_ += count;
    return bytes_.subspan(position_ - count, count);
  }

  std::span<const std::byte> bytes_;
  size_t position_ = 0;
};

size_t serialized_bytes(const StepPlan& plan) {
  size_t total = kHeaderBytes + 4 + plan.ops.size() * kOpBytes + 4 + plan.rows.size() * kRowBytes + kChecksumBytes;
  for (const PlanRow& row : plan.rows) {
    total += row.tokens.size() * sizeof(TokenId) + row.pages.size() * sizeof(PageId);
  }
  return total;
}

// An op as it stands in a plan and enters the digest.
std::array<std::byte, kOpBytes> bytes_of(const PageOp& op) {
  std::array<std::byte, kOpBytes> bytes{};
  size_t end = 0;
  const auto put = [&](const auto& value) {
    std::memcpy(bytes.data() + end, &value, sizeof(value));
    end += sizeof(value);
  };
  put(op.kind);
  put(op.page);
  put(op.slot);
  put(op.tier);
  put(op.host_slot);
  put(op.open_slot);
  put(op.cold_slot);
  put(op.key.low);
  put(op.key.high);
  return bytes;
}

bool read_flag_byte(Reader& reader, const char* name) {
  const auto value = reader.get<uint8_t>();
  LS_REQUIRE(FormatError, value <= 1, "step plan: the flag {} is {}, not 0 or 1", name, value);
  return value == 1;
}

PageOp read_op(Reader& reader) {
  const auto kind = reader.get<uint8_t>();
  LS_REQUIRE(FormatError, kind <= static_cast<uint8_t>(PageOpKind::kInvalidate), "step plan: unknown page op {}", kind);
  PageOp op;
  op.kind = static_cast<PageOpKind>(kind);
  op.page = reader.get<PageId>();
  op.slot = reader.get<SlotId>();
  const auto tier = reader.get<uint8_t>();
  LS_REQUIRE(FormatError, tier < kNumTiers, "step plan: unknown tier {}", tier);
  op.tier = static_cast<Tier>(tier);
  op.host_slot = reader.get<SlotId>();
  op.open_slot = reader.get<SlotId>();
  op.cold_slot = reader.get<SlotId>();
  op.key.low = reader.get<uint64_t>();
  op.key.high = reader.get<uint64_t>();
  return op;
}

PlanRow read_row(Reader& reader) {
  PlanRow row;
  row.sequence = reader.get<SequenceId>();
  row.first_position = reader.get<int64_t>();
  const auto flags = reader.get<uint8_t>();
  LS_REQUIRE(FormatError, (flags & ~(kWantsLogits | kNeedsFullLogits)) == 0, "step plan: unknown row flags {}", flags);
  row.wants_logits = (flags & kWantsLogits) != 0;
  row.needs_full_logits = (flags & kNeedsFullLogits) != 0;
  row.token_source = reader.get<int32_t>();
  row.score_begin = reader.get<int64_t>();
  row.score_end = reader.get<int64_t>();
  row.sparse_begin = reader.get<int64_t>();
  const auto num_tokens = reader.get<uint32_t>();
  const auto num_pages = reader.get<uint32_t>();
  row.tokens = reader.get_all<TokenId>(num_tokens);
  row.pages = reader.get_all<PageId>(num_pages);
  const bool is_open = !row.tokens.empty() && row.tokens.back() == kUnknownToken;
  LS_REQUIRE(FormatError, row.token_source >= -1 && (row.token_source >= 0) == is_open,
             "step plan: token source {} of a row whose last token is {}", row.token_source,
             is_open ? "unknown" : "known");
  // Unsigned, where damaged bytes must not overflow: exact once the order of the three is known.
  const uint64_t reach = static_cast<uint64_t>(row.score_end) - static_cast<uint64_t>(row.first_position);
  const bool is_within = row.first_position <= row.score_begin && row.score_begin < row.score_end &&
                         reach < uint64_t{num_tokens} + (row.wants_logits ? 0 : 1);
  LS_REQUIRE(FormatError, row.score_begin == row.score_end || is_within,
             "step plan: positions [{}, {}) are to be scored in a row of {} tokens from position {}", row.score_begin,
             row.score_end, num_tokens, row.first_position);
  return row;
}

}  // namespace

int64_t StepPlan::num_tokens() const {
  int64_t total = 0;
  for (const PlanRow& row : rows) total += static_cast<int64_t>(row.tokens.size());
  return total;
}

std::optional<TransferChannel> channel_of(const PageOp& op) {
  if (op.kind == PageOpKind::kDemote) {
    return op.tier == Tier::kDisk ? TransferChannel::kToDisk : TransferChannel::kToHost;
  }
  if (op.kind == PageOpKind::kPromote) {
    return op.tier == Tier::kHost ? TransferChannel::kFromDisk : TransferChannel::kToDevice;
  }
  if (op.kind == PageOpKind::kTranscode) return TransferChannel::kToHost;
  return std::nullopt;
}

Hash128 digest_after(const Hash128& before, const PageOp& op) { return hash128(bytes_of(op), before); }

std::vector<std::byte> serialize(const StepPlan& plan) {
  const size_t total = serialized_bytes(plan);
  Writer writer(total);
  writer.put(kMagic);
  writer.put(kVersion);
  writer.put(static_cast<uint64_t>(total));
  writer.put(plan.number);
  writer.put(plan.digest_before.low);
  writer.put(plan.digest_before.high);
  writer.put(static_cast<uint8_t>(plan.last));
  writer.put(static_cast<uint8_t>(plan.confirms));

  writer.put(static_cast<uint32_t>(plan.ops.size()));
  for (const PageOp& op : plan.ops) writer.put_all(std::span<const std::byte>(bytes_of(op)));
  writer.put(static_cast<uint32_t>(plan.rows.size()));
  for (const PlanRow& row : plan.rows) {
    writer.put(row.sequence);
    writer.put(row.first_position);
    const int flags = (row.wants_logits ? kWantsLogits : 0) | (row.needs_full_logits ? kNeedsFullLogits : 0);
    writer.put(static_cast<uint8_t>(flags));
    writer.put(row.token_source);
    writer.put(row.score_begin);
    writer.put(row.score_end);
    writer.put(row.sparse_begin);
    writer.put(static_cast<uint32_t>(row.tokens.size()));
    writer.put(static_cast<uint32_t>(row.pages.size()));
    writer.put_all(std::span<const TokenId>(row.tokens));
    writer.put_all(std::span<const PageId>(row.pages));
  }
  writer.put(crc32c(writer.bytes()));
  return std::move(writer.bytes());
}

StepPlan deserialize_step_plan(std::span<const std::byte> bytes) {
  LS_REQUIRE(FormatError, bytes.size() >= kHeaderBytes + kChecksumBytes, "step plan: {} bytes are too few for a header",
             bytes.size());
  const auto body = bytes.first(bytes.size() - kChecksumBytes);
  Reader reader(body);
  const auto magic = reader.get<uint32_t>();
  LS_REQUIRE(FormatError, magic == kMagic, "step plan: magic {:08x}, expected {:08x}", magic, kMagic);
  const auto version = reader.get<uint32_t>();
  LS_REQUIRE(FormatError, version == kVersion, "step plan: version {}, this program reads {}", version, kVersion);
  const auto total = reader.get<uint64_t>();
  LS_REQUIRE(FormatError, total == bytes.size(), "step plan: {} bytes received, {} were sent", bytes.size(), total);
  const auto sent_crc = Reader(bytes.last(kChecksumBytes)).get<uint32_t>();
  const uint32_t crc = crc32c(body);
  LS_REQUIRE(FormatError, crc == sent_crc, "step plan: checksum {:08x} of the bytes, {:08x} was sent", crc, sent_crc);

  StepPlan plan;
  plan.number = reader.get<uint64_t>();
  plan.digest_before.low = reader.get<uint64_t>();
  plan.digest_before.high = reader.get<uint64_t>();
  plan.last = read_flag_byte(reader, "last");
  plan.confirms = read_flag_byte(reader, "confirms");
  const auto num_ops = reader.get<uint32_t>();
  reader.require_count(num_ops, kOpBytes);
  plan.ops.reserve(num_ops);
  for (uint32_t i = 0; i < num_ops; ++i) plan.ops.push_back(read_op(reader));
  const auto num_rows = reader.get<uint32_t>();
  reader.require_count(num_rows, kRowBytes);
  plan.rows.reserve(num_rows);
  for (uint32_t i = 0; i < num_rows; ++i) plan.rows.push_back(read_row(reader));
  LS_REQUIRE(FormatError, reader.remaining() == 0, "step plan: {} bytes follow the last row", reader.remaining());
  return plan;
}

}  // namespace lockstep
