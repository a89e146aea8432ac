// Where chat templates come from, what they see, and what is refused before any template runs.
#include "core/text/chat_template.h"

#include "core/error.h"
#include "tests/core/text/text_test_support.h"

#include <gtest/gtest.h>
#include <thread>

namespace lockstep {
namespace {

using Json = nlohmann::ordered_json;

ChatTemplateInput hello() {
  ChatTemplateInput input;
  input.messages = Json::parse(R"([{"role": "user", "content": "Hi"}])");
  return input;
}

ChatTemplateInput with_tools() {
  ChatTemplateInput input = hello();
  input.tools = Json::parse(R"([{"type": "function"}])");
  return input;
}

/// The template of a directory with these files.
class ChatTemplateTest : public testing::Test {
 protected:
  std::string render(const ChatTemplateInput& input) const { return load().render(input); }
  ChatTemplate load() const { return ChatTemplate::load(directory_.path()).value(); }

  std::string refusal(const ChatTemplateInput& input) const {
    try {
      ADD_FAILURE() << "gave " << render(input);
    } catch (const ChatTemplateError& error) {
      return error.what();
    }
    return "";
  }

  test::TemporaryDirectory directory_;
};

TEST_F(ChatTemplateTest, NoneIsNoError) {
  EXPECT_FALSE(ChatTemplate::load(directory_.path()));
  directory_.write("tokenizer_config.json", std::string(R"({"bos_token": "<s>", "chat_template": null})"));
  EXPECT_FALSE(ChatTemplate::load(directory_.path()));
}

TEST_F(ChatTemplateTest, FileComesBeforeTokenizerConfig) {
  directory_.write("tokenizer_config.json", std::string(R"({"chat_template": "config {{ messages[0].content }}"})"));
  EXPECT_EQ(render(hello()), "config Hi");
  directory_.write("chat_template.jinja", std::string("file {{ messages[0].content }}"));
  EXPECT_EQ(render(hello()), "file Hi");
}

TEST_F(ChatTemplateTest, ToolUseServesRequestsWithTools) {
  directory_.write("tokenizer_config.json", std::string(R"({"chat_template": [{"name": "default", "template": "plain"},
                                                {"name": "tool_use", "template": "{{ tools | length }} tools"}]})"));
  EXPECT_EQ(render(hello()), "plain");
  EXPECT_EQ(render(with_tools()), "1 tools");
  directory_.write("tokenizer_config.json",
                   std::string(R"({"chat_template": [{"name": "default", "template": "plain"}]})"));
  EXPECT_EQ(render(with_tools()), "plain");
  directory_.write("tokenizer_config.json", std::string(R"({"chat_template": [{"name": "rag", "template": "r"}]})"));
  EXPECT_NE(refusal(hello()).find("no chat template named \"default\"; it has: rag"), std::string::npos);
}

TEST_F(ChatTemplateTest, AdditionalFilesAreNamedTemplates) {
  directory_.write("chat_template.jinja", std::string("plain"));
  std::filesystem::create_directory(directory_.path() / "additional_chat_templates");
  directory_.write("additional_chat_templates/tool_use.jinja", std::string("tools"));
  EXPECT_EQ(render(hello()), "plain");
  EXPECT_EQ(render(with_tools()), "tools");
}

TEST_F(ChatTemplateTest, SpecialTokensAreVariables) {
  const std::string source = "{{ bos_token }}|{{ eos_token }}|{{ pad_token is defined }}|{{ image_token is defined }}";
  directory_.write("chat_template.jinja", source);
  directory_.write("tokenizer_config.json",
                   std::string(R"({"bos_token": {"content": "<s>", "lstrip": false}, "eos_token": "</s>",
                                                "pad_token": null, "image_token": "<i>"})"));
  EXPECT_EQ(render(hello()), "<s>|</s>|False|False");
  directory_.write("special_tokens_map.json",
                   std::string(R"({"eos_token": "<end>", "pad_token": {"content": "<p>"}})"));
  EXPECT_EQ(render(hello()), "<s>|<end>|True|False");
  directory_.write("tokenizer_config.json", std::string(R"({"bos_token": "<s>", "added_tokens_decoder": {}})"));
  EXPECT_EQ(render(hello()), "<s>||False|False");
}

TEST_F(ChatTemplateTest, ExtraVariables) {
  directory_.write("chat_template.jinja", std::string("{{ bos_token }}{{ flag }}{{ documents is none }}"));
  directory_.write("tokenizer_config.json", std::string(R"({"bos_token": "<s>"})"));
  ChatTemplateInput input = hello();
  EXPECT_EQ(render(input), "<s>True");
  input.extra = Json::parse(R"({"flag": false, "bos_token": "<b>", "documents": []})");
  EXPECT_EQ(render(input), "<b>FalseFalse");
  for (const char* name : {"messages", "tools", "add_generation_prompt"}) {
    input.extra = Json{{name, 1}};
    EXPECT_EQ(refusal(input), std::string("template variable \"") + name + "\" is set by the request itself");
  }
  input.extra = Json::array();
  EXPECT_NE(refusal(input).find("an object or null is expected"), std::string::npos);
}

TEST_F(ChatTemplateTest, RefusesWhatIsNoConversation) {
  directory_.write("chat_template.jinja", std::string("x"));
  ChatTemplateInput input = hello();
  for (const char* messages : {"[]", "null", "{}", "\"Hi\"", "[1]", "[[]]"}) {
    input.messages = Json::parse(messages);
    EXPECT_NE(refusal(input).find("expected"), std::string::npos) << messages;
  }
  input = hello();
  for (const char* tools : {"{}", "[1]", "\"f\""}) {
    input.tools = Json::parse(tools);
    EXPECT_NE(refusal(input).find("tools are"), std::string::npos) << tools;
  }
}

TEST_F(ChatTemplateTest, MessagesNameFileAndLine) {
  directory_.write("chat_template.jinja", std::string("\n{{ x | nope }}"));
  // Not where it lies: the messages of two jobs are the same.
  const std::string path = "chat_template.jinja";
  try {
    load();
    FAIL() << "an unknown filter was accepted";
  } catch (const ChatTemplateError& error) {
    EXPECT_TRUE(std::string(error.what()).starts_with(path + ":2: unknown filter 'nope'")) << error.what();
    EXPECT_TRUE(is_user_error(error));
  }
  directory_.write("chat_template.jinja", std::string("\n\n{{ raise_exception('no') }}"));
  EXPECT_EQ(refusal(hello()), path + ":3: no");
}

TEST_F(ChatTemplateTest, MalformedFiles) {
  directory_.write("tokenizer_config.json", std::string(R"({"chat_template": 3})"));
  EXPECT_THROW(load(), FormatError);
  directory_.write("tokenizer_config.json", std::string(R"({"chat_template": [{"name": "default"}]})"));
  EXPECT_THROW(load(), FormatError);
  directory_.write("tokenizer_config.json", std::string(R"({"chat_template": "x", "bos_token": 1})"));
  EXPECT_THROW(load(), FormatError);
  std::filesystem::create_directory(directory_.path() / "chat_template.jinja");
  EXPECT_THROW(load(), IoError);
}

TEST_F(ChatTemplateTest, FromFileTakesTokensOfTheModel) {
  const test::TemporaryDirectory elsewhere;
  elsewhere.write("mine.jinja", std::string("{{ bos_token }}{{ messages[0].content }}"));
  directory_.write("tokenizer_config.json", std::string(R"({"bos_token": "<s>", "chat_template": "unused"})"));
  EXPECT_EQ(ChatTemplate::from_file(elsewhere.path() / "mine.jinja", directory_.path()).render(hello()), "<s>Hi");
  EXPECT_THROW(ChatTemplate::from_file(elsewhere.path() / "none.jinja", directory_.path()), IoError);
}

TEST_F(ChatTemplateTest, FingerprintCoversTextAndTokens) {
  directory_.write("chat_template.jinja", std::string("a"));
  directory_.write("tokenizer_config.json", std::string(R"({"bos_token": "<s>"})"));
  const Hash128 first = load().fingerprint();
  EXPECT_EQ(load().fingerprint(), first);
  directory_.write("chat_template.jinja", std::string("b"));
  const Hash128 other_text = load().fingerprint();
  EXPECT_NE(other_text, first);
  directory_.write("tokenizer_config.json", std::string(R"({"eos_token": "<s>"})"));
  EXPECT_NE(load().fingerprint(), other_text);
}

TEST_F(ChatTemplateTest, ThreadsRenderAtOnce) {
  directory_.write(
      "chat_template.jinja",
      std::string("{% set n = namespace(v=0) %}{% for i in range(500) %}{% set n.v = n.v + i %}{% endfor %}"
                  "{{ n.v }}{{ messages[0].content }}"));
  const ChatTemplate shared = load();
  std::vector<std::string> texts(8);
  std::vector<std::thread> threads;
  for (std::string& text : texts) threads.emplace_back([&] { text = shared.render(hello()); });
  for (std::thread& thread : threads) thread.join();
  for (const std::string& text : texts) EXPECT_EQ(text, "124750Hi");
}

}  // namespace
}  // namespace lockstep
