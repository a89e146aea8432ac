// Literals, names, subscripts, calls, filters and tests.
#include "core/text/jinja/filters.h"
#include "core/text/jinja/parser.h"
#include "core/text/jinja/tests.h"

#include <charconv>

namespace lockstep::jinja {
namespace {

std::vector<ExpressionPtr> operand(ExpressionPtr only) {
  std::vector<ExpressionPtr> made;
  made.push_back(std::move(only));
  return made;
}

ExpressionPtr constant(Value value, int line) {
  ExpressionPtr made = make_expression(ExpressionKind::kConstant, line, {});
  made->constant = std::move(value);
  return made;
}

void require_filter(const std::string& name, int line) {
  if (!find_filter(name)) fail_at(line, "unknown filter '{}'; known: {}", name, known_filters());
}

void require_test(const std::string& name, int line) {
  if (!find_test(name)) fail_at(line, "unknown test '{}'; known: {}", name, known_tests());
}

/// Names of filters and tests that are arguments of map, select and their kin.
void check_named_argument(const Expression& filter) {
  const auto& given = filter.arguments.positional;
  const auto text = [&](std::size_t i) -> const std::string* {
    const bool is_text =
        i < given.size() && given[i]->kind == ExpressionKind::kConstant && given[i]->constant.is_string();
    return is_text ? &given[i]->constant.text() : nullptr;
  };
  const std::string* name = nullptr;
  if (filter.name == "map" && (name = text(0))) require_filter(*name, filter.line);
  if ((filter.name == "select" || filter.name == "reject") && (name = text(0))) require_test(*name, filter.line);
  if ((filter.name == "selectattr" || filter.name == "rejectattr") && (name = text(1)))
    require_test(*name, filter.line);
}

}  // namespace

ExpressionPtr Parser::primary() {
  const Token token = peek();
  switch (token.kind) {
    case TokenKind::kName: {
      take();
      if (token.text == "true" || token.text == "True") return constant(Value(true), token.line);
      if (token.text == "false" || token.text == "False") return constant(Value(false), token.line);
      if (token.text == "none" || token.text == "None") return constant(Value(), token.line);
      ExpressionPtr name = make_expression(ExpressionKind::kName, token.line, {});
      name->name = token.text;
      uses_.caller |= token.text == "caller";
      uses_.varargs |= token.text == "varargs";
      uses_.kwargs |= token.text == "kwargs";
      return name;
    }
    case TokenKind::kString: {
      std::string text;
      while (peek().kind == TokenKind::kString) text += take().text;  // adjacent literals are one
      return constant(Value(std::move(text)), token.line);
    }
    case TokenKind::kInteger:
    case TokenKind::kFloat: return number();
    default:
      if (token.is_operator("(")) return parenthesised();
      if (token.is_operator("[")) return list();
      if (token.is_operator("{")) return dict();
      unexpected("an expression");
  }
}

ExpressionPtr Parser::number() {
  const Token token = take();
  const std::string& digits = token.text;
  if (token.kind == TokenKind::kFloat) return constant(Value(std::strtod(digits.c_str(), nullptr)), token.line);
  const char prefix = digits.size() > 2 ? static_cast<char>(digits[1] | 0x20) : '\0';
  const int base = prefix == 'x' ? 16 : prefix == 'o' ? 8 : prefix == 'b' ? 2 : 10;
  int64_t value = 0;
  const char* begin = digits.data() + (base == 10 ? 0 : 2);
  if (std::from_chars(begin, digits.data() + digits.size(), value, base).ec != std::errc())
    fail_at(token.line, "the integer {} is beyond 64 bits", digits);
  return constant(Value(value), token.line);
}

ExpressionPtr Parser::parenthesised() {
  const int line = take().line;
  if (skip_operator(")")) return make_expression(ExpressionKind::kTuple, line, {});
  ExpressionPtr inner = tuple(true);
  expect_operator(")");
  return inner;
}

ExpressionPtr Parser::list() {
  const int line = take().line;
  std::vector<ExpressionPtr> items;
  while (!peek().is_operator("]")) {
    if (!items.empty()) expect_operator(",");
    if (peek().is_operator("]")) break;
    items.push_back(expression());
  }
  expect_operator("]");
  return make_expression(ExpressionKind::kList, line, std::move(items));
}

ExpressionPtr Parser::dict() {
  const int line = take().line;
  std::vector<ExpressionPtr> items;
  while (!peek().is_operator("}")) {
    if (!items.empty()) expect_operator(",");
    if (peek().is_operator("}")) break;
    items.push_back(expression());
    expect_operator(":");
    items.push_back(expression());
  }
  expect_operator("}");
  return make_expression(ExpressionKind::kDict, line, std::move(items));
}

ExpressionPtr Parser::postfix(ExpressionPtr operand) {
  for (;;) {
    if (peek().is_operator(".") || peek().is_operator("["))
      operand = subscript(std::move(operand));
    else if (peek().is_operator("("))
      operand = call(std::move(operand));
    else
      return operand;
  }
}

ExpressionPtr Parser::filters_and_tests(ExpressionPtr operand) {
  for (;;) {
    if (peek().is_operator("|"))
      operand = filter(std::move(operand));
    else if (peek().is_name("is"))
      operand = test(std::move(operand));
    else if (peek().is_operator("("))
      operand = call(std::move(operand));
    else
      return operand;
  }
}

ExpressionPtr Parser::subscript(ExpressionPtr owner) {
  const Token token = take();
  if (token.is_operator(".")) {
    if (peek().kind == TokenKind::kInteger) {
      ExpressionPtr index = number();
      std::vector<ExpressionPtr> parts = operand(std::move(owner));
      parts.push_back(std::move(index));
      return make_expression(ExpressionKind::kItem, token.line, std::move(parts));
    }
    ExpressionPtr made = make_expression(ExpressionKind::kAttribute, token.line, operand(std::move(owner)));
    made->name = expect_identifier("a name or a number");
    return made;
  }
  // [index], or [start:stop:step] of which each part may be missing
  std::vector<ExpressionPtr> parts = operand(std::move(owner));
  bool is_slice = false;
  parts.push_back(peek().is_operator(":") ? nullptr : expression());
  while (parts.size() < 4 && skip_operator(":")) {
    is_slice = true;
    parts.push_back(peek().is_operator(":") || peek().is_operator("]") ? nullptr : expression());
  }
  if (is_slice) parts.resize(4);
  expect_operator("]");
  return make_expression(is_slice ? ExpressionKind::kSlice : ExpressionKind::kItem, token.line, std::move(parts));
}

ExpressionPtr Parser::call(ExpressionPtr function) {
  const int line = peek().line;
  if (function->kind == ExpressionKind::kName) called_names_.push_back({function->name, line});
  if (function->kind == ExpressionKind::kAttribute) called_methods_.push_back({function->name, line});
  const bool makes_namespace = function->kind == ExpressionKind::kName && function->name == "namespace";
  ExpressionPtr made = make_expression(ExpressionKind::kCall, line, operand(std::move(function)));
  set_arguments(*made, call_arguments());
  if (makes_namespace)
    for (const auto& [name, value] : made->arguments.named) bound_.insert(name);
  return made;
}

/// One or more `| name(…)`; the first is applied to `operand`, or to a captured block where that is null.
ExpressionPtr Parser::filter(ExpressionPtr operand) {
  while (skip_operator("|")) {
    const int line = peek().line;
    const std::string name = expect_identifier("the name of a filter");
    require_filter(name, line);
    std::vector<ExpressionPtr> parts;
    parts.push_back(std::move(operand));
    operand = make_expression(ExpressionKind::kFilter, line, std::move(parts));
    operand->name = name;
    if (peek().is_operator("(")) set_arguments(*operand, call_arguments());
    check_named_argument(*operand);
  }
  return operand;
}

/// The filters of a filter block: the first stands without its bar.
ExpressionPtr Parser::filter_chain() {
  const int line = peek().line;
  const std::string name = expect_identifier("the name of a filter");
  require_filter(name, line);
  std::vector<ExpressionPtr> captured;
  captured.push_back(nullptr);
  ExpressionPtr first = make_expression(ExpressionKind::kFilter, line, std::move(captured));
  first->name = name;
  if (peek().is_operator("(")) set_arguments(*first, call_arguments());
  check_named_argument(*first);
  return filter(std::move(first));
}

ExpressionPtr Parser::test(ExpressionPtr subject) {
  const int line = take().line;
  const bool is_negated = skip_name("not");
  const std::string name = expect_identifier("the name of a test");
  require_test(name, line);
  ExpressionPtr made = make_expression(ExpressionKind::kTest, line, operand(std::move(subject)));
  made->name = name;
  const Token& next = peek();
  const bool has_operand =
      next.kind == TokenKind::kString || next.kind == TokenKind::kInteger || next.kind == TokenKind::kFloat ||
      next.is_operator("[") || next.is_operator("{") ||
      (next.kind == TokenKind::kName && !next.is_name("else") && !next.is_name("or") && !next.is_name("and"));
  if (next.is_operator("(")) {
    set_arguments(*made, call_arguments());
  } else if (has_operand) {
    if (next.is_name("is")) fail_at(next.line, "a test behind a test");
    CallArguments arguments;
    arguments.positional.push_back(postfix(primary()));
    set_arguments(*made, std::move(arguments));
  }
  return is_negated ? make_expression(ExpressionKind::kNot, line, operand(std::move(made))) : std::move(made);
}

CallArguments Parser::call_arguments() {
  CallArguments made;
  const int line = peek().line;
  expect_operator("(");
  bool is_first = true;
  const auto require = [&](bool holds) {
    if (!holds) fail_at(line, "arguments in an order that a call does not take");
  };
  while (!peek().is_operator(")")) {
    if (!is_first) expect_operator(",");
    is_first = false;
    if (peek().is_operator(")")) break;
    if (skip_operator("*")) {
      require(!made.rest && !made.named_rest);
      made.rest = expression();
    } else if (skip_operator("**")) {
      require(!made.named_rest);
      made.named_rest = expression();
    } else if (peek().kind == TokenKind::kName && peek(1).is_operator("=")) {
      require(!made.named_rest);
      std::string name = take().text;
      take();
      made.named.emplace_back(std::move(name), expression());
    } else {
      require(!made.rest && !made.named_rest && made.named.empty());
      made.positional.push_back(expression());
    }
  }
  expect_operator(")");
  return made;
}

}  // namespace lockstep::jinja
