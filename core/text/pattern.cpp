#include "core/text/pattern.h"

#include "core/text/utf8.h"

#include <nlohmann/json.hpp>

namespace lockstep {

Pattern Pattern::read(const JsonObject& component) {
  const JsonObject pattern = component.object("pattern");
  pattern.allow_only({"String", "Regex"});
  if (pattern.has("Regex")) return Pattern(Regex::from_oniguruma(pattern.text("Regex"), pattern.place("Regex")));
  std::string literal = pattern.text("String");
  if (literal.empty()) pattern.refuse("String", "a string that is not empty");
  return Pattern(std::move(literal));
}

std::optional<RegexMatch> Pattern::find(std::string_view text, std::size_t from) const {
  if (regex_) return regex_->find(text, from);
  const std::size_t at = text.find(literal_, from);
  if (at == std::string_view::npos) return std::nullopt;
  return RegexMatch{at, at + literal_.size()};
}

template <class Visit>
void Pattern::each_match(std::string_view text, const Visit& visit) const {
  std::optional<std::size_t> last_end;
  for (std::size_t from = 0; from <= text.size();) {
    const std::optional<RegexMatch> match = find(text, from);
    if (!match) return;
    const bool empty = match->begin == match->end;
    if (empty && last_end == match->end) {
      if (match->end == text.size()) return;
      from = match->end + utf8_length(text[match->end]);
      continue;
    }
    visit(*match);
    last_end = from = match->end;
  }
}

void Pattern::cut(std::string_view text, std::vector<Cut>& cuts) const {
  cuts.clear();
  std::size_t done = 0;
  each_match(text, [&](RegexMatch match) {
    if (match.begin > done) cuts.push_back({done, match.begin, false});
    cuts.push_back({match.begin, match.end, true});
    done = match.end;
  });
  if (done < text.size()) cuts.push_back({done, text.size(), false});
}

void Pattern::replace(std::string_view text, std::string_view content, std::string& out) const {
  std::size_t done = 0;
  each_match(text, [&](RegexMatch match) {
    out += text.substr(done, match.begin - done);
    out += content;
    done = match.end;
  });
  out += text.substr(done);
}

}  // namespace lockstep
