#define PCRE2_CODE_UNIT_WIDTH 8
#include "core/text/regex.h"

#include "core/error.h"
#include "core/text/regex_dialect.h"

#include <pcre2.h>
#include <utility>

namespace lockstep {
namespace {

std::string message_of(int code) {
  PCRE2_UCHAR buffer[256];
  pcre2_get_error_message(code, buffer, sizeof buffer);
  return reinterpret_cast<const char*>(buffer);
}

/// What one thread needs to run any expression. The stack grows on demand, up to its bound.
struct MatchScratch {
  pcre2_match_data* data = pcre2_match_data_create(1, nullptr);
  pcre2_match_context* context = pcre2_match_context_create(nullptr);
  pcre2_jit_stack* stack = pcre2_jit_stack_create(32 << 10, 64 << 20, nullptr);

  MatchScratch() {
    LS_CHECK(data && context && stack, "no memory for regular expression matching");
    pcre2_jit_stack_assign(context, nullptr, stack);
    // The bound on backtracking is against hostile expressions; ours come with the model, and texts may be long.
    pcre2_set_match_limit(context, UINT32_MAX);
  }
  ~MatchScratch() {
    pcre2_jit_stack_free(stack);
    pcre2_match_context_free(context);
    pcre2_match_data_free(data);
  }
  MatchScratch(const MatchScratch&) = delete;
  MatchScratch& operator=(const MatchScratch&) = delete;
};

MatchScratch& match_scratch() {
  thread_local MatchScratch scratch;
  return scratch;
}

}  // namespace

struct Regex::Code {
  pcre2_code* compiled = nullptr;
  std::string place;

  Code(pcre2_code* code, std::string where) : compiled(code), place(std::move(where)) {}
  ~Code() { pcre2_code_free(compiled); }
  Code(const Code&) = delete;
  Code& operator=(const Code&) = delete;
};

Regex::Regex(const std::string& pattern, const std::string& place) {
  // Ruby's ^ and $ match at every line, and a line ends with \n only.
  pcre2_compile_context* settings = pcre2_compile_context_create(nullptr);
  LS_CHECK(settings, "no memory for a regular expression");
  pcre2_set_newline(settings, PCRE2_NEWLINE_LF);
  int error = 0;
  std::size_t offset = 0;
  pcre2_code* code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                                   PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE, &error, &offset, settings);
  pcre2_compile_context_free(settings);
  LS_REQUIRE(FormatError, code, "{}: regular expression '{}': {} (at byte {})", place, pattern, message_of(error),
             offset);
  code_ = std::make_shared<const Code>(code, place);
  const int jit = pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
  // Without just-in-time compilation PCRE2 interprets: slower, same matches.
  LS_REQUIRE(FormatError, jit == 0 || jit == PCRE2_ERROR_JIT_BADOPTION, "{}: regular expression '{}': {}", place,
             pattern, message_of(jit));
}

Regex Regex::from_oniguruma(const std::string& pattern, const std::string& place) {
  return Regex(pcre2_from_oniguruma(pattern, place), place);
}

std::optional<RegexMatch> Regex::find(std::string_view text, std::size_t from) const {
  MatchScratch& scratch = match_scratch();
  const int found = pcre2_match(code_->compiled, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), from,
                                PCRE2_NO_UTF_CHECK, scratch.data, scratch.context);
  if (found == PCRE2_ERROR_NOMATCH) return std::nullopt;
  // 0: more groups than the one pair of offsets kept.
  LS_REQUIRE(FormatError, found >= 0, "{}: regular expression failed on a text of {} bytes: {}", code_->place,
             text.size(), message_of(found));
  const PCRE2_SIZE* offsets = pcre2_get_ovector_pointer(scratch.data);
  return RegexMatch{offsets[0], offsets[1]};
}

}  // namespace lockstep
