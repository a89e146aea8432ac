#include "launcher/commands/cache_warm.h"

#include "core/error.h"
#include "core/log.h"
#include "dist/comm/mpi/mpi_mailbox.h"
#include "dist/comm/mpi/mpi_work_counter.h"
#include "launcher/batch/chat_date.h"
#include "launcher/batch/input_source.h"
#include "launcher/batch/shared_rows.h"
#include "launcher/commands/cache_warming.h"
#include "launcher/commands/command.h"
#include "launcher/commands/parse.h"
#include "launcher/phase.h"
#include "launcher/runtime/stop_signals.h"

#include <cstdio>
#include <filesystem>
#include <optional>
#include <span>
#include <unistd.h>

namespace lockstep {
namespace {

// What one rank adds to the closing lines. Plain data, gathered as bytes.
struct WarmFigures {
  bool is_leader = false, is_full = false, is_off = false;
  int64_t prompt_tokens = 0, cached_tokens = 0;
  int64_t pages_found = 0, pages_now = 0;
};

void add_options(OptionSet& options, WarmSettings& warm) {
  options.group("Warming");
  options.add("dir", &warm.directory, "directory of the disk cache; made if missing");
  options.add("input", &warm.input, "requests, as for generate (docs/batch-files.md); .gz, .zst, or - for stdin");
  options.add("chat-template", &warm.chat_template, "Jinja file to use instead of the model's own chat template");
  options.add("chat-date", &warm.chat_date, "the day that chat templates are told, as 2026-11-23 [today]");
  options.add("lenient", &warm.lenient, "pass over fields that are not supported, with a warning");
  options.add("step-timeout", &warm.step_timeout_seconds,
              "seconds that one step may take before the job ends; 0 = no limit");
  options.add("progress-interval", &warm.progress_seconds, "seconds between progress lines where there is no terminal");
}

// Warming says where, and that pages are kept: what the engine's options say of that must not contradict it. Pages of
// jobs with cache.cold_format are computed as they are without: under the policy compressed some would shrink before
// they are written, and pages that shrank never are.
void check(const WarmSettings& warm, EngineSettings& settings) {
  LS_REQUIRE(ConfigError, !warm.directory.empty(), "--dir DIR is missing");
  LS_REQUIRE(ConfigError, !warm.input.empty(), "--input FILE is missing");
  if (!warm.chat_date.empty()) clock_of(warm.chat_date);
  LS_REQUIRE(ConfigError, warm.step_timeout_seconds >= 0, "step-timeout = {}: accepted are 0 and more",
             warm.step_timeout_seconds);
  LS_REQUIRE(ConfigError, warm.progress_seconds > 0, "progress-interval = {}: accepted are 1 and more",
             warm.progress_seconds);
  CacheSettings& cache = settings.cache;
  LS_REQUIRE(ConfigError, cache.disk_dir.empty() || cache.disk_dir == warm.directory,
             "--dir {} and cache.disk_dir = '{}': give one of them, or the same", warm.directory, cache.disk_dir);
  LS_REQUIRE(ConfigError, cache.persist, "cache.persist = false: warming is persisting");
  LS_REQUIRE(ConfigError, cache.share_prefixes, "cache.share_prefixes = false: no job could use the pages");
  cache.disk_dir = warm.directory;
  cache.never_shrinks = true;
  settings.validate();
  cache.policy = "lru";
  cache.load_or_recompute = "load";
}

WarmFigures figures_of(const Session& session) {
  if (!session.topology().is_leader()) return {};
  const Engine& engine = session.engine();
  const PlannerStats& stats = engine.planner_stats();
  return {.is_leader = true,
          .is_full = stats.stored_pages >= engine.tier_config().disk_pages,
          .is_off = stats.off[static_cast<size_t>(Tier::kDisk)] || stats.off[static_cast<size_t>(Tier::kHost)],
          .prompt_tokens = stats.prompt_tokens,
          .cached_tokens = stats.cached_prompt_tokens,
          .pages_found = static_cast<int64_t>(engine.tier_config().stored.size()),
          .pages_now = stats.stored_now};
}

void print(const Session& session, const ProgressCounts& counts, int64_t num_rows, std::span<const WarmFigures> ranks) {
  int64_t prompt_tokens = 0, cached_tokens = 0;
  for (const WarmFigures& rank : ranks) {
    prompt_tokens += rank.prompt_tokens;
    cached_tokens += rank.cached_tokens;
  }
  const auto number = [](int64_t value) { return static_cast<long long>(value); };
  std::printf("rows       %lld total: %lld computed, %lld bad\n", number(num_rows),
              number(counts.rows_done - counts.rows_failed), number(counts.rows_failed));
  std::printf("tokens     %lld prompt, %lld of them from the cache\n", number(prompt_tokens), number(cached_tokens));
  int replica = 0;
  for (const WarmFigures& rank : ranks) {
    if (!rank.is_leader) continue;
    std::printf("pages      %lld found before, %lld now, of %lld tokens", number(rank.pages_found),
                number(rank.pages_now), number(session.sizing().engine.page_tokens));
    if (session.topology().dp() > 1) std::printf(" (replica %d)", replica);
    std::printf("\n");
    if (rank.is_full)
      log_warn("replica {}: the disk tier took {} pages and is full: more needs a larger cache.disk_bytes", replica,
               session.engine().tier_config().disk_pages);
    ++replica;
  }
}

// Beside nothing that lasts: the pages do, the rows need not.
std::filesystem::path spool_base() {
  return std::filesystem::temp_directory_path() / fmt::format("lockstep-warm-{}", ::getpid());
}

}  // namespace

int cache_warm_command(const MpiEnvironment& mpi, Communicator& world, const std::vector<std::string>& arguments) {
  EngineSettings settings;
  WarmSettings warm;
  OptionSet options(
      "mpirun -n N lockstep cache warm --dir DIR --model DIR --input FILE [options]",
      "Computes the prompts of a requests file and leaves their whole pages in the disk cache DIR, where "
      "jobs with the\n"
      "same model find them (cache.disk_dir). Replicas share the rows. Every tier is used, whatever\n"
      "cache.load_or_recompute says, and pages leave in the order of lru, whatever cache.policy says. For "
      "jobs with\n"
      "cache.cold_format give their options: such jobs find the pages, of which none shrinks here.");
  add_options(options, warm);
  settings.add_to(options);
  if (const auto code = parse_or_print(world, options, arguments, [&] { check(warm, settings); })) return *code;

  const StopSignals signals;
  std::optional<InputSource> input;
  run_phase(world, kExitFailure, [&] {
    if (world.rank().value() == 0) input.emplace(warm.input, spool_path(spool_base()));
  });
  Session session(mpi, world, settings, TextOptions{warm.chat_template, /*ignore_generation_config=*/false});
  const auto rows =
      open_shared_rows(session, input ? input->file().string() : "", input ? input->name() : std::string());
  const std::string date = broadcast_text(world, warm.chat_date.empty() ? today() : warm.chat_date);
  run_phase(world, kExitFailure, [&] {
    LS_REQUIRE(ConfigError, !session.topology().is_leader() || session.engine().tier_config().disk_pages > 0,
               "{} takes no pages: what cache.disk_bytes = {} allows is held by other jobs, or by segments of another "
               "version, which `lockstep cache purge --dir {} --all` removes; or it is less than two segments",
               warm.directory, session.sizing().engine.tiers.disk_bytes, warm.directory);
  });
  CacheWarming warming(session, warm, rows ? &*rows : nullptr, date, make_mpi_work_counter(mpi), make_mpi_mailbox(mpi));
  const int signal = warming.run();

  const WarmFigures mine = figures_of(session);
  std::vector<WarmFigures> all(static_cast<size_t>(world.size()));
  world.all_gather(std::as_bytes(std::span(&mine, 1)), std::as_writable_bytes(std::span(all)));
  if (session.is_root()) print(session, warming.counts(), rows->size(), all);
  if (session.is_root() && signal != 0)
    log_warn("stopped by {}: what was computed is kept; the same command goes on with the rest", signal_name(signal));
  run_phase(world, kExitFailure, [&] {
    LS_REQUIRE(IoError, !mine.is_off, "a tier of the cache failed repeatedly and was switched off: pages are missing");
  });
  if (signal != 0) return kExitSignalBase + signal;
  const int64_t num_bad = world.all_reduce_max(session.is_root() ? warming.counts().rows_failed : 0);
  return num_bad > 0 ? kExitRowErrors : 0;
}

}  // namespace lockstep
