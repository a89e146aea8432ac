#include "launcher/eval/eval_rows.h"

#include "core/error.h"
#include "launcher/batch/input_source.h"
#include "launcher/batch/request_parser.h"
#include "launcher/batch/row_fault.h"
#include "launcher/batch/row_index.h"
#include "launcher/batch/strict_json.h"

#include <algorithm>
#include <array>
#include <limits>
#include <nlohmann/json.hpp>
#include <unordered_map>
#include <utility>

namespace lockstep {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kAnswer = "answer";
constexpr const char* kDistance = "distance";

/// The right answer of a row, as far as the row tells it.
struct Known {
  std::optional<std::string> answer;
  std::optional<int64_t> distance;
};

Known read_known(const Json& row, const std::string& where) {
  const JsonFields fields(row, where);
  return {fields.get_string(kAnswer), fields.get_integer(kDistance, 0, std::numeric_limits<int64_t>::max())};
}

// What the job's own parser knows: the row without answer and distance.
std::variant<Request, RowError> parse_bare(std::string_view line, Json& row, const RowPosition& position) {
  const bool has_more = row.contains(kAnswer) || row.contains(kDistance);
  row.erase(kAnswer);
  row.erase(kDistance);
  return has_more ? parse_request(row.dump(), position) : parse_request(line, position);
}

EvalRow parse_row(std::string_view line, const RowPosition& position) {
  const std::string where = fmt::format("line {}: ", position.line);
  Json row = parse_strict_json(line, where);
  const Known known = read_known(row, where);
  std::variant<Request, RowError> parsed = parse_bare(line, row, position);
  if (const auto* error = std::get_if<RowError>(&parsed)) throw RowFault(kInvalidValue, error->message);
  EvalRow result{std::move(std::get<Request>(parsed)), known.answer, known.distance};
  Request& request = result.request;
  if (request.prompts.size() > 1)
    throw RowFault(kInvalidValue, fmt::format("{}{} prompts; accepted: one", where, request.prompts.size()));
  request.n = 1;
  request.sampling = {};
  request.echo = request.lists_prompt_scores = false;
  return result;
}

/// Calls `visit` with every line of the file, as far as `most` of them (0 = all), and turns what it throws about a row
/// into a FormatError.
template <class Visit>
void for_each_row(const RowIndex& rows, int64_t most, Visit&& visit) {
  const int64_t count = most == 0 ? rows.size() : std::min(most, rows.size());
  for (int64_t row = 0; row < count; ++row) {
    try {
      visit(rows.read_line(row), RowPosition{rows.line_number(row), row});
    } catch (const RowFault& fault) {
      LS_THROW(FormatError, "{}: {}", rows.name(), fault.what());
    }
  }
}

void require_own_id(const RowIndex& rows, int64_t row) {
  const std::optional<int64_t> first = rows.first_with_same_id(row);
  LS_REQUIRE(FormatError, !first, "{}: line {}: custom_id is that of line {} already; each row needs its own",
             rows.name(), rows.line_number(row), rows.line_number(*first));
}

void add_answers(std::vector<EvalRow>& rows, const std::string& file) {
  std::unordered_map<std::string, EvalRow*> by_id;
  for (EvalRow& row : rows) by_id.emplace(row.request.custom_id, &row);
  const RowIndex lines{std::filesystem::path(file)};
  bool is_used = false;
  for_each_row(lines, 0, [&](const std::string& line, const RowPosition& position) {
    require_own_id(lines, position.index);
    const std::string where = fmt::format("line {}: ", position.line);
    const Json json = parse_strict_json(line, where);
    const JsonFields fields(json, where);
    const std::optional<std::string> id = fields.get_string("custom_id");
    if (!id) fields.refuse_missing("custom_id", "a string");
    Known known = read_known(json, where);
    if (!known.answer) fields.refuse_missing(kAnswer, "a string");
    const auto found = by_id.find(*id);
    if (found == by_id.end()) return;
    if (found->second->answer)
      throw RowFault(kInvalidValue, fmt::format("{}the row \"{}\" has an answer of its own", where, *id));
    found->second->answer = std::move(known.answer);
    found->second->distance = known.distance;
    is_used = true;
  });
  LS_REQUIRE(FormatError, is_used, "{}: none of the rows has an id that stands here", file);
}

std::string_view stripped(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

}  // namespace

std::vector<EvalRow> read_eval_rows(const std::filesystem::path& input, const std::string& answers, int64_t most,
                                    const std::filesystem::path& spool) {
  const InputSource source(input, spool);
  const RowIndex lines(source.file(), source.name());
  std::vector<EvalRow> rows;
  for_each_row(lines, most, [&](const std::string& line, const RowPosition& position) {
    require_own_id(lines, position.index);
    rows.push_back(parse_row(line, position));
  });
  if (!answers.empty()) add_answers(rows, answers);
  return rows;
}

std::optional<std::filesystem::path> find_held_out(const std::filesystem::path& model_directory) {
  for (const char* const name : {"held_out.jsonl", "held_out.jsonl.zst", "held_out.jsonl.gz"}) {
    std::error_code ignored;
    if (std::filesystem::exists(model_directory / name, ignored)) return model_directory / name;
  }
  return std::nullopt;
}

bool is_exact(std::string_view text, std::string_view answer) { return stripped(text) == stripped(answer); }

}  // namespace lockstep
