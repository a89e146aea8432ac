#include "core/buffer.h"
#include "core/error.h"
#include "core/log.h"
#include "dist/comm/mpi/mpi_mailbox.h"
#include "dist/comm/mpi/mpi_work_counter.h"
#include "launcher/batch/batch_job.h"
#include "launcher/batch/job_settings.h"
#include "launcher/batch/summary.h"
#include "launcher/commands/command.h"
#include "launcher/commands/parse.h"
#include "launcher/metrics/engine_figures.h"
#include "launcher/metrics/metrics_exporter.h"
#include "launcher/phase.h"
#include "launcher/runtime/stop_signals.h"
#include "launcher/session.h"
#include "launcher/trace/trace_writer.h"

#include <chrono>
#include <cstdio>
#include <memory>
#include <span>
#include <sys/resource.h>

namespace lockstep {
namespace {

// What one rank adds to the summary. Plain data, gathered as bytes.
struct RankFigures {
  int64_t prompt_tokens = 0, cached_tokens = 0, generated_tokens = 0, steps = 0;
  double prefill_seconds = 0.0, decode_seconds = 0.0, mixed_seconds = 0.0;
  int64_t peak_host_bytes = 0, peak_device_bytes = 0;
  bool is_leader = false;
  CacheStats cache;  // of a leader
};

RankFigures figures_of(const Session& session, const BatchJob& job) {
  RankFigures figures;
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  figures.peak_host_bytes = usage.ru_maxrss * 1024;
  figures.peak_device_bytes = peak_allocated_bytes(DeviceKind::kCuda);
  if (!session.topology().is_leader()) return figures;
  const EngineTimes& times = session.engine().times();
  // Of sequences, as what came from the cache: a prompt with n choices counts n times.
  figures.prompt_tokens = session.engine().planner_stats().prompt_tokens;
  figures.generated_tokens = job.counts().generated_tokens;
  figures.cached_tokens = session.engine().planner_stats().cached_prompt_tokens;
  figures.steps = times.steps;
  figures.is_leader = true;
  figures.cache = figures_of(session.engine()).cache;
  figures.prefill_seconds = times.prefill;
  figures.decode_seconds = times.decode;
  figures.mixed_seconds = times.mixed;
  return figures;
}

JobSummary make_summary(const Session& session, const BatchJob& job, std::span<const RankFigures> ranks) {
  JobSummary summary;
  summary.version = version();
  summary.model = session.settings().model.path;
  summary.device = session.runtime().device_name();
  summary.isa = session.runtime().isa_name();
  summary.dtype = name_of(session.sizing().engine.dtype);
  summary.ranks = session.topology().world_size();
  summary.tensor_parallel = session.topology().tp();
  summary.data_parallel = session.topology().dp();
  summary.threads_per_rank = session.runtime().num_threads();
  summary.rows_total = job.store().num_rows();
  summary.rows_resumed = job.store().num_resumed();
  summary.rows_done = job.store().num_finished() - job.store().num_resumed();
  summary.rows_failed = job.store().num_failed();
  summary.rows_of_other_settings = job.store().rows_of_other_settings();
  summary.load_seconds = session.load_seconds();
  summary.cache = ranks[0].cache;  // world rank 0 leads the first replica
  for (size_t rank = 1; rank < ranks.size(); ++rank)
    if (ranks[rank].is_leader) summary.cache = summary.cache + ranks[rank].cache;
  for (const RankFigures& rank : ranks) {
    summary.prompt_tokens += rank.prompt_tokens;
    summary.cached_tokens += rank.cached_tokens;
    summary.generated_tokens += rank.generated_tokens;
    summary.steps += rank.steps;
    summary.prefill_seconds += rank.prefill_seconds;
    summary.decode_seconds += rank.decode_seconds;
    summary.mixed_seconds += rank.mixed_seconds;
    summary.peak_host_bytes.push_back(rank.peak_host_bytes);
    summary.peak_device_bytes.push_back(rank.peak_device_bytes);
  }
  return summary;
}

// Before anything that takes time: a port that is in use ends the job at once, on all ranks. Nothing on other ranks
// than 0, and where no metrics are wanted.
std::unique_ptr<MetricsExporter> make_metrics(Communicator& world, const JobSettings& settings) {
  std::unique_ptr<MetricsExporter> metrics;
  run_phase(world, kExitUsage, [&] {
    if (world.rank().value() != 0 || (settings.metrics_file.empty() && settings.metrics_port < 0)) return;
    metrics = std::make_unique<MetricsExporter>(
        MetricsExporter::Options{
            .file = settings.metrics_file, .port = settings.metrics_port, .address = settings.metrics_address},
        version());
    if (metrics->endpoint()) log_info("metrics at {}", metrics->endpoint()->url());
  });
  return metrics;
}

JobInfo info_of(const Session& session) {
  return {.version = version(),
          .model = session.settings().model.path,
          .device = session.runtime().device_name(),
          .isa = session.runtime().isa_name(),
          .dtype = std::string(name_of(session.sizing().engine.dtype)),
          .ranks = session.topology().world_size(),
          .tensor_parallel = session.topology().tp(),
          .data_parallel = session.topology().dp()};
}

void tell_outcome(const JobStore& store, int signal) {
  if (signal != 0 && !store.is_resumable())
    log_warn("stopped by {}: {} of {} rows were finished and are lost: give --journal to keep them",
             signal_name(signal), store.num_finished(), store.num_rows());
  else if (signal != 0)
    log_warn("stopped by {}: {} of {} rows are finished and kept in {}; the same command goes on with the rest",
             signal_name(signal), store.num_finished(), store.num_rows(), store.journal_file().string());
  else if (store.num_failed() > 0)
    log_warn("{} of {} rows failed: see {}", store.num_failed(), store.num_rows(), store.errors_file().string());
}

}  // namespace

int generate_command(const MpiEnvironment& mpi, Communicator& world, const std::vector<std::string>& arguments) {
  const auto start = std::chrono::steady_clock::now();
  EngineSettings settings;
  JobSettings job_settings;
  OptionSet options(
      "mpirun -n N lockstep generate --model DIR --input FILE --output FILE [options]",
      "Answers every row of a requests file. Finished rows go to OUTPUT.journal at once; the same "
      "command, run again after\n"
      "a stop of any kind, computes exactly the rows that are missing. Results depend on model, row, seed, "
      "model.dtype, device,\n"
      "instruction set, cache.page_tokens, cache.format and the attention options: not on ranks (tp 1, 2, "
      "4, 8), batch, chunk,\n"
      "or where pages lie. With --determinism d1 they depend on the whole job (docs/determinism.md).");
  job_settings.add_to(options);
  settings.add_to(options);
  settings.trace.add_to(options);
  const auto check = [&] {
    job_settings.validate();
    settings.validate();
    settings.trace.validate();
    for (const std::string& other : {job_settings.input, job_settings.output})
      LS_REQUIRE(ConfigError, settings.trace.file.empty() || settings.trace.file != other,
                 "trace = {}: that is the input or the output", other);
  };
  if (const auto code = parse_or_print(world, options, arguments, check)) return *code;

  TraceWriter trace(world, settings.trace.file);
  const StopSignals signals;
  const std::unique_ptr<MetricsExporter> metrics = make_metrics(world, job_settings);
  Session session(mpi, world, settings, TextOptions{job_settings.chat_template, job_settings.ignore_generation_config});
  if (metrics) metrics->set_info(info_of(session));
  BatchJob job(session, job_settings, make_mpi_work_counter(mpi), make_mpi_mailbox(mpi), metrics.get());
  const int signal = job.run();
  if (signal == 0) traced(session.runtime().context().tracer, "write output", [&] { job.finalize(); });
  trace.write(session);

  const RankFigures mine = figures_of(session, job);
  std::vector<RankFigures> all(static_cast<size_t>(world.size()));
  world.all_gather(std::as_bytes(std::span(&mine, 1)), std::as_writable_bytes(std::span(all)));
  run_phase(world, kExitFailure, [&] {
    if (!session.is_root()) return;
    JobSummary summary = make_summary(session, job, all);
    summary.wall_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    std::fputs(format_summary_text(summary).c_str(), stderr);
    if (!job_settings.summary.empty()) write_summary(job_settings.summary, summary);
    tell_outcome(job.store(), signal);
  });
  if (signal != 0) return kExitSignalBase + signal;
  const int64_t num_failed = world.all_reduce_max(session.is_root() ? job.store().num_failed() : 0);
  return num_failed > 0 ? kExitRowErrors : 0;
}

}  // namespace lockstep
