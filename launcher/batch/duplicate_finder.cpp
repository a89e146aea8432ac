#include "launcher/batch/duplicate_finder.h"

#include "core/hash.h"

#include <algorithm>
#include <unordered_map>

namespace lockstep {
namespace {

constexpr uint64_t kNoId = 0;

}  // namespace

void DuplicateFinder::add(std::optional<std::string_view> id) {
  hashes_.push_back(id ? std::max<uint64_t>(hash128(*id).low, kNoId + 1) : kNoId);
}

std::vector<uint64_t> DuplicateFinder::repeated_hashes() const {
  std::vector<uint64_t> sorted(hashes_.size());
  for (size_t row = 0; row < sorted.size(); ++row) sorted[row] = hashes_[row];
  std::sort(sorted.begin(), sorted.end());
  size_t kept = 0;
  for (size_t i = 1; i < sorted.size(); ++i) {
    const uint64_t hash = sorted[i];
    if (hash == sorted[i - 1] && hash != kNoId && (kept == 0 || sorted[kept - 1] != hash)) sorted[kept++] = hash;
  }
  sorted.resize(kept);
  sorted.shrink_to_fit();
  return sorted;
}

std::vector<DuplicateFinder::Duplicate> DuplicateFinder::find(
    const std::function<std::optional<std::string>(int64_t)>& read_id) {
  const std::vector<uint64_t> repeated = repeated_hashes();
  std::vector<Duplicate> duplicates;
  if (repeated.empty()) return duplicates;

  std::vector<size_t> candidates;
  for (size_t row = 0; row < hashes_.size(); ++row)
    if (std::binary_search(repeated.begin(), repeated.end(), hashes_[row])) candidates.push_back(row);
  std::sort(candidates.begin(), candidates.end(),
            [&](size_t a, size_t b) { return hashes_[a] != hashes_[b] ? hashes_[a] < hashes_[b] : a < b; });

  std::unordered_map<std::string, int64_t> first_rows;  // of the ids with one hash: nearly always one
  for (size_t i = 0; i < candidates.size(); ++i) {
    if (i > 0 && hashes_[candidates[i]] != hashes_[candidates[i - 1]]) first_rows.clear();
    const auto row = static_cast<int64_t>(candidates[i]);
    std::optional<std::string> id = read_id(row);
    if (!id) continue;
    const auto [found, is_new] = first_rows.try_emplace(std::move(*id), row);
    if (!is_new) duplicates.push_back({row, found->second});
  }
  duplicates.shrink_to_fit();
  std::sort(duplicates.begin(), duplicates.end(), [](const Duplicate& a, const Duplicate& b) { return a.row < b.row; });
  return duplicates;
}

}  // namespace lockstep
