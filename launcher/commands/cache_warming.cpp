#include "launcher/commands/cache_warming.h"

#include "core/error.h"
#include "core/log.h"
#include "launcher/batch/chat_date.h"
#include "launcher/batch/job_watch.h"
#include "launcher/batch/row_fault.h"

#include <chrono>
#include <iostream>
#include <thread>
#include <utility>

namespace lockstep {
namespace {

constexpr int64_t kMaxFailuresTold = 5;

}  // namespace

CacheWarming::CacheWarming(Session& session, const WarmSettings& settings, const RowIndex* rows,
                           const std::string& chat_date, std::unique_ptr<WorkCounter> counter,
                           std::unique_ptr<Mailbox> mailbox)
    : session_(session),
      settings_(settings),
      rows_(rows),
      counter_(std::move(counter)),
      mailbox_(std::move(mailbox)),
      stop_(*counter_) {
  if (!session.topology().is_leader()) return;
  const TextModel& text = session.text();
  finished_.resize(static_cast<size_t>(rows_->size()));
  source_.emplace(
      *rows_, *counter_, finished_, ParseOptions{.defaults = text.defaults, .lenient = settings.lenient},
      [this](const RowError& error) { fail(error); }, [this] { return look(); });
  encoder_.emplace(*text.tokenizer, session.checkpoint().config(), text.chat_template ? &*text.chat_template : nullptr,
                   session.sizing().engine.max_sequence, clock_of(chat_date));
  if (!session.is_root()) return;
  replicas_.resize(static_cast<size_t>(session.topology().dp()));
  progress_.emplace(std::cerr, Progress::Options{.rows_total = rows_->size(),
                                                 .is_terminal = stderr_is_terminal(),
                                                 .plain_interval = std::chrono::seconds(settings.progress_seconds)});
}

int CacheWarming::run() {
  Engine& engine = session_.engine();
  JobWatch watch(session_, stop_, looks_, settings_.step_timeout_seconds, "What is in the store stays good");
  for (bool goes_on = true; goes_on;) {
    goes_on = false;
    if (session_.topology().is_leader()) {
      goes_on = run_round();
      engine.stop();  // makes the round's pages durable
    } else {
      engine.follow([&] { stop_.announce(); });
    }
    goes_on = session_.group().all_reduce_max(goes_on ? 1 : 0) != 0;
  }
  const bool reports = session_.topology().is_leader() && !session_.is_root();
  if (reports) send_row(*mailbox_, {.leader = session_.topology().replica(), .gauges = {}});
  return watch.finish([&] {
    wait_for_other_leaders();
    progress_->finish(counts_);
    return counts_.rows_done < rows_->size();
  });
}

// False if no row is left, or the job is to stop.
bool CacheWarming::run_round() {
  Engine& engine = session_.engine();
  const bool has_more = fill_round();
  while (engine.has_work()) {
    for (const SampledToken& sampled : engine.step()) take(sampled);
    if (look()) continue;
    abandon_all();
    return false;
  }
  return has_more;
}

// Hands the engine as many prompts as its pool holds to their ends; true if there are more.
bool CacheWarming::fill_round() {
  Engine& engine = session_.engine();
  for (int64_t pages = 0; has_prompt(); prepared_.pop_front()) {
    Prompt& prompt = prepared_.front();
    pages += static_cast<int64_t>(prompt.tokens.size()) / engine.config().page_tokens + 1;
    if (pages > engine.config().num_slots && !open_.empty()) return true;
    open_.emplace(engine.add(std::move(prompt.tokens), /*max_new_tokens=*/1, SamplingParams{}), prompt.row);
  }
  return false;
}

// Draws rows until there is one to compute; false if none is left, or the job is to stop.
bool CacheWarming::has_prompt() {
  while (prepared_.empty()) {
    std::optional<Request> request = look() ? source_->next() : std::nullopt;
    if (!request) return false;
    prepare(std::move(*request));
  }
  return true;
}

void CacheWarming::prepare(Request request) {
  const auto row = std::make_shared<Row>();
  row->index = request.index;
  try {
    for (std::vector<TokenId>& tokens : encoder_->encode(request)) {
      ++row->num_open;
      row->num_prompt_tokens += static_cast<int64_t>(tokens.size());
      prepared_.push_back({row, std::move(tokens)});
    }
  } catch (const RowFault& fault) {
    fail({request.index, request.custom_id, std::string(fault.code()), fault.what()});
  }
}

void CacheWarming::take(const SampledToken& sampled) {
  const auto found = open_.find(sampled.sequence);
  LS_CHECK(found != open_.end(), "a token for sequence {}, which has ended", sampled.sequence.value());
  const std::shared_ptr<Row> row = found->second;
  open_.erase(found);
  session_.engine().finish(sampled.sequence);
  row->is_finite = row->is_finite && sampled.token;
  if (--row->num_open > 0) return;
  if (!row->is_finite)
    return fail({row->index, "", std::string(kLogitsNotFinite), "the model's logits are not finite"});
  deliver(row->index, RowKind::kResult, "", row->num_prompt_tokens);
}

void CacheWarming::abandon_all() {
  for (const auto& [sequence, row] : open_) session_.engine().finish(sequence);
  open_.clear();
  prepared_.clear();
}

// After every step and row. False if the job is to stop.
bool CacheWarming::look() {
  ++looks_;
  if (!session_.is_root()) {
    mailbox_->advance();
  } else {
    while (receive()) {}
    ProgressGauges sum;
    const Engine& engine = session_.engine();
    replicas_[0] = {engine.num_running(), engine.num_waiting(), engine.cache_slots_used()};
    for (const LeaderGauges& replica : replicas_) {
      sum.running += replica.running;
      sum.waiting += replica.waiting;
      sum.used_pages += replica.used_pages;
    }
    sum.total_pages = static_cast<int64_t>(replicas_.size()) * engine.config().num_slots;
    progress_->update(counts_, sum);
  }
  return !stop_.is_stopping();
}

void CacheWarming::fail(const RowError& error) {
  deliver(error.index, RowKind::kError, fmt::format("{} ({})", error.message, error.code), 0);
}

void CacheWarming::deliver(int64_t row, RowKind kind, std::string line, int64_t prompt_tokens) {
  const Engine& engine = session_.engine();
  const RowMessage message{.leader = session_.topology().replica(),
                           .gauges = {engine.num_running(), engine.num_waiting(), engine.cache_slots_used()},
                           .has_row = true,
                           .row = row,
                           .kind = kind,
                           .prompt_tokens = prompt_tokens,
                           .line = std::move(line)};
  session_.is_root() ? count(message) : send_row(*mailbox_, message);
}

void CacheWarming::count(const RowMessage& message) {
  ++counts_.rows_done;
  counts_.prompt_tokens += message.prompt_tokens;
  if (message.kind != RowKind::kError) return;
  if (++counts_.rows_failed <= kMaxFailuresTold)
    log_warn("row {} cannot be computed: {}", message.row + 1, message.line);
  if (counts_.rows_failed == kMaxFailuresTold) log_warn("more such rows will be counted only");
}

bool CacheWarming::receive() {
  const std::optional<RowMessage> message = receive_row(*mailbox_);
  if (!message) return false;
  replicas_[static_cast<size_t>(message->leader)] = message->gauges;
  if (message->has_row)
    count(*message);
  else
    ++leaders_done_;
  return true;
}

void CacheWarming::wait_for_other_leaders() {
  while (leaders_done_ < session_.topology().dp() - 1) {
    if (!receive()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    stop_.announce();
    progress_->update(counts_, {});
  }
}

}  // namespace lockstep
