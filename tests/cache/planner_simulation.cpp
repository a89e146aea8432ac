#include "tests/cache/planner_simulation.h"

#include "core/error.h"
#include "tests/cache/draw.h"
#include "tests/cache/planner_steps.h"

#include <algorithm>
#include <set>

namespace lockstep {
namespace {

// SplitMix64's finaliser.
uint64_t mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

}  // namespace

void draw_formats(Draw& draw, PlannerConfig& config) {
  if (draw.one_in(2)) {
    config.open_slots = config.least_open_slots() + draw.between(0, config.max_sequences + 2);
    config.splits_first_page = draw.one_in(2);
  }
  config.sparse = draw.one_in(2);
  config.offload = draw.one_in(2) && config.sparse && config.tiers.host_slots > 0;
  config.sparse_sink_pages = draw.between(0, 2);
  config.sparse_recent_pages = draw.between(0, 2);
}

PlannerSimulation::PlannerSimulation(const PlannerConfig& config, std::vector<SimulatedRequest> requests, bool ahead)
    : PlannerSimulation(config, std::move(requests), SimulationOptions{.ahead = ahead}) {}

PlannerSimulation::PlannerSimulation(const PlannerConfig& config, std::vector<SimulatedRequest> requests,
                                     SimulationOptions options)
    : config_(config),
      paging_{config.page_tokens, config.splits_first_page},
      options_(std::move(options)),
      requests_(std::move(requests)),
      planner_(config),
      outputs_(requests_.size()),
      reports_(requests_.size()) {
  for (size_t rank = 0; rank < options_.ranks.size(); ++rank) {
    options_.ranks[rank].seed += rank;
    ranks_.emplace_back(config, options_.ranks[rank]);
  }
}

int64_t PlannerSimulation::num_failures() const {
  int64_t total = 0;
  for (const RankModel& rank : ranks_) total += rank.num_failures();
  return total;
}

void PlannerSimulation::run() {
  for (; num_arrived_ < requests_.size() || planner_.has_work(); ++step_) {
    arrive_and_cancel();
    report();
    if (planner_.has_work()) options_.ahead ? step_ahead() : step();
    if (step_ % options_.check_interval == 0) planner_.check_invariants();
    if (wants_stop()) stop();
    LS_CHECK(step_ < 200000, "the simulation does not come to an end");
  }
  if (in_flight_) {  // all of its sequences were cancelled
    planner_.commit(*in_flight_, last_sampled_, last_failed_);
    in_flight_.reset();
  }
  end_job();
  LS_CHECK(table().num_used() == planner_.stats().used_slots, "the rank holds {} pages, the planner {}",
           table().num_used(), planner_.stats().used_slots);
}

void PlannerSimulation::end_job() {
  while (options_.persists && !planner_.has_work()) {
    report();
    const std::optional<StepPlan> plan = planner_.persist_plan(7);
    if (!plan) break;
    follow(*plan);
    planner_.check_invariants();
  }
  const StepPlan last = planner_.last_plan();
  LS_CHECK(last.last && last.rows.empty(), "the last plan has rows");
  follow(last);
  planner_.check_invariants();
}

// Likely where the plan ahead came to nothing: what it was to read is still to be copied then.
bool PlannerSimulation::wants_stop() {
  constexpr int64_t kMostStops = 30;  // requests that begin anew every time would come to no end
  if (options_.stop_rate == 0 || num_stops_ == kMostStops) return false;
  const int64_t rate = options_.ahead && !in_flight_ ? 2 : options_.stop_rate;
  if (stops_() % static_cast<uint64_t>(rate) != 0) return false;
  ++num_stops_;
  return true;
}

void PlannerSimulation::stop() {
  if (in_flight_) {
    planner_.commit(*in_flight_, last_sampled_, last_failed_);
    in_flight_.reset();
    for (const SequenceId id : std::vector<SequenceId>(last_ended_)) {
      if (live_.contains(id)) finish(id);
    }
  }
  std::vector<size_t> cut;
  if (stops_() % 2 == 0) {
    for (const auto& [id, live] : live_) cut.push_back(live.request);
    while (!live_.empty()) finish(live_.begin()->first);
  }
  end_job();
  for (const size_t request : cut) add(request);
}

void PlannerSimulation::add(size_t index) {
  const SimulatedRequest& request = requests_[index];
  const SequenceId id = planner_.add({request.prompt, request.max_new_tokens, index % 2 == 1, request.scores_prompt});
  Live& live = live_[id];
  live.request = index;
  for (const TokenId token : request.prompt) append(live, token);
  id_of_request_[index] = id;
}

void PlannerSimulation::arrive_and_cancel() {
  for (; num_arrived_ < requests_.size() && requests_[num_arrived_].arrival_step <= step_; ++num_arrived_) {
    add(num_arrived_);
  }
  for (size_t i = 0; i < num_arrived_; ++i) {
    if (requests_[i].cancel_step == step_ && live_.contains(id_of_request_[i])) finish(id_of_request_[i]);
  }
}

// The least of all ranks, and whatever failed on any.
void PlannerSimulation::report() {
  TransferStatus status;
  for (size_t rank = 0; rank < ranks_.size(); ++rank) {
    const TransferStatus one = ranks_[rank].report();
    for (size_t channel = 0; channel < kNumTransferChannels; ++channel) {
      status.done[channel] = rank == 0 ? one.done[channel] : std::min(status.done[channel], one.done[channel]);
    }
    status.failed.insert(status.failed.end(), one.failed.begin(), one.failed.end());
  }
  planner_.report(status);
  for (RankModel& rank : ranks_) rank.told(status);
}

void PlannerSimulation::step() {
  const StepPlan plan = planner_.plan();
  carry_out(plan);
  planner_.commit(plan, last_sampled_, last_failed_);
  for (const SequenceId id : last_ended_) finish(id);
}

// The devices carry out a plan before the planner knows the tokens of the one before.
void PlannerSimulation::step_ahead() {
  if (!in_flight_) {
    in_flight_ = planner_.plan();
    carry_out(*in_flight_);
  }
  if (in_flight_->confirms) {
    planner_.commit(*in_flight_, last_sampled_, last_failed_);
    in_flight_.reset();
    for (const SequenceId id : std::vector<SequenceId>(last_ended_)) {
      if (live_.contains(id)) finish(id);
    }
    return;
  }
  planner_.commit_ahead(*in_flight_);
  const std::vector<TokenId> sampled = last_sampled_;
  const std::vector<SequenceId> ended = last_ended_;
  std::optional<StepPlan> next = planner_.plan_ahead();
  if (next) carry_out(*next);
  planner_.resolve(*in_flight_, sampled);
  for (const SequenceId id : ended) {
    if (live_.contains(id)) finish(id);  // not cancelled meanwhile
  }
  in_flight_ = std::move(next);
}

void PlannerSimulation::carry_out(const StepPlan& plan) {
  if (step_ % options_.check_interval == 0) planner_.check_invariants();
  check_shape(plan);
  follow(plan);
  last_sampled_.clear();
  last_ended_.clear();
  for (size_t i = 0; i < plan.rows.size(); ++i) {
    const PlanRow& row = plan.rows[i];
    Live& live = live_.at(row.sequence);
    if (is_void(i)) {
      if (row.wants_logits) last_sampled_.emplace_back(54321);
      continue;
    }
    const auto end = static_cast<size_t>(row.first_position) + row.tokens.size();
    LS_CHECK(row.wants_logits == (end == live.tokens.size()), "logits of sequence {}", row.sequence.value());
    check_scores(row, live);
    if (!row.wants_logits) continue;
    if (live.is_over) {  // computed for nothing
      last_sampled_.emplace_back(12345);
      continue;
    }
    last_sampled_.push_back(sample(live, &live.is_over));
    if (live.is_over) last_ended_.push_back(row.sequence);
  }
}

void PlannerSimulation::follow(const StepPlan& sent) {
  const std::vector<std::byte> bytes = serialize(sent);
  const StepPlan plan = deserialize_step_plan(bytes);
  LS_CHECK(plan == sent, "plan {} changed on its way", sent.number);
  if (options_.keeps_plans) plans_.push_back(bytes);
  last_failed_.clear();
  for (RankModel& rank : ranks_) {
    rank.apply(plan);
    last_failed_.insert(last_failed_.end(), rank.failed_promotions().begin(), rank.failed_promotions().end());
  }
  void_rows_ = Planner::void_rows(plan, last_failed_);
  for (const PlanRow& row : plan.rows) check_places(row);
  // All reads before all writes: a page that another row fills in the same step must not be relied on.
  for (size_t i = 0; i < plan.rows.size(); ++i) {
    if (!is_void(i)) check_reads(plan.rows[i], live_.at(plan.rows[i].sequence));
  }
  for (size_t i = 0; i < plan.rows.size(); ++i) {
    if (!is_void(i)) write(plan.rows[i], live_.at(plan.rows[i].sequence));
  }
}

bool PlannerSimulation::is_void(size_t row) const {
  return std::binary_search(void_rows_.begin(), void_rows_.end(), row);
}

void PlannerSimulation::check_shape(const StepPlan& plan) const {
  LS_CHECK(plan.num_tokens() <= config_.max_step_tokens, "plan {}: {} tokens", plan.number, plan.num_tokens());
  LS_CHECK(static_cast<int64_t>(plan.rows.size()) <= config_.max_sequences, "plan {}: rows", plan.number);
  LS_CHECK(num_kernel_rows(plan) <= config_.max_sequences + config_.page_tokens, "plan {}: {} rows for the kernels",
           plan.number, num_kernel_rows(plan));
  std::set<SequenceId> seen;
  std::map<uint64_t, bool> in_flight;  // last chain hashes of pages that others could share; whether it scores
  for (const PlanRow& row : plan.rows) {
    const Live& live = live_.at(row.sequence);
    LS_CHECK(seen.insert(row.sequence).second, "plan {}: sequence {} twice", plan.number, row.sequence.value());
    const auto num_tokens = static_cast<int64_t>(row.tokens.size());
    const int64_t end = row.first_position + num_tokens;
    LS_CHECK(num_tokens > 0 && end <= static_cast<int64_t>(live.tokens.size()), "plan {}: row range", plan.number);
    std::vector<TokenId> tokens = row.tokens;
    if (row.token_source >= 0) tokens.back() = last_sampled_.at(static_cast<size_t>(row.token_source));
    LS_CHECK(options_.ahead || row.token_source < 0, "plan {}: an unknown token", plan.number);
    LS_CHECK(std::equal(tokens.begin(), tokens.end(), live.tokens.begin() + row.first_position),
             "plan {}: tokens of sequence {}", plan.number, row.sequence.value());
    LS_CHECK(row.wants_logits || end % config_.page_tokens == 0, "plan {}: cut at {}", plan.number, end);
    LS_CHECK(config_.prefill_chunk == 0 || num_tokens <= config_.prefill_chunk, "plan {}: chunk", plan.number);
    LS_CHECK(static_cast<int64_t>(row.pages.size()) == paging_.pages_for(end), "plan {}: {} pages for {} tokens",
             plan.number, row.pages.size(), end);
    for (int64_t p = row.first_position; p < end && p + 1 < static_cast<int64_t>(live.tokens.size()); ++p) {
      if (!config_.share_prefixes || (p + 1) % config_.page_tokens != 0) continue;
      const bool scores = requests_[live.request].scores_prompt;
      const auto [other, is_first] = in_flight.try_emplace(live.chain[static_cast<size_t>(p)], scores);
      LS_CHECK(is_first || scores || other->second, "plan {}: page {} of sequence {} twice", plan.number,
               p / config_.page_tokens, row.sequence.value());
    }
    const auto num_prompt = static_cast<int64_t>(requests_[live.request].prompt.size());
    const int64_t sparse_begin = config_.sparse && end > num_prompt ? std::max(row.first_position, num_prompt) : -1;
    LS_CHECK(row.sparse_begin == sparse_begin, "plan {}: sparse from {}", plan.number, row.sparse_begin);
    LS_CHECK(row.needs_full_logits == (row.wants_logits && live.request % 2 == 1), "plan {}: flags", plan.number);
  }
}

// Positions are scored once, in order, as soon as they are computed, and all of them before the first token.
void PlannerSimulation::check_scores(const PlanRow& row, Live& live) const {
  const SimulatedRequest& request = requests_[live.request];
  const int64_t wanted = request.scores_prompt ? static_cast<int64_t>(request.prompt.size()) - 1 : 0;
  const int64_t end = std::min(row.first_position + static_cast<int64_t>(row.tokens.size()), wanted);
  if (end > live.num_scored) {
    LS_CHECK(row.score_begin == live.num_scored && row.score_end == end, "sequence {} scores [{}, {})",
             row.sequence.value(), row.score_begin, row.score_end);
    LS_CHECK(row.first_position <= live.num_scored, "sequence {} passed over position {}", row.sequence.value(),
             live.num_scored);
    live.num_scored = end;
  } else {
    LS_CHECK(row.score_begin == row.score_end, "sequence {} scores twice", row.sequence.value());
  }
  LS_CHECK(!row.wants_logits || live.num_scored == wanted, "sequence {} samples before it scored",
           row.sequence.value());
}

// What a row writes to is on the device; the rest too, without offload.
void PlannerSimulation::check_places(const PlanRow& row) const {
  const auto first_written = static_cast<size_t>(paging_.full_pages(row.first_position));
  for (size_t page = 0; page < row.pages.size(); ++page) {
    const bool may_be_elsewhere = config_.offload && page < first_written;
    const SlotId slot = table().slot_of(row.pages[page]);
    LS_CHECK(slot.value() < config_.num_slots || may_be_elsewhere, "sequence {} has page {} on the host",
             row.sequence.value(), row.pages[page].value());
  }
}

// Full pages as they were sealed, the page of the first position as it was written so far.
void PlannerSimulation::check_reads(const PlanRow& row, const Live& live) {
  for (RankModel& rank : ranks_) {
    for (int64_t begin = 0; begin < row.first_position; begin += config_.page_tokens) {
      const int64_t count = std::min(config_.page_tokens, row.first_position - begin);
      const auto check = [&](int64_t index, const std::vector<uint64_t>& slot, uint64_t mark) {
        for (int64_t i = 0; i < count; ++i) {
          LS_CHECK(slot[static_cast<size_t>(i)] == (live.chain[static_cast<size_t>(begin + i)] ^ mark),
                   "sequence {} reads a wrong page {} at position {}", row.sequence.value(),
                   row.pages[static_cast<size_t>(index)].value(), begin + i);
        }
      };
      const int64_t number = begin / config_.page_tokens, keys = number == 0 ? 0 : number + paging_.extra();
      const PageId page = row.pages[static_cast<size_t>(keys)];
      if (count < config_.page_tokens) {
        check(keys, rank.open_content_of(page), 0);
        continue;
      }
      check(keys, rank.content_of(page), 0);
      const int64_t values = number + paging_.extra();
      if (values != keys) check(values, rank.content_of(row.pages[static_cast<size_t>(values)]), kValueMark);
    }
  }
}

void PlannerSimulation::write(const PlanRow& row, const Live& live) {
  for (size_t i = 0; i < row.tokens.size(); ++i) {
    const int64_t p = row.first_position + static_cast<int64_t>(i), number = p / config_.page_tokens;
    const auto keys = static_cast<size_t>(number == 0 ? 0 : number + paging_.extra());
    const PageId page = row.pages[keys];
    const auto at = static_cast<size_t>(p % config_.page_tokens);
    for (RankModel& rank : ranks_) {
      LS_CHECK(!rank.table().is_sealed(page), "sequence {} writes the sealed page {}", row.sequence.value(),
               page.value());
      LS_CHECK(config_.open_slots == 0 || rank.table().open_slot_of(page).value() >= 0, "page {} is not open",
               page.value());
      uint64_t& value = rank.open_content_of(page)[at];
      LS_CHECK(value == 0, "page {} is written twice at position {}", page.value(), p);
      value = live.chain[static_cast<size_t>(p)];
      if ((p + 1) % config_.page_tokens == 0) seal(rank, row, keys, static_cast<size_t>(number + paging_.extra()));
    }
  }
}

// What kernels do with a page whose last token is written.
void PlannerSimulation::seal(RankModel& rank, const PlanRow& row, size_t keys, size_t values) {
  const std::vector<uint64_t> written = rank.open_content_of(row.pages[keys]);
  rank.content_of(row.pages[keys]) = written;
  if (values == keys) return;
  std::vector<uint64_t>& other = rank.content_of(row.pages[values]);
  for (size_t i = 0; i < written.size(); ++i) other[i] = written[i] ^ kValueMark;
}

TokenId PlannerSimulation::sample(Live& live, bool* stops) const {
  const SimulatedRequest& request = requests_[live.request];
  const uint64_t hash = mix(live.chain.back() ^ request.sampling_seed);
  const TokenId token(static_cast<int32_t>(hash % 1000));
  append(live, token);
  const bool is_full = live.tokens.size() == request.prompt.size() + static_cast<size_t>(request.max_new_tokens);
  *stops = is_full || (request.stop_modulus != 0 && hash / 1000 % request.stop_modulus == 0);
  return token;
}

void PlannerSimulation::append(Live& live, TokenId token) const {
  uint64_t parent = live.chain.empty() ? 1 : live.chain.back();
  // What is computed sparsely depends on where the prompt ended.
  const uint64_t num_prompt = requests_[live.request].prompt.size();
  if (config_.sparse && live.chain.size() >= num_prompt) parent = mix(parent ^ num_prompt);
  live.tokens.push_back(token);
  live.chain.push_back(mix(parent ^ (static_cast<uint64_t>(token.value()) << 1)) | 1);
}

void PlannerSimulation::finish(SequenceId id) {
  const Live& live = live_.at(id);
  const auto num_prompt = static_cast<int64_t>(requests_[live.request].prompt.size());
  outputs_[live.request].assign(live.tokens.begin() + num_prompt, live.tokens.end());
  reports_[live.request] = planner_.finish(id);
  live_.erase(id);
}

}  // namespace lockstep
