#include "core/text/decoder.h"

#include <nlohmann/json.hpp>
#include <utility>

namespace lockstep {
namespace {

constexpr auto kMark = "\xE2\x96\x81";  // U+2581, SentencePiece's space

}  // namespace

void Decoder::add(const JsonObject& component) {
  const std::string type = component.text("type");
  if (type == "Sequence") {
    component.allow_only({"type", "decoders"});
    for (const JsonObject& step : component.objects("decoders")) add(step);
    return;
  }
  if (type == "Strip") {
    component.allow_only({"type", "content", "start", "stop"});
    constexpr int64_t kMax = 1 << 20;
    std::string content = component.text("content");
    if (content.empty() || utf8_length(content[0]) != content.size()) component.refuse("content", "one character");
    const int64_t start = component.integer("start", 0, kMax), stop = component.integer("stop", 0, kMax);
    makers_.push_back([=, fused = fused_]() -> std::unique_ptr<DecoderStep> {
      if (fused) return std::make_unique<StripFusedStep>(content, start, stop);
      return std::make_unique<StripStep>(content, start, stop);
    });
    return;
  }
  if (fused_) component.refuse("type", "Strip, behind ByteLevel or Fuse");
  if (type == "ByteLevel") {
    component.allow_only({"type", "add_prefix_space", "trim_offsets", "use_regex"});
    makers_.push_back([] { return std::make_unique<ByteLevelStep>(); });
    fused_ = true;
  } else if (type == "Fuse") {
    component.allow_only({"type"});
    fused_ = true;
  } else if (type == "ByteFallback") {
    component.allow_only({"type"});
    makers_.push_back([] { return std::make_unique<ByteFallbackStep>(ByteFallbackStep::Invalid::kWholeRun); });
  } else if (type == "Metaspace") {
    component.allow_only({"type", "replacement", "add_prefix_space", "prepend_scheme", "split", "str_rep"});
    const bool drop = component.text("prepend_scheme", "always") != "never";
    makers_.push_back(
        [mark = component.text("replacement"), drop] { return std::make_unique<MetaspaceStep>(mark, drop); });
  } else if (type == "Replace") {
    component.allow_only({"type", "pattern", "content"});
    makers_.push_back([pattern = Pattern::read(component), content = component.text("content")] {
      return std::make_unique<ReplaceStep>(pattern, content);
    });
  } else {
    component.refuse("type", "ByteFallback, ByteLevel, Fuse, Metaspace, Replace, Sequence, Strip");
  }
}

Decoder Decoder::read(const JsonObject* component) {
  Decoder decoder;
  if (component) {
    decoder.add(*component);
  } else {
    decoder.makers_.push_back([] { return std::make_unique<JoinStep>(); });
  }
  return decoder;
}

Decoder Decoder::sentencepiece(bool strip_space) {
  Decoder decoder;
  decoder.makers_.push_back([] { return std::make_unique<ReplaceStep>(Pattern(kMark), " "); });
  decoder.makers_.push_back([] { return std::make_unique<ByteFallbackStep>(ByteFallbackStep::Invalid::kBytesAlone); });
  if (strip_space) decoder.makers_.push_back([] { return std::make_unique<StripFusedStep>(" ", 1, 0); });
  return decoder;
}

std::vector<std::unique_ptr<DecoderStep>> Decoder::make_steps() const {
  std::vector<std::unique_ptr<DecoderStep>> steps;
  for (const MakeStep& make : makers_) steps.push_back(make());
  return steps;
}

}  // namespace lockstep
