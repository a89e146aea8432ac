#include "launcher/batch/batch_job.h"

#include "core/log.h"
#include "launcher/batch/result_format.h"
#include "launcher/commands/command.h"
#include "launcher/phase.h"

#include <chrono>
#include <cstring>
#include <iostream>
#include <thread>
#include <utility>

namespace lockstep {
namespace {

// Rows that a leader claims at a time: neighbours often share a prefix, and a cache is one replica's.
constexpr int64_t kRowsPerClaim = 4;

// Ranks that outlive a killed mpirun notice it within a second or two, and finish a step at most.
constexpr std::chrono::milliseconds kLockPatience{15000};

// Raised whenever a change makes old and new programs answer with different bytes.
constexpr const char* kNumericsVersion = "1";

// A finished row on its way to rank 0; a message without a line says that the sender has no more.
struct MessageHead {
  int64_t row = 0, prompt_tokens = 0, generated_tokens = 0;
};

std::vector<std::byte> make_message(const MessageHead& head, std::string_view line) {
  std::vector<std::byte> message(sizeof head + line.size());
  std::memcpy(message.data(), &head, sizeof head);
  std::memcpy(message.data() + sizeof head, line.data(), line.size());
  return message;
}

// Tensor parallelism 1, 2, 4 and 8 give the same bits; any other degree has bits of its own.
std::string summation_order(int32_t tp) { return kSumSegments % tp == 0 ? "8 segments" : fmt::format("tp {}", tp); }

Manifest make_manifest(const Session& session, const JobSettings& settings, const Hash128& input,
                       const Tokenizer& tokenizer, const std::string& model_name) {
  return {{"input", input.to_string()},
          {"model", session.checkpoint().fingerprint().to_string()},
          {"model name", model_name},
          {"model.dtype", std::string(name_of(session.sizing().engine.dtype))},
          {"model.max_sequence", fmt::format("{}", session.sizing().engine.max_sequence)},
          {"tokenizer", tokenizer.fingerprint().to_string()},
          {"device", session.runtime().device_name()},
          {"isa", std::string(name_of(session.runtime().context().isa))},
          {"order of sums", summation_order(session.topology().tp())},
          {"numerics", kNumericsVersion},
          {"seed", fmt::format("{}", settings.seed)},
          {"return-token-ids", settings.return_token_ids ? "true" : "false"}};
}

void check_tokenizer(const Tokenizer& tokenizer, const ModelConfig& model) {
  LS_REQUIRE(
      ConfigError, tokenizer.vocab_size() <= model.vocab_size,
      "tokenizer and config.json do not belong together: the tokenizer has ids up to {}, the model's vocab_size is {}",
      tokenizer.vocab_size() - 1, model.vocab_size);
}

}  // namespace

BatchJob::BatchJob(Session& session, const JobSettings& settings, std::unique_ptr<WorkCounter> counter,
                   std::unique_ptr<Mailbox> mailbox)
    : session_(session), settings_(settings), counter_(std::move(counter)), mailbox_(std::move(mailbox)) {
  Communicator& world = session.world();
  const ModelConfig& model = session.checkpoint().config();
  const bool is_leader = session.topology().is_leader();
  int64_t num_rows = 0;
  run_phase(world, kExitFailure, [&] {
    if (!is_leader) return;
    const std::string& path = session.settings().model.path;
    tokenizer_ = load_tokenizer(path);
    check_tokenizer(*tokenizer_, model);
    model_name_ = std::filesystem::weakly_canonical(path).filename().string();
    RequestFile::RowCheck check;
    if (session.is_root()) {
      check = [&](const Request& request) {
        return check_request(*tokenizer_, model, session.sizing().engine.max_sequence, request);
      };
    }
    requests_.emplace(settings.input, settings.seed, check);
    num_rows = requests_->size();
    if (!session.is_root()) return;
    journal_.emplace(
        JournalOptions{.output = settings.output,
                       .manifest = make_manifest(session, settings, requests_->digest(), *tokenizer_, model_name_),
                       .num_rows = num_rows,
                       .restart = settings.restart,
                       .lock_patience = kLockPatience});
    for (int64_t row = 0; row < num_rows; ++row) finished_.push_back(std::byte{journal_->is_finished(row)});
    if (!journal_->is_locked())
      log_warn("the file system of '{}' has no locks: run this job once at a time", settings.output);
    if (journal_->discarded_bytes() > 0) {
      log_warn("the journal ended in {} bytes that do not check out: the rows in them are computed again",
               journal_->discarded_bytes());
    }
    if (journal_->num_resumed() > 0)
      log_info("resuming: {} of {} rows are finished", journal_->num_resumed(), num_rows);
  });
  finished_ = broadcast_bytes(world, finished_, Rank(0));
  run_phase(world, kExitFailure, [&] {
    LS_REQUIRE(ConfigError, !is_leader || num_rows == static_cast<int64_t>(finished_.size()),
               "'{}' has {} rows here and {} on rank 0", settings.input, num_rows, finished_.size());
  });
}

std::optional<Request> BatchJob::next_request() {
  for (;;) {
    if (next_row_ == claimed_end_) {
      next_row_ = counter_->fetch_add(kRowsPerClaim);
      claimed_end_ = next_row_ + kRowsPerClaim;
    }
    if (next_row_ >= num_rows()) return std::nullopt;
    const int64_t row = next_row_++;
    if (finished_[static_cast<size_t>(row)] != std::byte{0}) continue;
    Request request = requests_->read(row);
    request.return_token_ids = request.return_token_ids || settings_.return_token_ids;
    return request;
  }
}

void BatchJob::deliver(const Request& request, const Result& result) {
  const std::string line = format_result(request, result, model_name_);
  if (session_.is_root()) {
    store(result.index, line, result.prompt_tokens, result.completion_tokens);
  } else {
    mailbox_->send(make_message({result.index, result.prompt_tokens, result.completion_tokens}, line));
  }
}

void BatchJob::store(int64_t row, std::string_view line, int64_t prompt_tokens, int64_t generated_tokens) {
  journal_->append(row, line);
  ++shown_.rows_done;
  shown_.prompt_tokens += prompt_tokens;
  shown_.generated_tokens += generated_tokens;
}

bool BatchJob::receive() {
  const std::optional<std::vector<std::byte>> message = mailbox_->poll();
  if (!message) return false;
  MessageHead head;
  LS_CHECK(message->size() >= sizeof head, "a result message of {} bytes", message->size());
  std::memcpy(&head, message->data(), sizeof head);
  if (message->size() == sizeof head) {
    ++leaders_done_;
  } else {
    const auto* const text = reinterpret_cast<const char*>(message->data()) + sizeof head;
    store(head.row, {text, message->size() - sizeof head}, head.prompt_tokens, head.generated_tokens);
  }
  return true;
}

void BatchJob::run() {
  if (!session_.topology().is_leader()) return session_.engine().follow();
  if (session_.is_root()) {
    progress_.emplace(std::cerr, Progress::Options{.rows_total = num_rows(),
                                                   .rows_resumed = journal_->num_resumed(),
                                                   .is_terminal = stderr_is_terminal(),
                                                   .plain_interval = std::chrono::seconds(settings_.progress_seconds)});
  }
  lead();
  session_.engine().stop();
}

void BatchJob::lead() {
  // Text generated so far counts at once, prompts and rows when they are finished.
  int64_t generated_of_finished_rows = 0;
  const auto show = [&](const GenerationCounts& counts) {
    ProgressCounts now = shown_;
    now.generated_tokens += counts.generated_tokens - generated_of_finished_rows;
    progress_->update(now);
  };
  GenerationLoop loop(
      session_.engine(), *tokenizer_, session_.checkpoint().config(), [&] { return next_request(); },
      [&](const Request& request, const Result& result) {
        generated_of_finished_rows += result.completion_tokens;
        deliver(request, result);
      },
      [&](const GenerationCounts& counts) {
        if (!session_.is_root()) return;
        while (receive()) {}
        show(counts);
      });
  loop.run();
  counts_ = loop.counts();
  if (!session_.is_root()) return mailbox_->send(make_message({}, ""));
  while (leaders_done_ < session_.topology().dp() - 1) {
    if (!receive()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    show(counts_);
  }
  progress_->finish(shown_);
  journal_->flush();
}

void BatchJob::finalize() {
  if (session_.is_root()) journal_->finalize();
}

}  // namespace lockstep
