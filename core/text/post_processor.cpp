#include "core/text/post_processor.h"

#include "core/error.h"

#include <nlohmann/json.hpp>
#include <string>
#include <utility>

namespace lockstep {

PostProcessor::Template PostProcessor::read_template(const JsonObject& component) {
  component.allow_only({"type", "single", "pair", "special_tokens"});  // pair: for two texts, which nobody encodes here
  Template parts;
  for (const JsonObject& piece : component.objects("single")) {
    piece.allow_only({"Sequence", "SpecialToken"});
    if (piece.has("Sequence")) {
      if (piece.object("Sequence").text("id") != "A") piece.refuse("Sequence", "{\"id\": \"A\"}: there is one text");
      parts.push_back({true, {}});
      continue;
    }
    const std::string name = piece.object("SpecialToken").text("id");
    const JsonObject tokens = component.object("special_tokens");
    if (!tokens.has(name.c_str())) piece.refuse("SpecialToken", "a token listed in special_tokens");
    Part part;
    for (const int64_t id : tokens.object(name.c_str()).integers("ids", 0, INT32_MAX))
      part.ids.emplace_back(static_cast<int32_t>(id));
    parts.push_back(std::move(part));
  }
  return parts;
}

void PostProcessor::add(const JsonObject& component) {
  const std::string type = component.text("type");
  if (type == "Sequence") {
    component.allow_only({"type", "processors"});
    for (const JsonObject& processor : component.objects("processors")) add(processor);
  } else if (type == "TemplateProcessing") {
    templates_.push_back(read_template(component));
  } else if (type == "ByteLevel") {
    component.allow_only({"type", "add_prefix_space", "trim_offsets", "use_regex"});
  } else {
    component.refuse("type", "ByteLevel, Sequence, TemplateProcessing");
  }
}

PostProcessor PostProcessor::read(const JsonObject& component) {
  PostProcessor processor;
  processor.add(component);
  return processor;
}

std::vector<TokenId> PostProcessor::apply(std::vector<TokenId> ids) const {
  for (const Template& parts : templates_) {
    std::vector<TokenId> wrapped;
    wrapped.reserve(ids.size() + parts.size());
    for (const Part& part : parts) {
      const std::vector<TokenId>& source = part.is_text ? ids : part.ids;
      wrapped.insert(wrapped.end(), source.begin(), source.end());
    }
    ids = std::move(wrapped);
  }
  return ids;
}

}  // namespace lockstep
