// From Oniguruma's Ruby syntax, in which tokenizer files write their expressions, to PCRE2's.
//
// Same in both: literals, alternation, groups, look-around, classes, greedy, lazy and possessive quantifiers.
// Translated: `\s \S \d \D` (to the properties Oniguruma means), `\uHHHH`, `\p{Script}`, `{,n}`.
// Refused, because the engines disagree or one lacks it: `\w \b \h` and other letters, `&&` and nested classes, `{n}?`,
// `{n,m}+`, `(?i)` behind the start, `(?m…)`, back references, verbs.
#pragma once

#include <string>

namespace lockstep {

/// `pattern` in PCRE2's syntax. `place` starts the message of an error. Throws FormatError naming the construct.
std::string pcre2_from_oniguruma(const std::string& pattern, const std::string& place);

}  // namespace lockstep
