#include "core/text/pre_tokenizer.h"

#include "core/text/byte_level.h"
#include "core/text/utf8.h"
#include "core/text/word_splitter.h"

#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <utility>

namespace lockstep {
namespace {

using Steps = std::vector<std::unique_ptr<PreTokenizer>>;

/// Rewrites every word: `rewrite(range, word, out)` appends what becomes of it.
template <class Rewrite>
void rewrite_words(Words& words, const Rewrite& rewrite) {
  std::string text;
  text.reserve(words.text.size() + words.text.size() / 4);
  for (WordRange& range : words.ranges) {
    const std::size_t begin = text.size();
    rewrite(range, std::string_view(words.text).substr(range.begin, range.end - range.begin), text);
    range.begin = begin, range.end = text.size();
  }
  words.text = std::move(text);
}

class Sequence : public PreTokenizer {
 public:
  explicit Sequence(Steps steps) : steps_(std::move(steps)) {}
  void apply(Words& words) const override {
    for (const auto& step : steps_) step->apply(words);
  }

 private:
  Steps steps_;
};

/// A space in front of every word that has none (ByteLevel's add_prefix_space).
class PrefixSpace : public PreTokenizer {
 public:
  void apply(Words& words) const override {
    rewrite_words(words, [](const WordRange&, std::string_view word, std::string& out) {
      if (!word.starts_with(' ')) out += ' ';
      out += word;
    });
  }
};

class ByteLetters : public PreTokenizer {
 public:
  void apply(Words& words) const override {
    rewrite_words(words,
                  [](const WordRange&, std::string_view word, std::string& out) { append_byte_level(word, out); });
  }
};

enum class PrependScheme : uint8_t { kAlways, kFirst, kNever };

class MetaspaceMarks : public PreTokenizer {
 public:
  MetaspaceMarks(std::string mark, PrependScheme scheme) : mark_(std::move(mark)), scheme_(scheme) {}
  void apply(Words& words) const override {
    rewrite_words(words, [this](const WordRange& range, std::string_view word, std::string& out) {
      const bool wanted = scheme_ == PrependScheme::kAlways || (scheme_ == PrependScheme::kFirst && range.starts_input);
      if (wanted && !word.starts_with(mark_) && !word.starts_with(' ')) out += mark_;
      space_.replace(word, mark_, out);
    });
  }

 private:
  std::string mark_;
  PrependScheme scheme_;
  Pattern space_{" "};
};

std::unique_ptr<PreTokenizer> split(const char* pcre_pattern, SplitBehavior behavior, bool invert = false) {
  return std::make_unique<WordSplitter>(Pattern(Regex(pcre_pattern, "built-in expression")), behavior, invert);
}

std::unique_ptr<PreTokenizer> read_byte_level(const JsonObject& component) {
  component.allow_only({"type", "add_prefix_space", "trim_offsets", "use_regex"});
  // GPT-2's expression. trim_offsets moves character offsets, which nobody asks for here.
  constexpr auto kWords =
      "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| "
      "?[^\\p{wspace}\\p{L}\\p{N}]+|\\p{wspace}+(?!\\P{wspace})|\\p{wspace}+";
  Steps steps;
  if (component.boolean("add_prefix_space", true)) steps.push_back(std::make_unique<PrefixSpace>());
  if (component.boolean("use_regex", true)) steps.push_back(split(kWords, SplitBehavior::kIsolated));
  steps.push_back(std::make_unique<ByteLetters>());
  return std::make_unique<Sequence>(std::move(steps));
}

std::unique_ptr<PreTokenizer> read_metaspace(const JsonObject& component) {
  component.allow_only({"type", "replacement", "add_prefix_space", "prepend_scheme", "split", "str_rep"});
  std::string mark = component.text("replacement");
  const std::string scheme = component.text("prepend_scheme", "always");
  PrependScheme prepend = PrependScheme::kNever;
  if (scheme == "always") {
    prepend = PrependScheme::kAlways;
  } else if (scheme == "first") {
    prepend = PrependScheme::kFirst;
  } else if (scheme != "never") {
    component.refuse("prepend_scheme", "always, first, never");
  }
  if (!component.boolean("add_prefix_space", true) && prepend != PrependScheme::kNever)
    component.refuse("add_prefix_space", "true, unless prepend_scheme is \"never\"");
  Steps steps;
  steps.push_back(std::make_unique<MetaspaceMarks>(mark, prepend));
  if (component.boolean("split", true))
    steps.push_back(std::make_unique<WordSplitter>(Pattern(std::move(mark)), SplitBehavior::kMergedWithNext));
  return std::make_unique<Sequence>(std::move(steps));
}

std::unique_ptr<PreTokenizer> read_sequence(const JsonObject& component) {
  component.allow_only({"type", "pretokenizers"});
  Steps steps;
  for (const JsonObject& step : component.objects("pretokenizers")) steps.push_back(read_pre_tokenizer(step));
  return std::make_unique<Sequence>(std::move(steps));
}

}  // namespace

std::unique_ptr<PreTokenizer> read_pre_tokenizer(const JsonObject& component) {
  const std::string type = component.text("type");
  if (type == "ByteLevel") return read_byte_level(component);
  if (type == "Metaspace") return read_metaspace(component);
  if (type == "Sequence") return read_sequence(component);
  if (type == "Split") {
    component.allow_only({"type", "pattern", "behavior", "invert"});
    return std::make_unique<WordSplitter>(Pattern::read(component),
                                          read_split_behavior(component, SplitBehavior::kIsolated),
                                          component.boolean("invert", false));
  }
  if (type == "Digits") {
    component.allow_only({"type", "individual_digits"});
    return split("\\p{N}",
                 component.boolean("individual_digits", false) ? SplitBehavior::kIsolated : SplitBehavior::kContiguous);
  }
  if (type == "Punctuation") {
    component.allow_only({"type", "behavior"});
    return split("[!-/:-@\\[-`{-~\\p{P}]", read_split_behavior(component, SplitBehavior::kIsolated));
  }
  if (type == "Whitespace") {
    component.allow_only({"type"});
    return split(
        "[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\x{200C}\\x{200D}]+|"
        "[^\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\x{200C}\\x{200D}\\p{wspace}]+",
        SplitBehavior::kRemoved, /*invert=*/true);
  }
  if (type == "WhitespaceSplit") {
    component.allow_only({"type"});
    return split("\\p{wspace}", SplitBehavior::kRemoved);
  }
  component.refuse("type", "ByteLevel, Digits, Metaspace, Punctuation, Sequence, Split, Whitespace, WhitespaceSplit");
}

}  // namespace lockstep
