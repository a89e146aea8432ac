// A component that is not understood is refused by name, with the file, the key and what is accepted.
#include "core/error.h"
#include "tests/core/text/text_test_support.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace lockstep {
namespace {

using Json = nlohmann::json;

Json minimal() {
  return Json::parse(R"({"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]}})");
}

struct Refusal {
  const char* key;    // JSON pointer
  const char* value;  // JSON
  std::vector<std::string> named;
};

TEST(TokenizerRefusals, NameWhatTheyRefuse) {
  const Refusal refusals[] = {
      {"/model/type", R"("WordPiece")", {"model.type", "WordPiece", "BPE"}},
      {"/model/dropout", "0.1", {"model.dropout", "0.1"}},
      {"/model/end_of_word_suffix", R"("</w>")", {"model.end_of_word_suffix", "</w>"}},
      {"/model/novelty", "1", {"model.novelty", "ignore_merges"}},
      {"/model/vocab", "[]", {"model.vocab"}},
      {"/model/vocab/b", "-1", {"model.vocab", "-1"}},
      {"/model/vocab/b", "0", {"model.vocab", "same id 0"}},
      {"/model/merges/0", R"("a b c")", {"model.merges[0]", "a b c"}},
      {"/model/merges/0", R"(["a"])", {"model.merges[0]"}},
      {"/model/merges/0", R"("a x")", {"model.merges[0]", "\"x\""}},
      {"/model/merges/0", R"("b a")", {"model.merges[0]", "\"ba\""}},
      {"/model/merges", "null", {"model.merges"}},
      {"/normalizer", R"({"type": "Lowercase"})", {"normalizer.type", "Lowercase", "NFC", "Replace"}},
      {"/normalizer",
       R"({"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Precompiled"}]})",
       {"normalizer.normalizers[1].type", "Precompiled"}},
      {"/normalizer",
       R"({"type": "Replace", "pattern": {"String": ""}, "content": "x"})",
       {"normalizer.pattern.String"}},
      {"/pre_tokenizer",
       R"({"type": "BertPreTokenizer"})",
       {"pre_tokenizer.type", "BertPreTokenizer", "ByteLevel", "Split"}},
      {"/pre_tokenizer",
       R"({"type": "Split", "pattern": {"String": "x"}, "behavior": "Kept"})",
       {"pre_tokenizer.behavior", "Kept", "Isolated"}},
      {"/pre_tokenizer",
       R"({"type": "Split", "pattern": {"Regex": "\\w+"}, "behavior": "Isolated"})",
       {"pre_tokenizer.pattern.Regex", "\\w"}},
      {"/pre_tokenizer",
       R"({"type": "Metaspace", "replacement": "_", "prepend_scheme": "last"})",
       {"pre_tokenizer.prepend_scheme", "last", "first"}},
      {"/pre_tokenizer",
       R"({"type": "Metaspace", "replacement": "_", "add_prefix_space": false})",
       {"pre_tokenizer.add_prefix_space", "never"}},
      {"/post_processor",
       R"({"type": "BertProcessing"})",
       {"post_processor.type", "BertProcessing", "TemplateProcessing"}},
      {"/post_processor",
       R"({"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "[CLS]"}}], "special_tokens": {}})",
       {"post_processor.single[0].SpecialToken", "[CLS]"}},
      {"/decoder", R"({"type": "WordPiece"})", {"decoder.type", "WordPiece", "ByteLevel", "Metaspace"}},
      {"/decoder",
       R"({"type": "Sequence", "decoders": [{"type": "Fuse"}, {"type": "ByteFallback"}]})",
       {"decoder.decoders[1].type", "ByteFallback", "Strip"}},
      {"/decoder",
       R"({"type": "Strip", "content": "ab", "start": 1, "stop": 0})",
       {"decoder.content", "one character"}},
      {"/added_tokens",
       R"([{"id": 7, "content": "<s>", "special": true, "normalized": false, "lstrip": false,
                            "rstrip": false, "single_word": false}])",
       {"added_tokens[0].id", "7", "3"}},
      {"/added_tokens", R"([{"id": 3, "content": "<s>"}])", {"added_tokens[0].special"}},
      {"/novelty", "{}", {"novelty", "pre_tokenizer"}},
  };
  EXPECT_NO_THROW(test::load(minimal()));
  for (const Refusal& refusal : refusals) {
    Json file = minimal();
    file[Json::json_pointer(refusal.key)] = Json::parse(refusal.value);
    try {
      test::load(file);
      ADD_FAILURE() << refusal.key << " = " << refusal.value << " was accepted";
    } catch (const FormatError& error) {
      EXPECT_THAT(error.what(), testing::HasSubstr("tokenizer.json"));
      for (const std::string& name : refusal.named) EXPECT_THAT(error.what(), testing::HasSubstr(name));
    }
  }
}

TEST(TokenizerRefusals, DirectoryWithoutTokenizer) {
  const test::TemporaryDirectory directory;
  EXPECT_THROW(load_tokenizer(directory.path()), IoError);
  directory.write("tokenizer.model", std::string("this is no model"));
  EXPECT_THROW(load_tokenizer(directory.path()), FormatError);
  directory.write("tokenizer.json", std::string("{\"model\": "));
  EXPECT_THROW(load_tokenizer(directory.path()), FormatError);
}

}  // namespace
}  // namespace lockstep
