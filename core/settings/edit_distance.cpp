#include "core/settings/edit_distance.h"

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

namespace lockstep {

int edit_distance(std::string_view a, std::string_view b) {
  std::vector<int> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (size_t i = 0; i < a.size(); ++i) {
    int diagonal = row[0];
    row[0] = static_cast<int>(i) + 1;
    for (size_t j = 0; j < b.size(); ++j) {
      const int replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

std::string nearest_names(std::string_view name, std::span<const std::string> names) {
  const int limit = std::max(2, static_cast<int>(name.size()) / 3);
  std::vector<std::pair<int, std::string>> near;
  for (const std::string& candidate : names) {
    // A missing section counts little: 'page_tokens' means 'cache.page_tokens'.
    const bool is_suffix = candidate.size() > name.size() && candidate.ends_with("." + std::string(name));
    const int distance = is_suffix ? 0 : edit_distance(name, candidate);
    if (distance <= limit) near.emplace_back(distance, candidate);
  }
  std::sort(near.begin(), near.end());
  constexpr size_t kMostNames = 3;
  if (near.size() > kMostNames) near.resize(kMostNames);
  std::string text;
  for (const auto& [distance, candidate] : near) text += (text.empty() ? "'" : " or '") + candidate + "'";
  return text;
}

}  // namespace lockstep
