// Pages whose bytes follow from their key, and what tests do with them: write, read back, compare.
#pragma once

#include "cache/disk/aligned_bytes.h"
#include "cache/disk/disk_store.h"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace lockstep::testing_support {

/// A small store: page caches and pread unless a test asks otherwise.
DiskStoreOptions small_store(const std::filesystem::path& directory);

Hash128 key_of(int64_t number);
/// Three of four pages have bytes of two bits, the others noise that no packing makes smaller.
bool is_packable(Hash128 key);

/// The heads of a page as a rank holds them: each byte depends on key, head, layer and place.
struct PageBytes {
  Hash128 key;
  AlignedBytes heads;
  std::vector<uint32_t> layer_crcs;

  DiskStore::Write to_write() const { return {key, heads.span(), layer_crcs}; }
  DiskStore::Read to_read() { return {key, heads.span(), layer_crcs}; }
};
PageBytes make_page(const DiskStoreOptions& options, Hash128 key);
/// Memory of the same size that holds nothing of the page.
PageBytes make_empty_page(const DiskStoreOptions& options, Hash128 key);

using Results = std::vector<std::optional<std::string>>;

Results write_pages(DiskStore& store, const DiskStoreOptions& options, const std::vector<Hash128>& keys);
/// Expects all to be written.
void put_pages(DiskStore& store, const DiskStoreOptions& options, const std::vector<Hash128>& keys);
std::vector<Hash128> keys_of(int64_t first, int64_t count);

/// Reads the page and compares: "right", "wrong bytes" (never acceptable), or the message.
std::string read_page(DiskStore& store, const DiskStoreOptions& options, Hash128 key);
/// Expects that each is right.
void expect_pages(DiskStore& store, const DiskStoreOptions& options, const std::vector<Hash128>& keys);

/// The store's files whose names end so, sorted.
std::vector<std::filesystem::path> files_of(const std::filesystem::path& directory, const std::string& ending);
int64_t segment_bytes_in(const std::filesystem::path& directory);

}  // namespace lockstep::testing_support
