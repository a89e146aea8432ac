// From tokens to the parsed template, with Jinja2's grammar; refuses what this interpreter does not know.
#pragma once

#include "core/text/jinja/ast.h"
#include "core/text/jinja/token.h"

#include <initializer_list>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep::jinja {

/// Throws Fault, with the line, for malformed templates and for unknown tags, filters, tests, functions and methods.
Block parse(std::string_view source);

/// Implementation of parse(): recursive descent. Used once.
class Parser {
 public:
  explicit Parser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}
  Block run();

 private:
  using Ends = std::initializer_list<const char*>;

  // parser.cpp: tokens, and the checks once all is read
  const Token& peek(std::size_t ahead = 0) const;
  Token take();
  bool skip_name(const char* name);
  bool skip_operator(const char* symbol);
  void expect_operator(const char* symbol);
  void expect_name(const char* name);
  std::string expect_identifier(const char* what);
  void expect(TokenKind kind);
  [[noreturn]] void unexpected(const char* wanted) const;
  void check_uses() const;

  // parser_statements.cpp
  Block block(Ends ends);
  Block tag_body(Ends ends);
  Statement statement();
  Statement if_statement();
  Statement for_statement();
  Statement set_statement();
  Statement macro_statement();
  Statement call_statement();
  Statement filter_statement();
  Statement with_statement();
  Statement generation_statement();
  Statement print_statement();
  Statement loop_control();
  std::vector<Parameter> parameters();
  ExpressionPtr target(bool with_members);
  ExpressionPtr single_target(bool with_members);
  void bind(const std::string& name, int line);

  // parser_expressions.cpp
  ExpressionPtr tuple(bool with_conditional);
  ExpressionPtr expression(bool with_conditional = true);
  ExpressionPtr conditional();
  ExpressionPtr disjunction();
  ExpressionPtr conjunction();
  ExpressionPtr negation();
  ExpressionPtr comparison();
  ExpressionPtr sum();
  ExpressionPtr concatenation();
  ExpressionPtr product();
  ExpressionPtr power();
  ExpressionPtr filtered();
  template <typename Symbols, typename Next>
  ExpressionPtr left_associative(const Symbols& symbols, Next next);
  ExpressionPtr unary(bool with_filters);

  // parser_primaries.cpp
  ExpressionPtr primary();
  ExpressionPtr number();
  ExpressionPtr parenthesised();
  ExpressionPtr list();
  ExpressionPtr dict();
  ExpressionPtr postfix(ExpressionPtr operand);
  ExpressionPtr filters_and_tests(ExpressionPtr operand);
  ExpressionPtr subscript(ExpressionPtr operand);
  ExpressionPtr call(ExpressionPtr operand);
  ExpressionPtr filter(ExpressionPtr operand);
  ExpressionPtr filter_chain();
  ExpressionPtr test(ExpressionPtr operand);
  CallArguments call_arguments();
  bool ends_tuple() const;

  // parser_statements.cpp
  Block macro_body(Statement& made, Ends ends);

  struct Use {
    std::string name;
    int line;
  };

  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  int depth_ = 0;                    // of nested tags and expressions being parsed
  int loops_ = 0;                    // open loops that break and continue can mean
  MacroUses uses_;                   // by the macro being parsed
  std::set<std::string> bound_;      // names and attributes that the template itself sets
  std::vector<Use> called_names_;    // name(…)
  std::vector<Use> called_methods_;  // ….name(…)
};

/// A node over `operands`. Throws Fault where the tree gets too high.
ExpressionPtr make_expression(ExpressionKind kind, int line, std::vector<ExpressionPtr> operands);
/// Accounts for arguments in the height.
void set_arguments(Expression& expression, CallArguments arguments);

}  // namespace lockstep::jinja
