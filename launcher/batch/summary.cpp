#include "launcher/batch/summary.h"

#include "launcher/batch/file.h"
#include "launcher/batch/progress.h"
#include "launcher/metrics/cache_report.h"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace lockstep {
namespace {

using Json = nlohmann::ordered_json;

double per_second(int64_t count, double seconds) { return seconds > 0 ? static_cast<double>(count) / seconds : 0.0; }

std::string format_bytes(int64_t bytes) {
  constexpr double kMiB = 1024.0 * 1024.0;
  const double mib = static_cast<double>(bytes) / kMiB;
  return mib < 1024 ? fmt::format("{:.0f} MiB", mib) : fmt::format("{:.2f} GiB", mib / 1024);
}

/// The largest over ranks, and which rank.
std::string format_peak(const std::vector<int64_t>& bytes) {
  if (bytes.empty()) return "not measured";
  const auto most = std::max_element(bytes.begin(), bytes.end());
  return fmt::format("{} (rank {})", format_bytes(*most), most - bytes.begin());
}

}  // namespace

double JobSummary::prefill_tokens_per_second() const {
  return per_second(prompt_tokens - cached_tokens, prefill_seconds + mixed_seconds);
}
double JobSummary::decode_tokens_per_second() const {
  return per_second(generated_tokens, decode_seconds + mixed_seconds);
}
double JobSummary::generated_tokens_per_wall_second() const { return per_second(generated_tokens, wall_seconds); }

std::string format_summary_text(const JobSummary& s) {
  std::string text;
  text += fmt::format("rows       {} total: {} done now, {} resumed, {} failed\n", s.rows_total, s.rows_done,
                      s.rows_resumed, s.rows_failed);
  for (const ForeignRows& foreign : s.rows_of_other_settings)
    text += fmt::format("           {} of them under other settings:\n{}", foreign.num_rows, foreign.difference);
  text += fmt::format("tokens     {} prompt ({} from cache), {} generated, in {} steps\n", s.prompt_tokens,
                      s.cached_tokens, s.generated_tokens, s.steps);
  text +=
      fmt::format("rates      {:.1f} prompt tok/s in prefill, {:.1f} tok/s in decode, {:.1f} generated tok/s overall\n",
                  s.prefill_tokens_per_second(), s.decode_tokens_per_second(), s.generated_tokens_per_wall_second());
  text += fmt::format("time       {} wall: load {:.2f} s, prefill {:.2f} s, decode {:.2f} s, mixed {:.2f} s\n",
                      format_duration(s.wall_seconds), s.load_seconds, s.prefill_seconds, s.decode_seconds,
                      s.mixed_seconds);
  text += cache_text(s.cache);
  text +=
      fmt::format("memory     host {}, device {}\n", format_peak(s.peak_host_bytes), format_peak(s.peak_device_bytes));
  text += fmt::format("ran on     {} ranks (tensor parallel {}, data parallel {}), {} threads each, {} {}, {}\n",
                      s.ranks, s.tensor_parallel, s.data_parallel, s.threads_per_rank, s.device, s.isa, s.dtype);
  return text;
}

std::string format_summary_json(const JobSummary& s) {
  Json foreign_rows = Json::array();
  for (const ForeignRows& foreign : s.rows_of_other_settings)
    foreign_rows.push_back({{"rows", foreign.num_rows}, {"manifest", foreign.manifest}});
  const Json json{
      {"version", s.version},
      {"model", s.model},
      {"device", s.device},
      {"isa", s.isa},
      {"dtype", s.dtype},
      {"ranks", s.ranks},
      {"tensor_parallel", s.tensor_parallel},
      {"data_parallel", s.data_parallel},
      {"threads_per_rank", s.threads_per_rank},
      {"rows",
       {{"total", s.rows_total}, {"resumed", s.rows_resumed}, {"done", s.rows_done}, {"failed", s.rows_failed}}},
      {"rows_of_other_settings", std::move(foreign_rows)},
      {"tokens", {{"prompt", s.prompt_tokens}, {"cached", s.cached_tokens}, {"generated", s.generated_tokens}}},
      {"steps", s.steps},
      {"seconds",
       {{"wall", s.wall_seconds},
        {"load", s.load_seconds},
        {"prefill", s.prefill_seconds},
        {"decode", s.decode_seconds},
        {"mixed", s.mixed_seconds}}},
      {"tokens_per_second",
       {{"prefill", s.prefill_tokens_per_second()},
        {"decode", s.decode_tokens_per_second()},
        {"generated_overall", s.generated_tokens_per_wall_second()}}},
      {"cache", cache_json(s.cache)},
      {"peak_host_bytes_by_rank", s.peak_host_bytes},
      {"peak_device_bytes_by_rank", s.peak_device_bytes}};
  return json.dump(2, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace) + "\n";
}

void write_summary(const std::filesystem::path& path, const JobSummary& summary) {
  write_file_atomically(path, format_summary_json(summary));
}

}  // namespace lockstep
