#include "launcher/replay/trace_reader.h"

#include "core/checkpoint/model_config.h"
#include "core/error.h"
#include "launcher/batch/file.h"
#include "launcher/batch/line_scanner.h"
#include "launcher/batch/prompt_encoder.h"
#include "launcher/batch/request_parser.h"
#include "launcher/batch/row_fault.h"
#include "launcher/batch/row_index.h"
#include "launcher/batch/strict_json.h"
#include "launcher/text_model.h"

#include <fcntl.h>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>
#include <span>
#include <vector>

namespace lockstep {
namespace {

using Json = nlohmann::ordered_json;

File open_trace(const std::filesystem::path& file) {
  LS_REQUIRE(IoError, !is_no_file(file), "cannot read '{}': not a regular file", file.string());
  return File(file, O_RDONLY);
}

/// Calls `visit` with the text of each line that is not blank, its number, and "FILE: line N: " for messages; what it
/// throws about a row becomes a FormatError.
void for_each_row(const std::filesystem::path& file,
                  const std::function<void(std::string_view, int64_t, const std::string&)>& visit) {
  const File input = open_trace(file);
  int64_t line_number = 0;
  for_each_line(input, RowIndex::kMaxLineBytes, [&](const ScannedLine& line) {
    ++line_number;
    if (line.is_blank) return;
    const std::string where = fmt::format("{}: line {}: ", file.string(), line_number);
    LS_REQUIRE(FormatError, line.bytes <= RowIndex::kMaxLineBytes, "{}{} bytes; accepted: at most {}", where,
               line.bytes, RowIndex::kMaxLineBytes);
    try {
      visit(line.text, line_number, where);
    } catch (const RowFault& fault) {
      LS_THROW(FormatError, "{}", fault.what());
    }
  });
}

void read_block_line(std::string_view text, const std::string& where, RequestTrace& trace, std::vector<uint64_t>& ids) {
  constexpr std::string_view kAccepted = "an array of integers from 0 to 2^63 - 1";
  const auto form = [] { return fmt::format("; a line looks like {}", kTraceLineForm); };
  try {
    const Json row = parse_strict_json(text, where);
    const JsonFields fields(row, where);
    for (const char* key : {"timestamp", "input_length", "output_length"}) {
      fields.get_number(key, 0.0, std::numeric_limits<double>::max(), "a number of at least 0");
    }
    const Json* blocks = fields.find("hash_ids");
    if (blocks == nullptr) fields.refuse_missing("hash_ids", kAccepted);
    if (!blocks->is_array()) fields.refuse("hash_ids", kAccepted);
    ids.clear();
    for (const Json& id : *blocks) {
      if (!id.is_number_unsigned() || id.get<uint64_t>() > uint64_t{std::numeric_limits<int64_t>::max()}) {
        throw RowFault(kInvalidValue, fmt::format("{}hash_ids[{}] is {}; accepted: an integer from 0 to 2^63 - 1",
                                                  where, ids.size(), show_json(id)));
      }
      ids.push_back(id.get<uint64_t>());
    }
  } catch (const RowFault& fault) {
    LS_THROW(FormatError, "{}{}", fault.what(), form());
  }
  trace.add_request(ids);
}

void require_requests(const RequestTrace& trace, const std::filesystem::path& file) {
  LS_REQUIRE(FormatError, trace.num_requests() > 0, "{}: no requests; a line looks like {}", file.string(),
             kTraceLineForm);
  LS_REQUIRE(FormatError, trace.num_accesses() > 0, "{}: no request has a block", file.string());
}

}  // namespace

RequestTrace read_block_trace(const std::filesystem::path& file) {
  RequestTrace trace;
  std::vector<uint64_t> ids;
  for_each_row(file, [&](std::string_view text, int64_t, const std::string& where) {
    read_block_line(text, where, trace, ids);
  });
  require_requests(trace, file);
  return trace;
}

RequestTrace read_batch_trace(const std::filesystem::path& file, const std::string& model, int64_t page_tokens) {
  const ModelConfig config = read_model_config(model);
  const TextModel text_model(model, config, {});
  const PromptEncoder encoder(*text_model.tokenizer, config,
                              text_model.chat_template ? &*text_model.chat_template : nullptr, config.max_positions);
  RequestTrace trace;
  std::vector<uint64_t> ids;
  int64_t index = 0;
  for_each_row(file, [&](std::string_view text, int64_t line_number, const std::string&) {
    auto row = parse_request(text, {.line = line_number, .index = index++}, {.defaults = text_model.defaults});
    if (const auto* error = std::get_if<RowError>(&row)) LS_THROW(FormatError, "{}: {}", file.string(), error->message);
    auto& request = std::get<Request>(row);
    std::vector<std::vector<TokenId>> prompts;
    try {
      prompts = encoder.encode(request);
    } catch (const RowFault& fault) {
      LS_THROW(FormatError, "{}: line {}: {}", file.string(), line_number, fault.what());
    }
    for (const auto& prompt : prompts) {
      ids.clear();
      const auto page = static_cast<size_t>(page_tokens);
      for (size_t begin = 0; begin + page <= prompt.size(); begin += page) {
        ids.push_back(hash128(std::as_bytes(std::span(prompt).subspan(begin, page))).low);
      }
      for (int32_t choice = 0; choice < request.n; ++choice) trace.add_request(ids);
    }
  });
  require_requests(trace, file);
  return trace;
}

bool is_block_trace(const std::filesystem::path& file) {
  const File input = open_trace(file);
  struct Found {
    bool is_trace;
  };
  try {
    for_each_line(input, RowIndex::kMaxLineBytes, [&](const ScannedLine& line) {
      if (line.is_blank) return;
      const Json row = Json::parse(line.text, nullptr, false);
      throw Found{row.is_object() && row.contains("hash_ids")};
    });
  } catch (const Found& found) {
    return found.is_trace;
  }
  return false;
}

}  // namespace lockstep
