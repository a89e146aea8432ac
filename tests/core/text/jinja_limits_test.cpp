// Templates that ask for too much or cannot be parsed: an error that names the place, never a crash or a hang.
#include "core/error.h"
#include "core/text/jinja/template.h"

#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <iterator>
#include <nlohmann/json.hpp>
#include <random>

namespace lockstep {
namespace {

using Json = nlohmann::ordered_json;

std::string render(const std::string& source, const Json& variables = Json::object()) {
  return jinja::Template("t.jinja", source).render(variables, std::chrono::system_clock::now);
}

/// What rendering fails with; "" and a test failure if it does not.
std::string error_of(const std::string& source) {
  try {
    ADD_FAILURE() << source.substr(0, 200) << "\ngave " << render(source).substr(0, 200);
  } catch (const ChatTemplateError& error) {
    return error.what();
  }
  return "";
}

std::string repeated(const std::string& text, int times) {
  std::string result;
  for (int i = 0; i < times; ++i) result += text;
  return result;
}

struct Case {
  std::string source, message;
};

TEST(JinjaLimits, NameWhatWasExceeded) {
  const Case cases[] = {
      {"{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}",
       "takes more than 10000000 steps"},
      {"{{ range(100001) }}", "a range of more than 100000 numbers"},
      {"{{ range(-9223372036854775807, 9223372036854775807) }}", "a range of more than 100000 numbers"},
      {"{{ 'a' * 67108865 }}", "a string repeated 67108865 times"},
      {"{% set n = namespace(s='aaaaaaaa') %}{% for i in range(100) %}{% set n.s = n.s ~ n.s %}{% endfor %}", "bytes"},
      {"{% set n = namespace(s=[0]) %}{% for i in range(100) %}{% set n.s = n.s + n.s %}{% endfor %}", "steps"},
      {"{% set a = 'x' * 1000000 %}{% for i in range(1000) %}{{ a }}{% endfor %}",
       "an output of more than 67108864 bytes"},
      {"{% set n = namespace(v=1) %}{% for i in range(300) %}{% set n.v = [n.v] %}{% endfor %}",
       "values nested deeper than 200"},
      {"{% set n = namespace(v=1) %}{% for i in range(300) %}{% set n.v = {'k': n.v} %}{% endfor %}",
       "values nested deeper than 200"},
      {"{% set n = namespace(v=[1]) %}{% for i in range(300) %}{% set n.v = [n.v.copy] %}{% endfor %}",
       "values nested deeper than 200"},
      {"{% set n = namespace(v=1) %}{% for i in range(150) %}{% set n.v = [n.v, n.v] %}{% endfor %}{{ n.v }}", "steps"},
      {"{% set n = namespace(v=1) %}{% for i in range(150) %}{% set n.v = [n.v, n.v] %}{% endfor %}{{ n.v | tojson }}",
       "steps"},
      {"{% set n = namespace(v=1, w=1) %}{% for i in range(150) %}{% set n.v = [n.v, n.v] %}{% set n.w = [n.w, n.w] "
       "%}{% endfor %}{{ n.v == n.w }}",
       "steps"},
      {"{% set n = namespace(v=1) %}{% for i in range(150) %}{% set n.v = (n.v, n.v) %}{% endfor %}{{ {n.v: 1} }}",
       "steps"},
      {"{% set n = namespace(v=1) %}{% for i in range(14) %}{% set n.v = (n.v, n.v) %}{% endfor %}{{ {n.v: 1} }}",
       "cannot be a key"},
      {"{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "calls nested deeper than 200"},
      {"{% for i in [1] recursive %}{{ loop([1]) }}{% endfor %}", "calls nested deeper than 200"},
      {"{% macro m() %}{% set n.f = m2 %}{% endmacro %}{% set n = namespace() %}{% macro m2() %}{% macro i() %}{{ "
       "n.f() }}{% endmacro %}{% set n.f = i %}{{ i() }}{% endmacro %}{{ m2() }}",
       "nested deeper than"},
      {"{{ " + repeated("(", 100000) + "1" + repeated(")", 100000) + " }}", "nested deeper than"},
      {"{{ " + repeated("[", 100000), "nested deeper than"},
      {"{{ 1" + repeated(" + 1", 100000) + " }}", "nested deeper than 200"},
      {"{{ x" + repeated(".a", 100000) + " }}", "nested deeper than 200"},
      {"{{ x" + repeated("|list", 100000) + " }}", "nested deeper than 200"},
      {"{{ " + repeated("not ", 100000) + "1 }}", "nested deeper than 200"},
      {"{{ " + repeated("-", 100000) + "1 }}", "nested deeper than 200"},
      {repeated("{% if 1 %}", 100000), "nested deeper than 200"},
      {"{% set " + repeated("(", 100000) + "a", "nested deeper than 200"},
      {"{% set a = 'x' * 60000000 %}{% for i in range(100000) %}{{ a | length }}{{ {}.get(a) }}{% endfor %}", "steps"},
      {"{% set a = 'x' * 6000000 %}{% set b = 'x' * 3000000 ~ 'y' %}{% for i in range(1000) %}{{ b in a }}{% endfor %}",
       "steps"},
      {"{% set a = 'x' * 6000000 %}{{ a.rfind('x' * 3000000 ~ 'y') }}", "steps"},
      {"{% set a = 'x' * 6000000 %}{{ a.strip('y' * 3000000 ~ 'x') }}", "steps"},
      {"{{ '%1000000d' % 1 }}", "width"},
      {"{{ '{:1000000}'.format(1) }}", "width"},
      {"{{ 'a' | center(1000000) }}", "width"},
      {"{{ 'aaaa'.replace('', 'b' * 60000000) }}", "bytes"},
      {"{{ 'a\na\na' | indent('x' * 60000000) }}", "bytes"},
      {"{{ (['x' * 60000000] * 3) | join }}", "bytes"},
      {"{{ [[1]] | tojson(indent='x' * 60000000) }}", "bytes"},
      {repeated("x", (4 << 20) + 1), "at most 4194304 are accepted"},
  };
  for (const Case& one : cases)
    EXPECT_NE(error_of(one.source).find(one.message), std::string::npos) << one.source.substr(0, 200) << "\n"
                                                                         << error_of(one.source);
}

TEST(JinjaLimits, IntegersStayIn64Bits) {
  for (const char* source :
       {"{{ 9223372036854775808 }}", "{{ 9223372036854775807 + 1 }}", "{{ -9223372036854775807 - 2 }}", "{{ 3 ** 41 }}",
        "{{ 9223372036854775807 * 2 }}", "{{ (-9223372036854775807 - 1) // -1 }}", "{{ -(-9223372036854775807 - 1) }}",
        "{{ 1e300 | int }}", "{{ '99999999999999999999' | int }}", "{{ (-9223372036854775807 - 1) | abs }}"})
    EXPECT_NE(error_of(source).find("64 bits"), std::string::npos) << source;
  EXPECT_EQ(render("{{ (-9223372036854775807 - 1) % -1 }} {{ -9223372036854775807 - 1 }}"), "0 -9223372036854775808");
  EXPECT_THROW(render("{{ x }}", Json{{"x", uint64_t{1} << 63}}), ChatTemplateError);
}

TEST(JinjaRefusals, NameConstructAndLineAtLoad) {
  const Case cases[] = {
      {"a\nb\n{{ x | foo }}", "t.jinja:3: unknown filter 'foo'; known: abs, attr, batch"},
      {"\n{{ x | map('foo') }}", "t.jinja:2: unknown filter 'foo'"},
      {"\n{{ x is foo }}", "t.jinja:2: unknown test 'foo'; known: !=, <"},
      {"{{ x | selectattr('a', 'foo') }}", "t.jinja:1: unknown test 'foo'"},
      {"{{ x | select('foo') }}", "t.jinja:1: unknown test 'foo'"},
      {"\n\n{% include 'x' %}", "t.jinja:3: unknown tag 'include'; known: break, call"},
      {"{% import 'x' as y %}", "unknown tag 'import'"},
      {"{% extends 'x' %}", "unknown tag 'extends'"},
      {"{% block x %}{% endblock %}", "unknown tag 'block'"},
      {"{% do x %}", "unknown tag 'do'"},
      {"{% if no %}\n{{ lipsum() }}{% endif %}", "t.jinja:2: unknown function 'lipsum'; known: dict, namespace"},
      {"{% if no %}{{ x.encode() }}{% endif %}", "t.jinja:1: unknown method 'encode'"},
      {"{{ x", "t.jinja:1: the end of the template where '}}' is expected"},
      {"\n{% if x %}\n", "t.jinja:2: the template ends where elif or else or endif is expected"},
      {"{% if x %}{% endfor %}", "unknown tag 'endfor'"},
      {"\n{# x", "t.jinja:2: a comment without its #}"},
      {"{% break %}", "break outside of a loop"},
      {"{% for i in x %}{% macro m() %}{% break %}{% endmacro %}{% endfor %}", "break outside of a loop"},
      {"{{ '\\ud83d' }}", "names no character"},
      {"\xff", "not valid UTF-8"},
  };
  for (const Case& one : cases) {
    try {
      const jinja::Template parsed("t.jinja", one.source);
      ADD_FAILURE() << one.source << " was accepted";
    } catch (const ChatTemplateError& error) {
      EXPECT_NE(std::string(error.what()).find(one.message), std::string::npos) << error.what();
    }
  }
}

TEST(JinjaRefusals, ErrorsWhileRenderingNameTheLine) {
  EXPECT_EQ(error_of("a\n{% if true %}\n{{ raise_exception('no ' ~ 3) }}{% endif %}"), "t.jinja:3: no 3");
  EXPECT_EQ(error_of("\n\n{{ missing.name }}"), "t.jinja:3: 'missing' is undefined");
  EXPECT_EQ(error_of("{% macro m(a) %}\n{{ a.b.c }}{% endmacro %}\n{{ m({}) }}"),
            "t.jinja:2: 'dict object' has no attribute 'b'");
  EXPECT_EQ(error_of("{{ [].append(1) }}"), "t.jinja:1: list.append() is not allowed: values cannot be changed");
}

TEST(JinjaLimits, NamespacesThatHoldThemselvesAreFreed) {
  EXPECT_EQ(render("{% set n = namespace() %}{% set n.self = [n] %}{% macro m() %}{% endmacro %}{% set n.m = m %}ok"),
            "ok");
}

class JinjaFuzz : public testing::Test {
 protected:
  static void accept_any_outcome(const std::string& source) {
    try {
      static const Json kVariables =
          Json::parse(R"({"bos_token": "<s>", "eos_token": "</s>", "tools": [{"type": "function",
          "function": {"name": "f", "parameters": {"properties": {"a": {"type": "string"}}}}}], "add_generation_prompt": true,
          "messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "Ü"}, {"role": "assistant",
          "content": "a", "tool_calls": [{"id": "123456789", "function": {"name": "f", "arguments": {"a": 1}}}]}]})");
      render(source, kVariables);
    } catch (const ChatTemplateError&) {}
  }

  static std::vector<std::string> sources() {
    std::vector<std::string> texts;
    const auto folder = std::filesystem::path(LOCKSTEP_SOURCE_DIR) / "tests/core/text/chat_templates";
    for (const char* family : {"llama_3_1", "qwen_3", "mistral_nemo", "gemma_3"}) {
      std::ifstream stream(folder / (std::string(family) + ".jinja"), std::ios::binary);
      texts.emplace_back(std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>());
      EXPECT_FALSE(texts.back().empty()) << family;
    }
    return texts;
  }
};

TEST_F(JinjaFuzz, EveryPrefixGivesATextOrAnError) {
  for (const std::string& source : sources())
    for (std::size_t end = 0; end <= source.size(); ++end) accept_any_outcome(source.substr(0, end));
}

TEST_F(JinjaFuzz, ChangedBytesGiveATextOrAnError) {
  constexpr std::string_view kLikely = "{}%#-+()[]|.,:'\"\\~*/ \n019azis";
  std::mt19937 random(7);
  for (const std::string& source : sources()) {
    for (int round = 0; round < 400; ++round) {
      std::string changed = source;
      for (unsigned edit = 0; edit < 1 + random() % 4; ++edit) {
        const std::size_t at = random() % changed.size();
        const char byte = random() % 8 == 0 ? static_cast<char>(random()) : kLikely[random() % kLikely.size()];
        switch (random() % 3) {
          case 0: changed[at] = byte; break;
          case 1: changed.insert(at, 1, byte); break;
          default: changed.erase(at, 1 + random() % 5);
        }
      }
      accept_any_outcome(changed);
    }
  }
}

}  // namespace
}  // namespace lockstep
