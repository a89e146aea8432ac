#include "core/text/normalizer.h"

#include "core/error.h"
#include "core/text/pattern.h"
#include "core/text/utf8.h"

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <utf8proc.h>
#include <utility>
#include <vector>

namespace lockstep {
namespace {

class UnicodeForm : public Normalizer {
 public:
  /// `first_changed`: every code point below it stays what it is in this form, whatever surrounds it.
  UnicodeForm(utf8proc_option_t form, char32_t first_changed) : form_(form), first_changed_(first_changed) {}

  void apply(std::string& text) const override {
    if (unchanged(text)) return;
    utf8proc_uint8_t* mapped = nullptr;
    const auto length =
        utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()), static_cast<utf8proc_ssize_t>(text.size()),
                     &mapped, static_cast<utf8proc_option_t>(form_ | UTF8PROC_STABLE));
    LS_CHECK(length >= 0, "Unicode normalization of {} bytes: {}", text.size(), utf8proc_errmsg(length));
    text.assign(reinterpret_cast<const char*>(mapped), static_cast<std::size_t>(length));
    std::free(mapped);
  }

 private:
  bool unchanged(std::string_view text) const {
    for (std::size_t at = 0; at < text.size();)
      if (next_code_point(text, at) >= first_changed_) return false;
    return true;
  }

  utf8proc_option_t form_;
  char32_t first_changed_;
};

class Prepend : public Normalizer {
 public:
  explicit Prepend(std::string text) : prefix_(std::move(text)) {}
  void apply(std::string& text) const override {
    if (!text.empty()) text.insert(0, prefix_);
  }

 private:
  std::string prefix_;
};

class Replace : public Normalizer {
 public:
  Replace(Pattern pattern, std::string content) : pattern_(std::move(pattern)), content_(std::move(content)) {}
  void apply(std::string& text) const override {
    std::string replaced;
    replaced.reserve(text.size());
    pattern_.replace(text, content_, replaced);
    text = std::move(replaced);
  }

 private:
  Pattern pattern_;
  std::string content_;
};

class Strip : public Normalizer {
 public:
  Strip(bool left, bool right) : left_(left), right_(right) {}
  void apply(std::string& text) const override {
    std::size_t begin = text.size(), end = 0;  // around what is not white space
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t start = at;
      if (is_white_space(next_code_point(text, at))) continue;
      begin = std::min(begin, start);
      end = at;
    }
    if (begin == text.size()) end = left_ || right_ ? begin : text.size();
    if (right_) text.resize(end);
    if (left_) text.erase(0, std::min(begin, text.size()));
  }

 private:
  bool left_, right_;
};

class Sequence : public Normalizer {
 public:
  explicit Sequence(std::vector<std::unique_ptr<Normalizer>> steps) : steps_(std::move(steps)) {}
  void apply(std::string& text) const override {
    for (const auto& step : steps_) step->apply(text);
  }

 private:
  std::vector<std::unique_ptr<Normalizer>> steps_;
};

std::unique_ptr<Normalizer> read_sequence(const JsonObject& component) {
  std::vector<std::unique_ptr<Normalizer>> steps;
  for (const JsonObject& step : component.objects("normalizers")) steps.push_back(read_normalizer(step));
  return std::make_unique<Sequence>(std::move(steps));
}

}  // namespace

std::unique_ptr<Normalizer> read_normalizer(const JsonObject& component) {
  // Below these code points a form changes nothing: the first combining mark is U+0300, the first letter that
  // decomposes U+00C0, the first compatibility character U+00A0.
  constexpr char32_t kComposed = 0x300, kDecomposed = 0xC0, kCompatible = 0xA0;
  constexpr int kCompat = UTF8PROC_COMPAT;
  const auto form = [](int options, char32_t first) {
    return std::make_unique<UnicodeForm>(static_cast<utf8proc_option_t>(options), first);
  };
  const std::string type = component.text("type");
  if (type == "NFC" || type == "NFD" || type == "NFKC" || type == "NFKD") {
    component.allow_only({"type"});
    if (type == "NFC") return form(UTF8PROC_COMPOSE, kComposed);
    if (type == "NFD") return form(UTF8PROC_DECOMPOSE, kDecomposed);
    if (type == "NFKC") return form(UTF8PROC_COMPOSE | kCompat, kCompatible);
    return form(UTF8PROC_DECOMPOSE | kCompat, kCompatible);
  }
  if (type == "Prepend") {
    component.allow_only({"type", "prepend"});
    return std::make_unique<Prepend>(component.text("prepend"));
  }
  if (type == "Replace") {
    component.allow_only({"type", "pattern", "content"});
    return std::make_unique<Replace>(Pattern::read(component), component.text("content"));
  }
  if (type == "Strip") {
    component.allow_only({"type", "strip_left", "strip_right"});
    return std::make_unique<Strip>(component.boolean("strip_left", true), component.boolean("strip_right", true));
  }
  if (type == "Sequence") {
    component.allow_only({"type", "normalizers"});
    return read_sequence(component);
  }
  component.refuse("type", "NFC, NFD, NFKC, NFKD, Prepend, Replace, Strip, Sequence");
}

}  // namespace lockstep
