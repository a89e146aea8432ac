#include "launcher/eval/evaluation.h"

#include "core/error.h"
#include "core/log.h"
#include "launcher/batch/chat_date.h"
#include "launcher/batch/input_source.h"
#include "launcher/eval/text_windows.h"

#include <algorithm>
#include <cmath>
#include <fcntl.h>
#include <span>
#include <unistd.h>
#include <utility>

namespace lockstep {
namespace {

constexpr const char* kNotFinite = "the model's logits are not finite numbers";

std::string read_text(const std::string& path) {
  const File file(path, O_RDONLY);
  LS_REQUIRE(IoError, file.is_regular(), "text = '{}': not a regular file", path);
  std::string text(static_cast<size_t>(file.bytes()), '\0');
  file.read(std::as_writable_bytes(std::span(text)), 0);
  LS_REQUIRE(FormatError, !text.empty(), "text = '{}': the file is empty", path);
  return text;
}

std::filesystem::path input_of(const EvalSettings& settings, const std::filesystem::path& model_directory) {
  if (!settings.input.empty() || !settings.text.empty()) return settings.input;
  const std::optional<std::filesystem::path> held_out = find_held_out(model_directory);
  LS_REQUIRE(ConfigError, held_out,
             "give --input FILE or --text FILE: '{}' has no set of its own (held_out.jsonl, .jsonl.zst or .jsonl.gz)",
             model_directory.string());
  return *held_out;
}

// Each KV head counts once, whatever ranks have copies of it.
double bytes_per_token(const Session& session) {
  const KvLayout layout = session.engine().kv_layout();
  return static_cast<double>(layout.head_bytes() * session.checkpoint().config().num_kv_heads) /
         static_cast<double>(layout.page_tokens);
}

std::optional<TokenId> bos_of(const Session& session) {
  const std::optional<TokenId> of_tokenizer = session.text().tokenizer->bos_token();
  return of_tokenizer ? of_tokenizer : session.checkpoint().config().bos_token;
}

// Since `before`.
PagesRead pages_read(const Session& session, const SelectionTotals& before) {
  const SelectionTotals now = session.engine().selection_totals();
  return {now.pages_read - before.pages_read, now.pages_there - before.pages_there};
}

void note(std::string& failure, const std::string& message) {
  if (failure.empty()) failure = message;
}

}  // namespace

Evaluation::Evaluation(const EvalSettings& settings, const std::filesystem::path& model_directory)
    : settings_(settings),
      temporary_(settings.temporary.empty() ? std::filesystem::temp_directory_path()
                                            : std::filesystem::path(settings.temporary)),
      date_(today()) {
  const std::filesystem::path input = input_of(settings, model_directory);
  input_ = input.string();
  if (!input_.empty())
    rows_ = read_eval_rows(input, settings.answers, settings.rows,
                           spool_path(temporary_ / fmt::format("lockstep-eval-{}", ::getpid())));
  if (!settings.text.empty()) content_ = read_text(settings.text);
}

void Evaluation::prepare(const Session& session) {
  const ModelConfig& model = session.checkpoint().config();
  LS_REQUIRE(ConfigError, is_first() || model.vocab_size == *vocab_size_,
             "the model's vocabulary has {} tokens, the first setting's {}", model.vocab_size, *vocab_size_);
  if (is_first() && !content_.empty()) cut_text(session);
  int64_t longest = 0;
  for (const Reference* reference : {&answers_, &windows_}) {
    for (const ForcedSequence& one : reference->sequences)
      longest = std::max(longest, static_cast<int64_t>(one.prompt.size() + one.tokens.size()));
  }
  const int64_t most = session.engine().config().max_sequence;
  LS_REQUIRE(ConfigError, longest <= most,
             "model.max_sequence = {} here; answers or windows of {} tokens are to be compared", most, longest);
}

void Evaluation::cut_text(const Session& session) {
  const int64_t most = session.engine().config().max_sequence;
  LS_REQUIRE(ConfigError, settings_.window <= most, "window = {}: model.max_sequence = {}", settings_.window, most);
  std::vector<TokenId> tokens = session.text().tokenizer->encode(content_, /*add_special_tokens=*/false);
  if (settings_.tokens > 0) tokens.resize(std::min(tokens.size(), static_cast<size_t>(settings_.tokens)));
  windows_.sequences =
      cut_windows(tokens, bos_of(session), settings_.window == 0 ? most : settings_.window, settings_.context);
  LS_REQUIRE(ConfigError, !windows_.sequences.empty(), "text = '{}': its {} tokens leave none to be scored",
             settings_.text, tokens.size());
}

SettingFigures Evaluation::run(Session& session) {
  const bool is_reference = is_first();
  vocab_size_ = session.checkpoint().config().vocab_size;
  SettingFigures figures;
  figures.bytes_per_token = bytes_per_token(session);
  if (!rows_.empty()) figures.rows = run_rows(session, is_reference, figures.first_failure);
  if (!content_.empty()) figures.text = run_text(session, is_reference, figures.first_failure);
  return figures;
}

RowFigures Evaluation::run_rows(Session& session, bool is_reference, std::string& failure) {
  // Long enough that the last answers of a part, computed in ever smaller batches, take little of its time.
  const int64_t most = std::max<int64_t>(256, 4 * session.engine().config().max_sequences);
  const SelectionTotals before = session.engine().selection_totals();
  RowFigures figures;
  figures.rows = static_cast<int64_t>(rows_.size());
  for (int64_t begin = 0; begin < figures.rows; begin += most) {
    run_part(session, {begin, std::min(begin + most, figures.rows)}, is_reference, figures, failure);
    log_info("{} of {} rows, answered in {:.1f} s", std::min(begin + most, figures.rows), figures.rows,
             figures.seconds);
  }
  figures.pages = pages_read(session, before);
  return figures;
}

void Evaluation::run_part(Session& session, Range part, bool is_reference, RowFigures& figures, std::string& failure) {
  const auto first_row = static_cast<size_t>(part.begin);
  const std::span<const EvalRow> rows = std::span(rows_).subspan(first_row, static_cast<size_t>(part.size()));
  const RowAnswers answers = answer_rows(session, rows, clock_of(date_));
  figures.tokens += answers.num_tokens;
  figures.seconds += answers.seconds;
  if (is_reference) take_reference_rows(part, answers);
  std::vector<bool> failed(rows.size());
  const auto fail = [&](size_t row, const std::string& message) {
    failed[row] = true;
    note(failure, fmt::format("row \"{}\": {}", rows[row].request.custom_id, message));
  };
  for (size_t i = 0; i < rows.size(); ++i) {
    const EvalRow& row = rows[i];
    const RowAnswer& answer = answers.rows[i];
    if (!answer.error.empty()) fail(i, answer.error);
    if (!row.answer) continue;
    const bool exact = answer.error.empty() && is_exact(answer.text, *row.answer);
    figures.score.add(exact);
    if (row.distance) figures.by_bucket[*row.distance / settings_.bucket].add(exact);
  }
  const auto place = [&](int64_t row) {
    return std::lower_bound(row_of_answer_.begin(), row_of_answer_.end(), row) - row_of_answer_.begin();
  };
  const Range sequences{place(part.begin), place(part.end)};
  const Compared compared = compare(session, answers_, sequences, is_reference);
  for (size_t i = 0; i < compared.divergence.size(); ++i) {
    const size_t sequence = static_cast<size_t>(sequences.begin) + i;
    const auto all = static_cast<size_t>(row_of_answer_[sequence]);
    const RowAnswer& answer = answers.rows[all - first_row];
    figures.forced_tokens += static_cast<int64_t>(answers_.sequences[sequence].tokens.size());
    figures.same.add(answer.error.empty() && answer.text == texts_[all]);
    figures.divergence.add(compared.divergence[i]);
    if (compared.pass.failed[i] && !failed[all - first_row]) fail(all - first_row, kNotFinite);
  }
  figures.failed += std::count(failed.begin(), failed.end(), true);
}

TextFigures Evaluation::run_text(Session& session, bool is_reference, std::string& failure) {
  if (is_reference) add_places(windows_);
  const auto count = static_cast<int64_t>(windows_.sequences.size());
  const SelectionTotals before = session.engine().selection_totals();
  const Compared compared = compare(session, windows_, {0, count}, is_reference);
  log_info("{} windows of text read in {:.1f} s", count, compared.pass.seconds);
  TextFigures figures;
  figures.windows = count;
  figures.seconds = compared.pass.seconds;
  figures.pages = pages_read(session, before);
  for (size_t i = 0; i < windows_.sequences.size(); ++i) {
    if (compared.pass.failed[i]) {
      ++figures.failed;
      note(failure, fmt::format("window {}: {}", i + 1, kNotFinite));
      continue;
    }
    figures.tokens += static_cast<int64_t>(windows_.sequences[i].tokens.size());
    figures.nats += compared.nats[i];
    figures.divergence.add(compared.divergence[i]);
  }
  return figures;
}

void Evaluation::take_reference_rows(Range part, const RowAnswers& answers) {
  for (size_t i = 0; i < answers.rows.size(); ++i) {
    const RowAnswer& answer = answers.rows[i];
    texts_.push_back(answer.text);
    if (answer.tokens.empty()) continue;  // failed, or asked for no token
    answers_.sequences.push_back({answer.prompt, answer.tokens});
    row_of_answer_.push_back(part.begin + static_cast<int64_t>(i));
  }
  add_places(answers_);
}

// Of sequences that have none yet.
void Evaluation::add_places(Reference& reference) const {
  for (size_t i = reference.first_place.size(); i < reference.sequences.size(); ++i) {
    reference.first_place.push_back(reference.num_places);
    reference.num_places += static_cast<int64_t>(reference.sequences[i].tokens.size());
  }
  if (!reference.logits) reference.logits.emplace(temporary_, *vocab_size_);
  reference.logits->grow(reference.num_places);
}

Evaluation::Compared Evaluation::compare(Session& session, Reference& reference, Range sequences,
                                         bool is_reference) const {
  const auto first = static_cast<size_t>(sequences.begin), count = static_cast<size_t>(sequences.size());
  const std::span<const ForcedSequence> forced = std::span(reference.sequences).subspan(first, count);
  Compared compared{std::vector<DivergenceSum>(count), std::vector<double>(count), {}};
  const auto visit = [&](size_t sequence, size_t index, std::span<const float> logits) {
    const int64_t place = reference.first_place[first + sequence] + static_cast<int64_t>(index);
    const auto token = static_cast<size_t>(forced[sequence].tokens[index].value());
    compared.nats[sequence] += log_sum_exp(logits) - static_cast<double>(logits[token]);
    if (is_reference) {
      reference.logits->write(place, logits);
    } else {
      compared.divergence[sequence].add(reference.logits->read(place), logits);
    }
  };
  compared.pass = run_forced(session.engine(), forced, visit);
  const auto failed = std::find(compared.pass.failed.begin(), compared.pass.failed.end(), true);
  LS_REQUIRE(FormatError, !is_reference || failed == compared.pass.failed.end(),
             "{} under the first setting, with which others would be compared", kNotFinite);
  return compared;
}

}  // namespace lockstep
