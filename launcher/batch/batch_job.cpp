#include "launcher/batch/batch_job.h"

#include "core/trace.h"
#include "launcher/batch/chat_date.h"
#include "launcher/batch/job_manifest.h"
#include "launcher/batch/job_watch.h"
#include "launcher/batch/row_fault.h"
#include "launcher/batch/shared_rows.h"
#include "launcher/commands/command.h"
#include "launcher/phase.h"

#include <chrono>
#include <thread>
#include <utility>

namespace lockstep {

BatchJob::BatchJob(Session& session, const JobSettings& settings, std::unique_ptr<WorkCounter> counter,
                   std::unique_ptr<Mailbox> mailbox, MetricsExporter* metrics)
    : session_(session),
      settings_(settings),
      counter_(std::move(counter)),
      mailbox_(std::move(mailbox)),
      stop_(*counter_),
      model_name_(std::filesystem::weakly_canonical(session.settings().model.path).filename().string()) {
  open_files(metrics);
}

void BatchJob::open_files(MetricsExporter* metrics) {
  Communicator& world = session_.world();
  std::string input_file, input_name;
  run_phase(world, kExitFailure, [&] {
    if (!session_.is_root()) return;
    store_ = std::make_unique<JobStore>(settings_, metrics);
    input_file = store_->input_file().string();
    input_name = store_->input_name();
  });
  rows_ = open_shared_rows(session_, input_file, input_name);
  const Notes notes = make_notes(session_);
  run_phase(world, kExitFailure, [&] {
    if (!session_.topology().is_leader()) return;
    formatter_.emplace(*session_.text().tokenizer, model_name_, settings_.report_cached_tokens);
    if (!session_.is_root()) return;
    chat_date_ = store_->chat_date();
    store_->open_journal(*rows_, make_manifest(session_, settings_, rows_->digest(), model_name_, chat_date_), notes);
    finished_ = store_->finished_rows();
  });
  finished_ = broadcast_bytes(world, finished_, Rank(0));
  chat_date_ = broadcast_text(world, chat_date_);
}

int BatchJob::run() {
  Engine& engine = session_.engine();
  JobWatch watch(session_, stop_, looks_, settings_.step_timeout_seconds,
                 "Finished rows are safe: give the same command again");
  if (session_.topology().is_leader()) {
    lead();
    engine.stop();
    if (session_.is_root()) store_->set_figures(session_.topology().replica(), figures_of(engine));
  } else {
    engine.follow([&] { stop_.announce(); });
  }
  const int signal = watch.finish([&] {
    wait_for_other_leaders();
    return store_->num_finished() < store_->num_rows();
  });
  if (session_.is_root()) store_->finish(signal != 0 ? "stopped" : "running");
  return signal;
}

void BatchJob::lead() {
  if (session_.is_root())
    store_->start(session_.topology().dp(), session_.topology().dp() * session_.sizing().engine.num_slots);
  const TextModel& text = session_.text();
  const ModelConfig& model = session_.checkpoint().config();
  const auto fail = [&](const RowError& error) { deliver(error.index, RowKind::kError, format_error(error), 0, 0); };
  RowSource source(*rows_, *counter_, finished_,
                   {.job_seed = settings_.seed,
                    .defaults = text.defaults,
                    .lenient = settings_.lenient,
                    .return_token_ids = settings_.return_token_ids},
                   fail, [&] { return step_done(counts_); });
  const PromptEncoder encoder(*text.tokenizer, model, text.chat_template ? &*text.chat_template : nullptr,
                              session_.sizing().engine.max_sequence, clock_of(chat_date_));
  const EngineConfig& engine = session_.sizing().engine;
  GenerationLoop loop(
      session_.engine(), *text.tokenizer, model, encoder,
      settings_.effective_window(engine.max_sequences, engine.order == ScheduleOrder::kReuse),
      {.next =
           [&] {
             const HostSpan span(session_.runtime().context().tracer, "next row");
             return stop_.is_stopping() ? std::nullopt : source.next();
           },
       .answered =
           [&](const Request& request, const Result& result) {
             finished_generated_tokens_ += result.num_generated_tokens();
             std::string line = formatter_->format(request, result);
             if (static_cast<int64_t>(line.size()) > kMaxPayloadBytes)
               return fail({request.index, request.custom_id, std::string(kResultTooLong),
                            fmt::format("the result line has {} bytes; at most {}", line.size(), kMaxPayloadBytes)});
             deliver(request.index, RowKind::kResult, std::move(line), result.num_prompt_tokens(),
                     result.num_generated_tokens());
           },
       .failed = fail,
       .goes_on = [&](const GenerationCounts& counts) { return step_done(counts); }});
  loop.run();
  counts_ = loop.counts();
  if (!session_.is_root())
    send_row(*mailbox_, {.leader = session_.topology().replica(),
                         .gauges = gauges(),
                         .has_row = false,
                         .figures = figures_of(session_.engine())});
}

bool BatchJob::step_done(const GenerationCounts& counts) {
  ++looks_;
  counts_ = counts;
  if (!session_.is_root()) {
    mailbox_->advance();
  } else {
    while (receive()) {}
    store_->set_gauges(session_.topology().replica(), gauges());
    if (store_->wants_figures()) store_->set_figures(session_.topology().replica(), figures_of(session_.engine()));
    store_->show(counts.generated_tokens - finished_generated_tokens_);
  }
  return !stop_.is_stopping();
}

LeaderGauges BatchJob::gauges() const {
  const Engine& engine = session_.engine();
  return {engine.num_running(), engine.num_waiting(), engine.cache_slots_used()};
}

std::optional<EngineFigures> BatchJob::figures_if_due() {
  constexpr std::chrono::seconds kInterval{1};
  const auto now = std::chrono::steady_clock::now();
  if (session_.is_root() || now - last_figures_ < kInterval) return std::nullopt;
  last_figures_ = now;
  return figures_of(session_.engine());
}

void BatchJob::deliver(int64_t row, RowKind kind, std::string line, int64_t prompt_tokens, int64_t generated_tokens) {
  const HostSpan span(session_.runtime().context().tracer, session_.is_root() ? "journal" : "send row");
  const RowMessage message{session_.topology().replica(),
                           gauges(),
                           true,
                           row,
                           kind,
                           prompt_tokens,
                           generated_tokens,
                           std::move(line),
                           figures_if_due()};
  session_.is_root() ? store_->store(message) : send_row(*mailbox_, message);
}

bool BatchJob::receive() {
  const std::optional<RowMessage> message = receive_row(*mailbox_);
  if (!message) return false;
  store_->set_gauges(message->leader, message->gauges);
  if (message->figures) store_->set_figures(message->leader, *message->figures);
  if (message->has_row)
    store_->store(*message);
  else
    ++leaders_done_;
  return true;
}

void BatchJob::wait_for_other_leaders() {
  while (leaders_done_ < session_.topology().dp() - 1) {
    if (!receive()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    stop_.announce();
    store_->show(0);
  }
}

void BatchJob::finalize() {
  run_phase(session_.world(), kExitFailure, [&] {
    if (session_.is_root()) store_->finalize();
  });
}

}  // namespace lockstep
