#include "tests/cache/disk/store_pages.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <gtest/gtest.h>

namespace lockstep::testing_support {
namespace {

std::byte byte_of(const Hash128& key, int64_t head, int64_t layer, int64_t place) {
  uint64_t mixed = key.low + static_cast<uint64_t>(head) * 131 + static_cast<uint64_t>(layer) * 31 +
                   static_cast<uint64_t>(place) * 0x9e3779b97f4a7c15ULL;
  // The end of SplitMix64 (Steele, Lea, Flood 2014): no pattern is left that zstd could find.
  mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9ULL;
  mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebULL;
  const auto byte = static_cast<std::byte>(mixed ^ mixed >> 31);
  return is_packable(key) ? byte & std::byte{3} : byte;
}

PageBytes allocate(const DiskStoreOptions& options, Hash128 key) {
  PageBytes page;
  page.key = key;
  page.heads = AlignedBytes(options.heads.count * options.shape.aligned_payload_bytes());
  page.layer_crcs.assign(static_cast<size_t>(options.heads.count * options.shape.num_layers), 0);
  return page;
}

}  // namespace

bool is_packable(Hash128 key) { return key.low % 4 != 0; }

DiskStoreOptions small_store(const std::filesystem::path& directory) {
  DiskStoreOptions options;
  options.directory = directory;
  options.capacity_bytes = int64_t{4} << 20;
  options.content = {1, 2};
  options.shape = {3, 100};
  options.heads = {0, 2};
  options.io = "pread";
  options.patience = std::chrono::milliseconds(0);
  return options;
}

Hash128 key_of(int64_t number) { return hash128("page", {static_cast<uint64_t>(number), 7}); }

std::vector<Hash128> keys_of(int64_t first, int64_t count) {
  std::vector<Hash128> keys;
  for (int64_t i = first; i < first + count; ++i) keys.push_back(key_of(i));
  return keys;
}

PageBytes make_page(const DiskStoreOptions& options, Hash128 key) {
  PageBytes page = allocate(options, key);
  const RecordShape& shape = options.shape;
  std::memset(page.heads.data(), 0, page.heads.span().size());
  for (int64_t head = 0; head < options.heads.count; ++head) {
    for (int64_t layer = 0; layer < shape.num_layers; ++layer) {
      const auto begin = static_cast<size_t>(head * shape.aligned_payload_bytes() + shape.blocks().offset_of(layer));
      const auto bytes = page.heads.span().subspan(begin, static_cast<size_t>(shape.blocks().bytes_of(layer)));
      for (size_t i = 0; i < bytes.size(); ++i)
        bytes[i] = byte_of(key, options.heads.first + head, layer, static_cast<int64_t>(i));
      page.layer_crcs[static_cast<size_t>(head * shape.num_layers + layer)] = crc32c(bytes);
    }
  }
  return page;
}

PageBytes make_empty_page(const DiskStoreOptions& options, Hash128 key) {
  PageBytes page = allocate(options, key);
  std::memset(page.heads.data(), 0xee, page.heads.span().size());
  return page;
}

Results write_pages(DiskStore& store, const DiskStoreOptions& options, const std::vector<Hash128>& keys) {
  std::vector<PageBytes> pages;
  std::vector<DiskStore::Write> writes;
  for (const Hash128& key : keys) pages.push_back(make_page(options, key));
  for (const PageBytes& page : pages) writes.push_back(page.to_write());
  return store.write(writes);
}

void put_pages(DiskStore& store, const DiskStoreOptions& options, const std::vector<Hash128>& keys) {
  for (const auto& result : write_pages(store, options, keys)) EXPECT_EQ(result.value_or("written"), "written");
}

std::string read_page(DiskStore& store, const DiskStoreOptions& options, Hash128 key) {
  const PageBytes wanted = make_page(options, key);
  PageBytes page = make_empty_page(options, key);
  const std::array reads{page.to_read()};
  const auto results = store.read(reads);
  if (results.at(0)) return *results[0];
  const bool is_equal = std::ranges::equal(page.heads.span(), wanted.heads.span());
  return is_equal && page.layer_crcs == wanted.layer_crcs ? "right" : "wrong bytes";
}

void expect_pages(DiskStore& store, const DiskStoreOptions& options, const std::vector<Hash128>& keys) {
  for (const Hash128& key : keys) EXPECT_EQ(read_page(store, options, key), "right");
}

std::vector<std::filesystem::path> files_of(const std::filesystem::path& directory, const std::string& ending) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (entry.path().string().ends_with(ending)) files.push_back(entry.path());
  }
  std::ranges::sort(files);
  return files;
}

int64_t segment_bytes_in(const std::filesystem::path& directory) {
  int64_t bytes = 0;
  for (const auto& path : files_of(directory, ".seg")) bytes += static_cast<int64_t>(std::filesystem::file_size(path));
  return bytes;
}

}  // namespace lockstep::testing_support
