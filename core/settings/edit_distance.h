// "Did you mean …?" for misspelt names.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace lockstep {

/// Insertions, deletions and replacements that turn one text into the other (Levenshtein distance).
int edit_distance(std::string_view a, std::string_view b);
/// Up to three of `names` within a third of the length of `name` (at least two edits), nearest first: "'a' or 'b'"; ""
/// if none is near.
std::string nearest_names(std::string_view name, std::span<const std::string> names);

}  // namespace lockstep
