#include "cache/disk/record_packing.h"

#include "core/error.h"
#include "core/hash.h"

#include <cstring>
#include <limits>
#include <memory>
#include <zstd.h>
#include <zstd_errors.h>

namespace lockstep {
namespace {

struct FreeContext {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

/// Making one costs as much as packing a small record.
ZSTD_CCtx* packing_context() {
  thread_local const std::unique_ptr<ZSTD_CCtx, FreeContext> context(ZSTD_createCCtx());
  LS_REQUIRE(Error, context, "libzstd cannot start");
  return context.get();
}

ZSTD_DCtx* unpacking_context() {
  thread_local const std::unique_ptr<ZSTD_DCtx, FreeContext> context(ZSTD_createDCtx());
  LS_REQUIRE(Error, context, "libzstd cannot start");
  return context.get();
}

int64_t in_blocks(int64_t bytes) { return (bytes + kDiskAlignment - 1) / kDiskAlignment * kDiskAlignment; }

}  // namespace

int64_t stored_bytes(const RecordPacking& packing, const RecordShape& shape) {
  return packing.is_packed() ? in_blocks(packing.bytes) : shape.aligned_payload_bytes();
}

int64_t stored_bytes(std::span<const RecordPacking> packing, const RecordShape& shape) {
  int64_t bytes = 0;
  for (const RecordPacking& record : packing) bytes += stored_bytes(record, shape);
  return bytes;
}

bool is_possible(const RecordPacking& packing, const RecordShape& shape) {
  return packing.is_packed() ? stored_bytes(packing, shape) < shape.aligned_payload_bytes() : packing.crc == 0;
}

RecordPacking pack_record(std::span<const std::byte> record, const RecordShape& shape, int level,
                          std::span<std::byte> place) {
  const int64_t room = shape.aligned_payload_bytes() - kDiskAlignment;
  if (room > 0 && room <= std::numeric_limits<uint32_t>::max()) {
    const size_t packed = ZSTD_compressCCtx(packing_context(), place.data(), static_cast<size_t>(room), record.data(),
                                            static_cast<size_t>(shape.payload_bytes()), level);
    const bool is_too_long = ZSTD_getErrorCode(packed) == ZSTD_error_dstSize_tooSmall;
    LS_REQUIRE(Error, is_too_long || ZSTD_isError(packed) == 0, "zstd cannot pack a page: {}",
               ZSTD_getErrorName(packed));
    if (!is_too_long) {
      const RecordPacking packing{static_cast<uint32_t>(packed), crc32c(place.first(packed))};
      std::memset(place.data() + packed, 0, static_cast<size_t>(stored_bytes(packing, shape)) - packed);
      return packing;
    }
  }
  std::memcpy(place.data(), record.data(), static_cast<size_t>(shape.aligned_payload_bytes()));
  return {};
}

std::string unpack_record(std::span<const std::byte> stored, const RecordPacking& packing, const RecordShape& shape,
                          std::span<std::byte> record) {
  const auto payload = static_cast<size_t>(shape.payload_bytes());
  if (!packing.is_packed()) {
    std::memcpy(record.data(), stored.data(), payload);
    return {};
  }
  const std::span<const std::byte> packed = stored.first(packing.bytes);
  if (crc32c(packed) != packing.crc) return "the packed record has a wrong checksum";
  const size_t result = ZSTD_decompressDCtx(unpacking_context(), record.data(), payload, packed.data(), packed.size());
  if (ZSTD_isError(result) != 0)
    return fmt::format("the packed record cannot be unpacked: {}", ZSTD_getErrorName(result));
  if (result != payload) return fmt::format("the packed record has {} bytes instead of {}", result, payload);
  return {};
}

}  // namespace lockstep
