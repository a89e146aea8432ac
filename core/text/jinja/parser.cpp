#include "core/text/jinja/parser.h"

#include "core/text/jinja/attributes.h"
#include "core/text/jinja/filters.h"
#include "core/text/jinja/globals.h"
#include "core/text/jinja/lexer.h"

#include <algorithm>

namespace lockstep::jinja {
namespace {

void raise_height(Expression& expression, const ExpressionPtr& part) {
  if (!part) return;
  expression.height = std::max(expression.height, part->height + 1);
  if (expression.height > kMaxExpressionHeight)
    fail_at(expression.line, "an expression nested deeper than {}", kMaxExpressionHeight);
}

}  // namespace

Block parse(std::string_view source) {
  if (source.size() > kMaxSourceBytes)
    fail("a template of {} bytes; at most {} are accepted", source.size(), kMaxSourceBytes);
  return Parser(tokenize(source)).run();
}

ExpressionPtr make_expression(ExpressionKind kind, int line, std::vector<ExpressionPtr> operands) {
  auto made = std::make_unique<Expression>();
  made->kind = kind;
  made->line = line;
  made->operands = std::move(operands);
  for (const ExpressionPtr& operand : made->operands) raise_height(*made, operand);
  return made;
}

void set_arguments(Expression& expression, CallArguments arguments) {
  for (const ExpressionPtr& argument : arguments.positional) raise_height(expression, argument);
  for (const auto& [name, argument] : arguments.named) raise_height(expression, argument);
  raise_height(expression, arguments.rest);
  raise_height(expression, arguments.named_rest);
  expression.arguments = std::move(arguments);
}

Block Parser::run() {
  Block whole = block({});
  check_uses();
  return whole;
}

const Token& Parser::peek(std::size_t ahead) const { return tokens_[std::min(at_ + ahead, tokens_.size() - 1)]; }

Token Parser::take() {
  Token token = peek();
  if (at_ + 1 < tokens_.size()) ++at_;
  return token;
}

bool Parser::skip_name(const char* name) { return peek().is_name(name) ? (take(), true) : false; }
bool Parser::skip_operator(const char* symbol) { return peek().is_operator(symbol) ? (take(), true) : false; }

void Parser::expect_operator(const char* symbol) {
  if (!skip_operator(symbol)) unexpected(symbol);
}

void Parser::expect_name(const char* name) {
  if (!skip_name(name)) unexpected(name);
}

std::string Parser::expect_identifier(const char* what) {
  if (peek().kind != TokenKind::kName) unexpected(what);
  return take().text;
}

void Parser::expect(TokenKind kind) {
  if (peek().kind != kind) unexpected(describe({kind, 0, ""}).c_str());
  take();
}

void Parser::unexpected(const char* wanted) const {
  fail_at(peek().line, "{} where {} is expected", describe(peek()), wanted);
}

void Parser::check_uses() const {
  for (const Use& use : called_names_) {
    const bool is_known =
        is_global(use.name) || bound_.contains(use.name) || use.name == "caller" || use.name == "loop";
    if (!is_known) fail_at(use.line, "unknown function '{}'; known: {}", use.name, known_globals());
  }
  for (const Use& use : called_methods_)
    if (!is_known_method(use.name) && !bound_.contains(use.name))
      fail_at(use.line, "unknown method '{}'; known are those of Python's str, dict, list and tuple", use.name);
}

}  // namespace lockstep::jinja
