// Every single wrong bit, every burst of 2 to 32 bits, and arbitrary bytes: never served, never a crash.
#include "cache/disk/store_scan.h"
#include "core/log.h"
#include "tests/cache/disk/store_pages.h"
#include "tests/support/temporary_directory.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <gtest/gtest.h>
#include <random>

namespace lockstep {
namespace {

using namespace testing_support;

/// Flips bits [first, first + length) of which the outer two are always flipped, the inner ones by `pattern`.
void flip(std::string& bytes, size_t first, size_t length, uint64_t pattern) {
  for (size_t i = 0; i < length; ++i) {
    const bool is_outer = i == 0 || i + 1 == length;
    if (!is_outer && (pattern >> i & 1) == 0) continue;
    bytes[(first + i) / 8] = static_cast<char>(bytes[(first + i) / 8] ^ (1 << (first + i) % 8));
  }
}

/// A small store with three pages, as an ended job left it.
class Corruption : public testing::Test {
 protected:
  Corruption() : Corruption({3, 7}, 0) {}
  Corruption(const RecordShape& shape, int32_t packing_level)
      : directory_(memory_directory()), options_(small_store(directory_.path())) {
    configure_log(LogLevel::kError, Rank(0), 1);
    options_.shape = shape;
    options_.packing_level = packing_level;
    DiskStore store(options_);
    put_pages(store, options_, keys_of(0, 3));
  }

  WriterFacts facts() const {
    std::string problem;
    const std::string log = read_file(files_of(directory_.path(), ".log").at(0));
    return decode_log_header(std::as_bytes(std::span(log)), problem).value();
  }

