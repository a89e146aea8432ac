// Chat templates against what transformers and Jinja2 themselves give: tests/core/text/chat_templates/.
#include "core/error.h"
#include "core/text/chat_template.h"
#include "core/text/jinja/template.h"
#include "tests/core/text/text_test_support.h"

#include <ctime>
#include <gtest/gtest.h>
#include <iterator>

namespace lockstep {
namespace {

using Json = nlohmann::ordered_json;

const std::filesystem::path kFolder = std::filesystem::path(LOCKSTEP_SOURCE_DIR) / "tests/core/text/chat_templates";

std::string read_text(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  EXPECT_TRUE(stream.is_open()) << path;
  return {std::istreambuf_iterator<char>(stream), {}};
}

/// The fixtures' clock: 4 July 2026, 09:05:07.000123, wherever the test runs.
std::chrono::system_clock::time_point fixed_clock() {
  std::tm time{};
  time.tm_year = 126, time.tm_mon = 6, time.tm_mday = 4, time.tm_hour = 9, time.tm_min = 5, time.tm_sec = 7;
  time.tm_isdst = -1;
  return std::chrono::system_clock::from_time_t(std::mktime(&time)) + std::chrono::microseconds(123);
}

/// Compares one rendering with its fixture; the message of raise_exception() must be there to the letter.
template <typename Render>
void check(const Json& fixture, const std::string& what, Render render) {
  if (fixture.contains("expected")) {
    try {
      EXPECT_EQ(render(), fixture["expected"].get<std::string>()) << what;
    } catch (const Error& error) {
      ADD_FAILURE() << what << "\nthrew " << error.what() << "\nbut expected " << fixture["expected"];
    }
    return;
  }
  try {
    ADD_FAILURE() << what << "\ngave " << Json(render()) << "\nbut expected the error " << fixture["error"];
  } catch (const ChatTemplateError& error) {
    const std::string message = error.what();
    const bool is_raised = fixture["raised"].get<bool>();
    EXPECT_TRUE(!is_raised || message.ends_with(": " + fixture["error"].get<std::string>())) << what << "\n" << message;
  }
}

TEST(ChatTemplateFixtures, ConversationsRenderAsInTransformers) {
  const Json file = Json::parse(read_text(kFolder / "conversations.json"));
  std::map<std::string, ChatTemplate> templates;
  for (const auto& [family, tokens] : file["special_tokens"].items()) {
    const test::TemporaryDirectory directory;
    directory.write("tokenizer_config.json", tokens.dump());
    directory.write("chat_template.jinja", read_text(kFolder / (family + ".jinja")));
    templates.emplace(family, ChatTemplate::load(directory.path()).value());
  }
  for (const Json& fixture : file["fixtures"]) {
    const Json& given = file["cases"][fixture["case"].get<std::string>()];
    ChatTemplateInput input;
    input.messages = given["messages"];
    if (given.contains("tools")) input.tools = given["tools"];
    if (given.contains("extra")) input.extra = given["extra"];
    input.add_generation_prompt = given.value("add_generation_prompt", true);
    const std::string family = fixture["template"].get<std::string>();
    check(fixture, family + ", " + fixture["case"].get<std::string>(),
          [&] { return templates.at(family).render(input, fixed_clock); });
  }
  EXPECT_GE(file["fixtures"].size(), 500u);
}

TEST(ChatTemplateFixtures, SnippetsRenderAsInJinja) {
  const Json file = Json::parse(read_text(kFolder / "snippets.json"));
  for (const Json& fixture : file["fixtures"]) {
    const std::string source = fixture["template"].get<std::string>();
    Json variables = file["variables"];
    if (fixture.contains("variables")) variables.update(fixture["variables"]);
    check(fixture, source, [&] { return jinja::Template("snippet", source).render(variables, fixed_clock); });
  }
  EXPECT_GE(file["fixtures"].size(), 150u);
}

}  // namespace
}  // namespace lockstep
