// Operators, by rising precedence: if-else, or, and, not, comparisons, + -, ~, * / // %, **, unary.
#include "core/text/jinja/parser.h"
#include "core/text/jinja/runtime.h"

namespace lockstep::jinja {
namespace {

std::vector<ExpressionPtr> operands(ExpressionPtr first, ExpressionPtr second = nullptr) {
  std::vector<ExpressionPtr> made;
  made.push_back(std::move(first));
  if (second) made.push_back(std::move(second));
  return made;
}

template <typename Operator>
struct Symbol {
  const char* text;
  Operator meaning;
};
constexpr Symbol<Comparison> kComparisons[] = {{"==", Comparison::kEqual},  {"!=", Comparison::kNotEqual},
                                               {"<", Comparison::kLess},    {"<=", Comparison::kLessEqual},
                                               {">", Comparison::kGreater}, {">=", Comparison::kGreaterEqual}};
constexpr Symbol<BinaryOperator> kSums[] = {{"+", BinaryOperator::kAdd}, {"-", BinaryOperator::kSubtract}};
constexpr Symbol<BinaryOperator> kProducts[] = {{"*", BinaryOperator::kMultiply},
                                                {"/", BinaryOperator::kDivide},
                                                {"//", BinaryOperator::kFloorDivide},
                                                {"%", BinaryOperator::kModulo}};
constexpr Symbol<BinaryOperator> kPowers[] = {{"**", BinaryOperator::kPower}};

template <typename Operator, std::size_t kCount>
const Symbol<Operator>* find(const Symbol<Operator> (&symbols)[kCount], const Token& token) {
  for (const Symbol<Operator>& symbol : symbols)
    if (token.is_operator(symbol.text)) return &symbol;
  return nullptr;
}

}  // namespace

bool Parser::ends_tuple() const {
  return peek().kind == TokenKind::kEndVariable || peek().kind == TokenKind::kEndBlock || peek().is_operator(")") ||
         peek().is_name("recursive");
}

/// One expression, or several with commas, which make a tuple.
ExpressionPtr Parser::tuple(bool with_conditional) {
  const int line = peek().line;
  std::vector<ExpressionPtr> items;
  items.push_back(expression(with_conditional));
  bool is_tuple = false;
  while (skip_operator(",")) {
    is_tuple = true;
    if (ends_tuple()) break;
    items.push_back(expression(with_conditional));
  }
  if (!is_tuple) return std::move(items[0]);
  return make_expression(ExpressionKind::kTuple, line, std::move(items));
}

ExpressionPtr Parser::expression(bool with_conditional) {
  const Runtime::Level level(depth_, kMaxExpressionHeight, "expressions");
  return with_conditional ? conditional() : disjunction();
}

ExpressionPtr Parser::conditional() {
  const Runtime::Level level(depth_, kMaxExpressionHeight, "expressions");
  const int line = peek().line;
  ExpressionPtr result = disjunction();
  while (skip_name("if")) {
    std::vector<ExpressionPtr> parts = operands(std::move(result), disjunction());
    parts.push_back(skip_name("else") ? conditional() : nullptr);
    result = make_expression(ExpressionKind::kConditional, line, std::move(parts));
  }
  return result;
}

ExpressionPtr Parser::disjunction() {
  const int line = peek().line;
  ExpressionPtr left = conjunction();
  while (skip_name("or")) {
    std::vector<ExpressionPtr> both = operands(std::move(left), conjunction());
    left = make_expression(ExpressionKind::kOr, line, std::move(both));
  }
  return left;
}

ExpressionPtr Parser::conjunction() {
  const int line = peek().line;
  ExpressionPtr left = negation();
  while (skip_name("and")) {
    std::vector<ExpressionPtr> both = operands(std::move(left), negation());
    left = make_expression(ExpressionKind::kAnd, line, std::move(both));
  }
  return left;
}

ExpressionPtr Parser::negation() {
  const Runtime::Level level(depth_, kMaxExpressionHeight, "expressions");
  const int line = peek().line;
  if (!skip_name("not")) return comparison();
  return make_expression(ExpressionKind::kNot, line, operands(negation()));
}

ExpressionPtr Parser::comparison() {
  const int line = peek().line;
  std::vector<ExpressionPtr> parts = operands(sum());
  std::vector<Comparison> comparisons;
  for (;;) {
    if (const auto* symbol = find(kComparisons, peek())) {
      take();
      comparisons.push_back(symbol->meaning);
    } else if (skip_name("in")) {
      comparisons.push_back(Comparison::kIn);
    } else if (peek().is_name("not") && peek(1).is_name("in")) {
      take();
      take();
      comparisons.push_back(Comparison::kNotIn);
    } else {
      break;
    }
    parts.push_back(sum());
  }
  if (comparisons.empty()) return std::move(parts[0]);
  ExpressionPtr made = make_expression(ExpressionKind::kCompare, line, std::move(parts));
  made->comparisons = std::move(comparisons);
  return made;
}

template <typename Symbols, typename Next>
ExpressionPtr Parser::left_associative(const Symbols& symbols, Next next) {
  const int line = peek().line;
  ExpressionPtr left = (this->*next)();
  while (const auto* symbol = find(symbols, peek())) {
    take();
    std::vector<ExpressionPtr> both = operands(std::move(left), (this->*next)());
    left = make_expression(ExpressionKind::kBinary, line, std::move(both));
    left->binary = symbol->meaning;
  }
  return left;
}

ExpressionPtr Parser::sum() { return left_associative(kSums, &Parser::concatenation); }
ExpressionPtr Parser::product() { return left_associative(kProducts, &Parser::power); }
ExpressionPtr Parser::power() { return left_associative(kPowers, &Parser::filtered); }
ExpressionPtr Parser::filtered() { return unary(true); }

ExpressionPtr Parser::concatenation() {
  const int line = peek().line;
  std::vector<ExpressionPtr> parts = operands(product());
  while (skip_operator("~")) parts.push_back(product());
  if (parts.size() == 1) return std::move(parts[0]);
  return make_expression(ExpressionKind::kConcatenate, line, std::move(parts));
}

ExpressionPtr Parser::unary(bool with_filters) {
  const Runtime::Level level(depth_, kMaxExpressionHeight, "expressions");
  const int line = peek().line;
  ExpressionPtr made;
  if (skip_operator("-"))
    made = make_expression(ExpressionKind::kNegate, line, operands(unary(false)));
  else if (skip_operator("+"))
    made = make_expression(ExpressionKind::kPlus, line, operands(unary(false)));
  else
    made = primary();
  made = postfix(std::move(made));
  return with_filters ? filters_and_tests(std::move(made)) : std::move(made);
}

}  // namespace lockstep::jinja