  TemporaryDirectory directory_;
  DiskStoreOptions options_;
};

TEST_F(Corruption, PayloadBits) {
  const auto path = files_of(directory_.path(), ".seg").at(0);
  const WriterFacts writer = facts();
  DiskStore store(options_);
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  const std::string good = read_file(path);
  const auto offset = static_cast<size_t>(writer.slot_offset(1));
  const auto stride = static_cast<size_t>(options_.shape.aligned_payload_bytes());
  const auto payload = static_cast<size_t>(options_.shape.payload_bytes());
  std::mt19937_64 random(1);
  int64_t num_found = 0, num_in_padding = 0;
  for (size_t head = 0; head < 2; ++head) {
    const size_t begin = offset + head * stride;
    // All of the payload, and the padding next to it: bursts over both ends are among them.
    for (size_t bit = 0; bit < (payload + 8) * 8; ++bit) {
      for (size_t length = 1; length <= 32; ++length) {
        std::string bad = good.substr(begin, payload + 16);
        flip(bad, bit, length, random());
        file.seekp(static_cast<std::streamoff>(begin)).write(bad.data(), static_cast<std::streamsize>(bad.size()));
        file.flush();
        const std::string result = read_page(store, options_, key_of(1));
        if (bit < payload * 8) {
          ASSERT_NE(result.find("checksum"), std::string::npos) << bit << " + " << length << ": " << result;
          ++num_found;
        } else {
          ASSERT_EQ(result, "right");  // padding is no content
          ++num_in_padding;
        }
      }
    }
    file.seekp(static_cast<std::streamoff>(begin))
        .write(good.data() + begin, static_cast<std::streamsize>(payload + 16));
    file.flush();
  }
  EXPECT_EQ(read_page(store, options_, key_of(1)), "right");
  EXPECT_EQ(num_found, 2 * 21 * 8 * 32);
  EXPECT_EQ(num_in_padding, 2 * 8 * 8 * 32);
}

class PackedCorruption : public Corruption {
 protected:
  PackedCorruption() : Corruption({2, 2400}, 1) {}
};

TEST_F(PackedCorruption, RecordBits) {
  const auto path = files_of(directory_.path(), ".seg").at(0);
  const WriterFacts writer = facts();
  const std::string log = read_file(files_of(directory_.path(), ".log").at(0));
  int64_t good_bytes = 0;
  const LogEntry entry = read_entries(writer, std::as_bytes(std::span(log)), good_bytes).at(1);
  DiskStore store(options_);
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  const std::string good = read_file(path);
  std::mt19937_64 random(7);
  auto begin = static_cast<size_t>(writer.slot_offset(1));
  for (const RecordPacking& packing : entry.packing) {
    ASSERT_TRUE(packing.is_packed());
    const size_t stored = packing.bytes;
    ASSERT_LT(stored, 4000U);
    for (size_t bit = 0; bit < (stored + 8) * 8; ++bit) {
      for (const size_t length : {size_t{1}, 2 + random() % 31}) {
        std::string bad = good.substr(begin, stored + 16);
        flip(bad, bit, length, random());
        file.seekp(static_cast<std::streamoff>(begin)).write(bad.data(), static_cast<std::streamsize>(bad.size()));
        file.flush();
        const std::string result = read_page(store, options_, key_of(1));
        if (bit < stored * 8) {
          ASSERT_NE(result.find("packed record has a wrong checksum"), std::string::npos) << bit << ": " << result;
        } else {
          ASSERT_EQ(result, "right");  // padding is no content
        }
      }
    }
    file.seekp(static_cast<std::streamoff>(begin))
        .write(good.data() + begin, static_cast<std::streamsize>(stored + 16));
    file.flush();
    begin += kDiskAlignment;
  }
  EXPECT_EQ(read_page(store, options_, key_of(1)), "right");
}

// Bytes with a right checksum that are no packed record, or another one: never served, never a crash.
TEST_F(PackedCorruption, RecordsThatDoNotUnpackToThePayload) {
  const RecordShape shape{2, 2400};
  const PageBytes page = make_page(options_, key_of(1));
  std::vector<std::byte> place(static_cast<size_t>(shape.aligned_payload_bytes())), record = place;
  const auto head = page.heads.span().first(record.size());
  const RecordPacking good = pack_record(head, shape, 1, place);
  ASSERT_EQ(unpack_record(place, good, shape, record), "");
  EXPECT_TRUE(std::ranges::equal(record, head));
  std::mt19937_64 random(8);
  for (int round = 0; round < 20'000; ++round) {
    std::vector<std::byte> bad = place;
    const auto bytes = static_cast<uint32_t>(1 + random() % good.bytes);
    for (uint64_t n = 1 + random() % 4; n > 0; --n) bad[random() % bytes] = static_cast<std::byte>(random());
    const RecordPacking claimed{bytes, crc32c(std::span(bad).first(bytes))};
    const std::string problem = unpack_record(bad, claimed, shape, record);
    if (bytes < good.bytes) {
      ASSERT_NE(problem, "") << round;
    }
  }
  // A longer record than the shape has room for.
  const RecordShape wide{2, 4000}, narrow{2, 1000};
  EXPECT_NE(unpack_record(place, good, wide, record), "");
  std::vector<std::byte> small(static_cast<size_t>(narrow.aligned_payload_bytes()));
  EXPECT_NE(unpack_record(place, good, narrow, small), "");
}

TEST_F(Corruption, LogBits) {
  const std::string good = read_file(files_of(directory_.path(), ".log").at(0));
  const WriterFacts writer = facts();
  const auto entry_bytes = static_cast<size_t>(writer.entry_bytes());
  ASSERT_EQ(good.size(), static_cast<size_t>(kLogHeaderBytes) + 3 * entry_bytes);
  std::mt19937_64 random(2);
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    for (size_t length = 1; length <= 32 && bit + length <= good.size() * 8; ++length) {
      std::string bad = good;
      flip(bad, bit, length, random());
      std::string problem;
      const auto bytes = std::as_bytes(std::span(bad));
      const auto header = decode_log_header(bytes, problem);
      ASSERT_EQ(header.has_value(), bit / 8 >= static_cast<size_t>(kLogHeaderBytes)) << bit << " + " << length;
      ASSERT_EQ(problem.empty(), header.has_value());
      if (!header) continue;
      int64_t good_bytes = 0;
      const auto entries = read_entries(*header, bytes, good_bytes);
      const size_t first_bad = (bit / 8 - static_cast<size_t>(kLogHeaderBytes)) / entry_bytes;
      ASSERT_EQ(entries.size(), first_bad) << bit << " + " << length;
      ASSERT_EQ(good_bytes, kLogHeaderBytes + static_cast<int64_t>(first_bad * entry_bytes));
    }
  }
}

TEST_F(Corruption, SegmentHeaderBits) {
  const std::string good = read_file(files_of(directory_.path(), ".seg").at(0)).substr(0, kSegmentHeaderBytes);
  const WriterFacts writer = facts();
  EXPECT_EQ(check_segment_header(std::as_bytes(std::span(good)), writer, 0), "");
  EXPECT_NE(check_segment_header(std::as_bytes(std::span(good)), writer, 1), "");
  std::mt19937_64 random(3);
  for (size_t bit = 0; bit < good.size() * 8; ++bit) {
    for (const size_t length : {size_t{1}, 2 + random() % 31}) {
      if (bit + length > good.size() * 8) continue;
      std::string bad = good;
      flip(bad, bit, length, random());
      ASSERT_NE(check_segment_header(std::as_bytes(std::span(bad)), writer, 0), "") << bit << " + " << length;
    }
  }
}

void damage_whole_stores(const std::filesystem::path& store_directory, const DiskStoreOptions& good_options) {
  std::mt19937_64 random(4);
  for (const char* ending : {".log", ".seg"}) {
    const auto path = files_of(store_directory, ending).at(0);
    const std::string good = read_file(path);
    for (int round = 0; round < 300; ++round) {
      std::string bad = good;
      const size_t length = 1 + random() % 32;
      flip(bad, random() % (good.size() * 8 - length), length, random());
      const TemporaryDirectory copy(memory_directory());
      std::filesystem::copy(store_directory, copy.path());
      write_file(copy / path.filename().string(), bad);
      DiskStoreOptions options = good_options;
      options.directory = copy.path();
      DiskStore store(options);
      for (const Hash128& key : store.pages()) EXPECT_NE(read_page(store, options, key), "wrong bytes");
    }
  }
}

TEST_F(Corruption, WholeStoreWithWrongBitsInAnyFile) { damage_whole_stores(directory_.path(), options_); }
TEST_F(PackedCorruption, WholeStoreWithWrongBitsInAnyFile) { damage_whole_stores(directory_.path(), options_); }

TEST_F(Corruption, FilesThatAreNotUnderstoodAreLeftAloneAndSaid) {
  const auto log = files_of(directory_.path(), ".log").at(0), segment = files_of(directory_.path(), ".seg").at(0);
  const std::string good = read_file(log), good_segment = read_file(segment);
  for (const size_t place : {size_t{0}, size_t{8}, size_t{12}, size_t{100}}) {  // magic, version, byte order, facts
    std::string bad = good;
    bad[place] = static_cast<char>(bad[place] + 1);
    write_file(log, bad);
    const DiskStore store(options_);
    EXPECT_TRUE(store.pages().empty());
    ASSERT_EQ(store.opening().problems.size(), 1U);
    EXPECT_NE(store.opening().problems[0].find(log.filename().string()), std::string::npos);
    EXPECT_EQ(store.opening().problems[0].find("version 3") != std::string::npos, place == 8);
    EXPECT_EQ(read_file(log), bad);
    EXPECT_EQ(read_file(segment), good_segment);
  }
  write_file(log, good);
  EXPECT_EQ(DiskStore(options_).pages(), keys_of(0, 3));
}

TEST_F(Corruption, FuzzOfTheLogReader) {
  const std::string good = read_file(files_of(directory_.path(), ".log").at(0));
  std::mt19937_64 random(5);
  int64_t num_entries = 0;
  for (int round = 0; round < 200'000; ++round) {
    std::string bytes = good;
    if (round % 4 == 0) {
      bytes.assign(random() % 2048, '\0');
      for (char& c : bytes) c = static_cast<char>(random());
    }
    for (uint64_t n = random() % 8; n > 0 && !bytes.empty(); --n)
      bytes[random() % bytes.size()] = static_cast<char>(random());
    bytes.resize(random() % 3 == 0 ? random() % (bytes.size() + 1) : bytes.size());
    // Half of them get a header with a right checksum, so that its numbers are what stops the reader, or nothing is.
    if (round % 2 == 0 && bytes.size() >= static_cast<size_t>(kLogHeaderBytes)) {
      std::memcpy(bytes.data(), good.data(), 16);
      const auto covered = std::as_bytes(std::span(bytes)).first(kLogHeaderBytes - 4);
      const uint32_t crc = crc32c(covered);
      std::memcpy(bytes.data() + kLogHeaderBytes - 4, &crc, sizeof crc);
    }
    std::string problem;
    const auto header = decode_log_header(std::as_bytes(std::span(bytes)), problem);
    ASSERT_NE(header.has_value(), !problem.empty());
    if (!header) continue;
    int64_t good_bytes = 0;
    const auto entries = read_entries(*header, std::as_bytes(std::span(bytes)), good_bytes);
    ASSERT_LE(good_bytes, static_cast<int64_t>(bytes.size()));
    num_entries += static_cast<int64_t>(entries.size());
  }
  EXPECT_GT(num_entries, 1000);
}

void fuzz_entries(const std::filesystem::path& store_directory, const DiskStoreOptions& good_options,
                  const WriterFacts& writer) {
  LogEntry entry{EntryKind::kPage,
                 writer.writer,
                 0,
                 0,
                 key_of(0),
                 writer.heads,
                 1,
                 std::vector<uint32_t>(static_cast<size_t>(writer.num_crcs()), 7),
                 std::vector<RecordPacking>(static_cast<size_t>(writer.heads.count))};
  std::mt19937_64 random(6);
  const TemporaryDirectory directory(memory_directory());
  for (int round = 0; round < 300; ++round) {
    std::string log;
    const auto header = encode_log_header(writer);
    log.append(reinterpret_cast<const char*>(header.data()), header.size());
    for (uint64_t i = 0; i < 20; ++i) {
      const auto odd = [&](auto value) { return random() % 3 == 0 ? static_cast<decltype(value)>(random()) : value; };
      LogEntry strange = entry;
      strange.kind = static_cast<EntryKind>(odd(1 + static_cast<uint32_t>(random() % 2)));
      strange.writer = odd(writer.writer);
      strange.segment = odd(uint64_t{random() % 3});
      strange.slot = odd(static_cast<uint32_t>(random() % 5));
      strange.heads = {odd(int32_t{0}), odd(int32_t{2})};
      for (RecordPacking& packing : strange.packing)
        packing = {static_cast<uint32_t>(random() % 3 == 0 ? random() : random() % 4096),
                   static_cast<uint32_t>(random())};
      if (random() % 2 == 0) strange.packing.clear();
      const auto bytes = encode_entry(writer, i, strange);
      log.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    }
    std::filesystem::remove_all(directory.path());
    std::filesystem::copy(store_directory, directory.path());
    write_file(directory / files_of(store_directory, ".log").at(0).filename().string(), log);
    DiskStoreOptions options = good_options;
    options.directory = directory.path();
    DiskStore store(options);
    for (const Hash128& key : store.pages()) EXPECT_NE(read_page(store, options, key), "wrong bytes");
  }
}

TEST_F(Corruption, FuzzOfEntriesWithRightChecksums) { fuzz_entries(directory_.path(), options_, facts()); }
TEST_F(PackedCorruption, FuzzOfEntriesWithRightChecksums) { fuzz_entries(directory_.path(), options_, facts()); }

}  // namespace
}  // namespace lockstep
