#include "launcher/trace/trace_writer.h"

#include "core/log.h"
#include "launcher/commands/command.h"
#include "launcher/phase.h"
#include "launcher/session.h"
#include "launcher/trace/trace_json.h"

#include <algorithm>
#include <array>
#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <span>
#include <unistd.h>
#include <utility>
#include <vector>

namespace lockstep {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kPieceSpans = 8192;  // about a megabyte of text

TraceProcess process_of(const Session& session) {
  const Topology& topology = session.topology();
  const int32_t rank = topology.world_rank().value();
  std::array<char, 256> host{};
  gethostname(host.data(), host.size() - 1);
  return {.rank = rank,
          .name = fmt::format("rank {} (replica {}, tensor-parallel {})", rank, topology.replica(),
                              topology.tp_rank().value()),
          .labels = fmt::format("{}, {}", host.data(), session.runtime().device_name())};
}

}  // namespace

/// What rank 0 says of each rank at the end of the file. Plain data, gathered as bytes.
struct TraceWriter::RankFacts {
  int64_t num_spans = 0, num_dropped = 0, clock_uncertainty = 0;
};

TraceWriter::TraceWriter(Communicator& world, std::string file) : world_(world), name_(std::move(file)) {
  if (name_.empty()) return;
  run_phase(world, kExitUsage, [&] {
    if (world.rank() == Rank(0)) file_.emplace(name_, O_WRONLY | O_CREAT);
  });
  zero_ = Tracer::now();
  world.broadcast(std::as_writable_bytes(std::span(&zero_, 1)), Rank(0));
  first_ = measure_clock_offset(world, this_machine(), Tracer::now);
}

void TraceWriter::write(const Session& session) {
  if (name_.empty()) return;
  const OpContext& context = session.runtime().context();
  context.stream->synchronize();
  context.tracer->collect_all();
  const ClockOffset last = measure_clock_offset(world_, this_machine(), Tracer::now);
  std::vector<TraceSpan> spans = context.tracer->spans();
  for (TraceSpan& span : spans) {
    span.begin = on_clock_of_rank_0(span.begin, first_, last);
    span.end = on_clock_of_rank_0(span.end, first_, last);
  }
  sort_and_nest(spans);

  const RankFacts mine{static_cast<int64_t>(spans.size()), context.tracer->num_dropped(),
                       std::max(first_.uncertainty, last.uncertainty)};
  std::vector<RankFacts> all(static_cast<size_t>(world_.size()));
  world_.all_gather(std::as_bytes(std::span(&mine, 1)), std::as_writable_bytes(std::span(all)));
  for (int32_t rank = 0; rank < world_.size(); ++rank) {
    const bool is_mine = world_.rank() == Rank(rank);
    take(Rank(rank), is_mine ? format_process(process_of(session)) : "");
    const auto num_spans = static_cast<size_t>(all[static_cast<size_t>(rank)].num_spans);
    for (size_t begin = 0; begin < num_spans; begin += kPieceSpans) {
      const size_t length = std::min(kPieceSpans, num_spans - begin);
      take(Rank(rank), is_mine ? format_spans(rank, std::span(spans).subspan(begin, length), zero_) : "");
    }
  }
  run_phase(world_, kExitFailure, [&] {
    if (file_) finish(session, all);
  });
}

// A text of one rank, to the file. Collective: the peers do not know whether rank 0 can still write.
void TraceWriter::take(Rank from, const std::string& text) {
  if (from == Rank(0)) return append(text);
  std::vector<int64_t> sizes(static_cast<size_t>(world_.size()));
  sizes[static_cast<size_t>(from.value())] = world_.all_reduce_max(static_cast<int64_t>(text.size()));
  std::string taken(file_ ? static_cast<size_t>(sizes[static_cast<size_t>(from.value())]) : 0, ' ');
  world_.gather(std::as_bytes(std::span(text)), sizes, std::as_writable_bytes(std::span(taken)), Rank(0));
  append(taken);
}

void TraceWriter::append(std::string_view text) {
  if (!file_ || failure_) return;
  try {
    if (is_empty_) {
      if (file_->is_regular()) file_->truncate(0);
      constexpr std::string_view kOpening = "{\"traceEvents\":[";
      file_->write_next(std::as_bytes(std::span(kOpening)));
      text.remove_prefix(1);  // events start with a comma
      is_empty_ = false;
    }
    file_->write_next(std::as_bytes(std::span(text)));
  } catch (...) {
    failure_ = std::current_exception();
  }
}

void TraceWriter::finish(const Session& session, std::span<const RankFacts> ranks) {
  Json dropped = Json::array(), uncertainty = Json::array();
  int64_t num_spans = 0, num_dropped = 0;
  for (const RankFacts& rank : ranks) {
    num_spans += rank.num_spans;
    num_dropped += rank.num_dropped;
    dropped.push_back(rank.num_dropped);
    uncertainty.push_back(static_cast<double>(rank.clock_uncertainty) / 1e3);
  }
  const Json facts{{"program", fmt::format("lockstep {}", version())},
                   {"model", session.settings().model.path},
                   {"device", session.runtime().is_cuda() ? "cuda" : "cpu"},
                   {"tensor_parallel", session.topology().tp()},
                   {"data_parallel", session.topology().dp()},
                   {"dropped_spans_by_rank", std::move(dropped)},
                   {"clock_uncertainty_us_by_rank", std::move(uncertainty)}};
  append(fmt::format("\n],\n\"displayTimeUnit\":\"ms\",\n\"otherData\":{}}}\n",
                     facts.dump(-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace)));
  if (failure_) std::rethrow_exception(failure_);
  log_info("{} spans of {} ranks in {}: open it at https://ui.perfetto.dev", num_spans, ranks.size(), name_);
  if (num_dropped > 0) log_warn("the trace has the end of the job only: {} earlier spans found no room", num_dropped);
}

}  // namespace lockstep
