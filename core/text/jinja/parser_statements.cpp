// Tags of a template.
#include "core/text/jinja/filters.h"
#include "core/text/jinja/parser.h"
#include "core/text/jinja/runtime.h"

#include <algorithm>

namespace lockstep::jinja {
namespace {

constexpr char kKnownTags[] = "break, call, continue, filter, for, generation, if, macro, print, raw, set, with";

constexpr std::size_t kMaxParameters = 255;

bool is_one_of(const Token& token, std::initializer_list<const char*> names) {
  return std::any_of(names.begin(), names.end(), [&](const char* name) { return token.is_name(name); });
}

}  // namespace

/// Up to one of the tags `ends`, of which only "{%" is passed; with no `ends`, up to the end of the template.
Block Parser::block(Ends ends) {
  const Runtime::Level level(depth_, kMaxExpressionHeight, "tags");
  Block result;
  for (;;) {
    const Token& token = peek();
    switch (token.kind) {
      case TokenKind::kEnd:
        if (ends.size() > 0) fail_at(token.line, "the template ends where {} is expected", fmt::join(ends, " or "));
        return result;
      case TokenKind::kText: {
        Statement text;
        text.line = token.line;
        text.text = take().text;
        result.push_back(std::move(text));
        break;
      }
      case TokenKind::kBeginVariable: {
        Statement print;
        print.kind = StatementKind::kPrint;
        print.line = take().line;
        print.expressions.push_back(tuple(true));
        expect(TokenKind::kEndVariable);
        result.push_back(std::move(print));
        break;
      }
      default:
        expect(TokenKind::kBeginBlock);
        if (is_one_of(peek(), ends)) return result;
        result.push_back(statement());
        expect(TokenKind::kEndBlock);
    }
  }
}

/// The rest of an opening tag and the block behind it.
Block Parser::tag_body(Ends ends) {
  skip_operator(":");
  expect(TokenKind::kEndBlock);
  return block(ends);
}

Statement Parser::statement() {
  const Token tag = peek();
  if (tag.kind != TokenKind::kName) unexpected("the name of a tag");
  Statement made;
  if (tag.text == "if")
    made = if_statement();
  else if (tag.text == "for")
    made = for_statement();
  else if (tag.text == "set")
    made = set_statement();
  else if (tag.text == "macro")
    made = macro_statement();
  else if (tag.text == "call")
    made = call_statement();
  else if (tag.text == "filter")
    made = filter_statement();
  else if (tag.text == "with")
    made = with_statement();
  else if (tag.text == "generation")
    made = generation_statement();
  else if (tag.text == "print")
    made = print_statement();
  else if (tag.text == "break" || tag.text == "continue")
    made = loop_control();
  else
    fail_at(tag.line, "unknown tag '{}'; known: {}", tag.text, kKnownTags);
  made.line = tag.line;
  return made;
}

Statement Parser::if_statement() {
  Statement made;
  made.kind = StatementKind::kIf;
  do {
    take();  // if, elif
    made.expressions.push_back(tuple(false));
    made.blocks.push_back(tag_body({"elif", "else", "endif"}));
  } while (peek().is_name("elif"));
  if (skip_name("else")) made.blocks.push_back(tag_body({"endif"}));
  expect_name("endif");
  return made;
}

Statement Parser::for_statement() {
  Statement made;
  made.kind = StatementKind::kFor;
  take();
  ++loops_;  // the loop's own names are inside of it: none may be `loop`
  made.targets.push_back(target(false));
  --loops_;
  expect_name("in");
  made.expressions.push_back(tuple(false));
  made.expressions.push_back(skip_name("if") ? expression() : nullptr);
  made.is_recursive = skip_name("recursive");
  ++loops_;
  made.blocks.push_back(tag_body({"endfor", "else"}));
  --loops_;
  made.blocks.emplace_back();
  if (skip_name("else")) made.blocks.back() = tag_body({"endfor"});
  expect_name("endfor");
  return made;
}

Statement Parser::set_statement() {
  Statement made;
  take();
  made.targets.push_back(target(true));
  if (skip_operator("=")) {
    made.kind = StatementKind::kSet;
    made.expressions.push_back(tuple(true));
    return made;
  }
  made.kind = StatementKind::kSetBlock;
  made.expressions.push_back(peek().is_operator("|") ? filter(nullptr) : nullptr);
  made.blocks.push_back(tag_body({"endset"}));
  expect_name("endset");
  return made;
}

Block Parser::macro_body(Statement& made, Ends ends) {
  const int outer_loops = std::exchange(loops_, 0);
  const MacroUses outer = std::exchange(uses_, {});
  Block body = tag_body(ends);
  made.uses = uses_;
  loops_ = outer_loops;
  uses_ = {outer.caller || uses_.caller, outer.varargs || uses_.varargs, outer.kwargs || uses_.kwargs};
  return body;
}

Statement Parser::macro_statement() {
  Statement made;
  made.kind = StatementKind::kMacro;
  const int line = take().line;
  made.text = expect_identifier("the name of a macro");
  bind(made.text, line);
  made.parameters = parameters();
  made.blocks.push_back(macro_body(made, {"endmacro"}));
  expect_name("endmacro");
  return made;
}

Statement Parser::call_statement() {
  Statement made;
  made.kind = StatementKind::kCall;
  take();
  if (peek().is_operator("(")) made.parameters = parameters();
  made.expressions.push_back(expression());
  if (made.expressions[0]->kind != ExpressionKind::kCall)
    fail_at(made.expressions[0]->line, "the tag call needs a call");
  made.blocks.push_back(macro_body(made, {"endcall"}));
  expect_name("endcall");
  return made;
}

Statement Parser::filter_statement() {
  Statement made;
  made.kind = StatementKind::kFilter;
  take();
  made.expressions.push_back(filter_chain());
  made.blocks.push_back(tag_body({"endfilter"}));
  expect_name("endfilter");
  return made;
}

Statement Parser::with_statement() {
  Statement made;
  made.kind = StatementKind::kWith;
  take();
  while (peek().kind != TokenKind::kEndBlock) {
    if (!made.targets.empty()) expect_operator(",");
    made.targets.push_back(target(false));
    expect_operator("=");
    made.expressions.push_back(expression());
  }
  made.blocks.push_back(tag_body({"endwith"}));
  expect_name("endwith");
  return made;
}

/// transformers' own tag: its block is printed as it is.
Statement Parser::generation_statement() {
  Statement made;
  made.kind = StatementKind::kScope;
  take();
  const int outer_loops = std::exchange(loops_, 0);
  made.blocks.push_back(tag_body({"endgeneration"}));
  loops_ = outer_loops;
  expect_name("endgeneration");
  return made;
}

Statement Parser::print_statement() {
  Statement made;
  made.kind = StatementKind::kPrint;
  take();
  while (peek().kind != TokenKind::kEndBlock) {
    if (!made.expressions.empty()) expect_operator(",");
    made.expressions.push_back(expression());
  }
  return made;
}

Statement Parser::loop_control() {
  Statement made;
  const Token tag = take();
  made.kind = tag.text == "break" ? StatementKind::kBreak : StatementKind::kContinue;
  if (loops_ == 0) fail_at(tag.line, "{} outside of a loop", tag.text);
  return made;
}

std::vector<Parameter> Parser::parameters() {
  std::vector<Parameter> made;
  expect_operator("(");
  while (!peek().is_operator(")")) {
    if (!made.empty()) expect_operator(",");
    const int line = peek().line;
    if (made.size() == kMaxParameters) fail_at(line, "more than {} parameters", kMaxParameters);
    Parameter parameter{expect_identifier("the name of a parameter"), nullptr};
    bind(parameter.name, line);
    for (const Parameter& other : made)
      if (other.name == parameter.name) fail_at(line, "two parameters named '{}'", parameter.name);
    if (skip_operator("="))
      parameter.fallback = expression();
    else if (!made.empty() && made.back().fallback)
      fail_at(line, "a parameter without a default behind one with a default");
    made.push_back(std::move(parameter));
  }
  expect_operator(")");
  return made;
}

/// `a`, `a, b`, `(a, b)`; with members also `namespace.a`.
ExpressionPtr Parser::target(bool with_members) {
  const int line = peek().line;
  std::vector<ExpressionPtr> parts;
  bool is_tuple = false;
  for (;;) {
    if (is_tuple && (peek().kind == TokenKind::kEndBlock || peek().is_operator(")") || peek().is_name("in") ||
                     peek().is_operator("=")))
      break;
    parts.push_back(single_target(with_members));
    if (!skip_operator(",")) break;
    is_tuple = true;
  }
  if (!is_tuple) return std::move(parts[0]);
  return make_expression(ExpressionKind::kTuple, line, std::move(parts));
}

ExpressionPtr Parser::single_target(bool with_members) {
  const Runtime::Level level(depth_, kMaxExpressionHeight, "targets");
  const int line = peek().line;
  if (skip_operator("(")) {
    ExpressionPtr inner = target(with_members);
    expect_operator(")");
    return inner;
  }
  const std::string name = expect_identifier("a name to assign to");
  auto made = make_expression(ExpressionKind::kName, line, {});
  made->name = name;
  if (with_members && skip_operator(".")) {
    std::vector<ExpressionPtr> owner;
    owner.push_back(std::move(made));
    made = make_expression(ExpressionKind::kMember, line, std::move(owner));
    made->name = expect_identifier("the name of an attribute");
    bound_.insert(made->name);
    return made;
  }
  bind(name, line);
  return made;
}

void Parser::bind(const std::string& name, int line) {
  for (const char* constant : {"true", "false", "none", "True", "False", "None"})
    if (name == constant) fail_at(line, "'{}' cannot be assigned to", name);
  if (name == "loop" && loops_ > 0) fail_at(line, "'loop' cannot be assigned to inside of a loop");
  bound_.insert(name);
}

}  // namespace lockstep::jinja
