// What packing would make of the pages of a disk store: bytes in whole blocks, and speed both ways on one core.
//
//     bench_packing DIR        a directory of cache.disk_dir, of any job; nothing in it is changed
#include "cache/disk/aligned_bytes.h"
#include "cache/disk/store_admin.h"
#include "core/error.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fcntl.h>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

namespace lockstep {
namespace {

constexpr size_t kMostRecords = 2000;  // of a writer
constexpr int kRounds = 7;             // the fastest counts

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// The live records of a writer, as they are.
std::vector<AlignedBytes> records_of(const ScannedWriter& writer, const std::shared_ptr<SystemCalls>& calls) {
  const RecordShape& shape = writer.facts->shape;
  std::vector<AlignedBytes> records;
  AlignedBytes stored(shape.aligned_payload_bytes());
  for (const auto& [index, segment] : writer.segments) {
    const FileHandle file(calls, calls->open(segment.path, O_RDONLY));
    for (const ScannedRecord& record : segment.records) {
      int64_t offset = writer.facts->slot_offset(record.entry.slot);
      for (size_t head = 0; head < record.dropped.size(); ++head) {
        const RecordPacking& packing = record.entry.packing[head];
        const auto bytes = stored.span().first(static_cast<size_t>(stored_bytes(packing, shape)));
        const int64_t begin = std::exchange(offset, offset + static_cast<int64_t>(bytes.size()));
        if (record.dropped[head] || records.size() == kMostRecords) continue;
        if (!file || read_all(*calls, file.fd(), bytes, begin) != 0) continue;
        AlignedBytes one(shape.aligned_payload_bytes());
        if (unpack_record(bytes, packing, shape, one.span()).empty()) records.push_back(std::move(one));
      }
    }
  }
  return records;
}

void measure(const RecordShape& shape, const std::vector<AlignedBytes>& records, int level) {
  const auto all = static_cast<double>(records.size()) * static_cast<double>(shape.aligned_payload_bytes());
  std::vector<AlignedBytes> places;
  for (size_t i = 0; i < records.size(); ++i) {
    places.emplace_back(shape.aligned_payload_bytes());
    std::ranges::fill(places.back().span(), std::byte{1});  // no page faults in what is timed
  }
  std::vector<RecordPacking> packing(records.size());
  AlignedBytes again(shape.aligned_payload_bytes());
  double pack_seconds = std::numeric_limits<double>::infinity(), unpack_seconds = pack_seconds;
  for (int round = 0; round < kRounds; ++round) {
    auto start = std::chrono::steady_clock::now();
    for (size_t i = 0; i < records.size(); ++i)
      packing[i] = pack_record(records[i].span(), shape, level, places[i].span());
    pack_seconds = std::min(pack_seconds, seconds_since(start));
    start = std::chrono::steady_clock::now();
    for (size_t i = 0; i < records.size(); ++i) {
      const std::string problem = unpack_record(places[i].span(), packing[i], shape, again.span());
      LS_REQUIRE(Error, problem.empty(), "record {}: {}", i, problem);
    }
    unpack_seconds = std::min(unpack_seconds, seconds_since(start));
  }
  const auto num_packed = std::ranges::count_if(packing, &RecordPacking::is_packed);
  std::printf("  level %2d: %5.1f %% of the blocks; %zu of %zu records packed; packs %.0f MB/s, unpacks %.0f MB/s\n",
              level, 100.0 * static_cast<double>(stored_bytes(packing, shape)) / all, static_cast<size_t>(num_packed),
              records.size(), all / pack_seconds / 1e6, all / unpack_seconds / 1e6);
}

}  // namespace
}  // namespace lockstep

int main(int argc, char** argv) {
  using namespace lockstep;
  if (argc != 2) {
    std::fprintf(stderr, "Usage: bench_packing DIR\n");
    return 2;
  }
  try {
    const auto calls = std::make_shared<SystemCalls>();
    const StoreScan scan = inspect_store(argv[1], calls);
    for (const auto& [id, writer] : scan.writers) {
      if (!writer.facts) continue;
      const auto records = records_of(writer, calls);
      if (records.empty()) continue;
      const RecordShape& shape = writer.facts->shape;
      std::printf("writer %016llx: records of %lld layers, %lld bytes\n", static_cast<unsigned long long>(id),
                  static_cast<long long>(shape.num_layers), static_cast<long long>(shape.payload_bytes()));
      for (const int level : {1, 3, 9}) measure(shape, records, level);
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
