// The parsed template: expressions and statements, as plain data. Immutable once parsed, so threads may share it.
#pragma once

#include "core/text/jinja/operators.h"
#include "core/text/jinja/value.h"

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace lockstep::jinja {

struct Expression;
using ExpressionPtr = std::unique_ptr<Expression>;

enum class ExpressionKind : uint8_t {
  kConstant,     // constant
  kName,         // name
  kList,         // operands
  kTuple,        // operands
  kDict,         // operands: key, value, key, value, …
  kAttribute,    // operands[0].name
  kItem,         // operands[0][operands[1]]
  kSlice,        // operands[0][operands[1]:operands[2]:operands[3]], each but the first may be null
  kCall,         // operands[0](arguments)
  kFilter,       // operands[0]|name(arguments); null operand: what a filter block or set block captured
  kTest,         // operands[0] is name(arguments)
  kNot,          // operands[0]
  kNegate,       // operands[0]
  kPlus,         // operands[0]
  kBinary,       // operands[0] binary operands[1]
  kConcatenate,  // operands, joined by ~
  kCompare,      // operands[0] comparisons[0] operands[1] comparisons[1] …
  kAnd,          // operands[0] and operands[1]
  kOr,           // operands[0] or operands[1]
  kConditional,  // operands[0] if operands[1] else operands[2], which may be null
  kMember,       // target only: namespace `operands[0]`, attribute `name`
};

/// Arguments of a call, a filter or a test, still to be evaluated.
struct CallArguments {
  std::vector<ExpressionPtr> positional;
  std::vector<std::pair<std::string, ExpressionPtr>> named;
  ExpressionPtr rest;        // *rest
  ExpressionPtr named_rest;  // **named_rest
};

struct Expression {
  ExpressionKind kind = ExpressionKind::kConstant;
  int line = 0;
  int height = 1;  // of the tree below
  Value constant;
  std::string name;
  BinaryOperator binary = BinaryOperator::kAdd;
  std::vector<Comparison> comparisons;
  std::vector<ExpressionPtr> operands;
  CallArguments arguments;
};

struct Statement;
using Block = std::vector<Statement>;

struct Parameter {
  std::string name;
  ExpressionPtr fallback;  // null: undefined if not given
};

/// Which of a macro's implicit variables its body names: what a call may pass beyond the parameters.
struct MacroUses {
  bool caller = false, varargs = false, kwargs = false;
};

enum class StatementKind : uint8_t {
  kText,      // text
  kPrint,     // expressions, one after the other
  kIf,        // expressions[i] decides on blocks[i]; one block more than expressions is the else
  kFor,       // targets[0] in expressions[0], if expressions[1] (may be null); blocks: body, else
  kSet,       // targets[0] = expressions[0]
  kSetBlock,  // targets[0] = blocks[0], through the filters of expressions[0] (may be null)
  kMacro,     // text(parameters): blocks[0]
  kCall,      // expressions[0], a call, with blocks[0] as caller(parameters)
  kFilter,    // blocks[0] through expressions[0]
  kWith,      // targets[i] = expressions[i] inside blocks[0]
  kScope,     // blocks[0] in a scope of its own: {% generation %}
  kBreak,
  kContinue,
};

struct Statement {
  StatementKind kind = StatementKind::kText;
  int line = 0;
  bool is_recursive = false;  // kFor
  MacroUses uses;             // kMacro, kCall
  std::string text;
  std::vector<ExpressionPtr> targets;
  std::vector<ExpressionPtr> expressions;
  std::vector<Parameter> parameters;
  std::vector<Block> blocks;
};

}  // namespace lockstep::jinja
