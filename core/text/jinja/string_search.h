// Replacing, splitting and searching in text, with Python's meaning of limits and of empty patterns.
#pragma once

#include "core/text/jinja/value.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep::jinja {

/// Where `wanted` first stands in `text`, in linear time; npos if nowhere.
std::size_t find_text(std::string_view text, std::string_view wanted);

/// Charges a search that may compare each of `wanted` with each of `text`.
void charge_product(std::string_view text, std::string_view wanted, Budget& budget);

/// str.replace(); `count` below 0: all. Throws Fault where the result is too long.
std::string replaced(std::string_view text, std::string_view old, std::string_view with, int64_t count, Budget& budget);

/// `text` with &, <, >, ' and " as HTML entities.
std::string html_escaped(std::string_view text);

/// str.split(separator, limit); `limit` below 0: all. The separator is not empty.
std::vector<std::string_view> split(std::string_view text, std::string_view separator, int64_t limit);
/// str.rsplit().
std::vector<std::string_view> split_from_right(std::string_view text, std::string_view separator, int64_t limit);
/// The same at runs of white space, which are dropped at both ends.
std::vector<std::string_view> split_at_space(std::string_view text, int64_t limit);
std::vector<std::string_view> split_at_space_from_right(std::string_view text, int64_t limit);

}  // namespace lockstep::jinja
