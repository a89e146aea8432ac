#include "launcher/batch/summary.h"

#include "tests/support/expect_throw.h"
#include "tests/support/temporary_directory.h"

#include <nlohmann/json.hpp>

namespace lockstep {
namespace {

using testing_support::expect_throw;
using testing_support::read_file;
using testing_support::TemporaryDirectory;

JobSummary example() {
  JobSummary s;
  s.version = "0.1.0";
  s.model = "tiny";
  s.device = "cpu";
  s.isa = "avx512";
  s.dtype = "bf16";
  s.ranks = 4;
  s.tensor_parallel = 2;
  s.data_parallel = 2;
  s.rows_total = 10;
  s.rows_resumed = 4;
  s.rows_done = 6;
  s.prompt_tokens = 1000;
  s.cached_tokens = 200;
  s.generated_tokens = 90;
  s.steps = 30;
  s.prefill_seconds = 3;
  s.decode_seconds = 8;
  s.mixed_seconds = 1;
  s.wall_seconds = 15;
  s.peak_host_bytes = {int64_t{1} << 30, int64_t{3} << 30};
  s.peak_device_bytes = {0, 0};
  return s;
}

TEST(Summary, RatesUseTheTimeOfTheirSteps) {
  EXPECT_DOUBLE_EQ(example().prefill_tokens_per_second(), 800.0 / 4);
  EXPECT_DOUBLE_EQ(example().decode_tokens_per_second(), 90.0 / 9);
  EXPECT_DOUBLE_EQ(example().generated_tokens_per_wall_second(), 90.0 / 15);
  EXPECT_EQ(JobSummary{}.decode_tokens_per_second(), 0.0);
}

TEST(Summary, TextNamesWhatAPersonAsksFirst) {
  const std::string text = format_summary_text(example());
  for (const char* part : {"10 total: 6 done now, 4 resumed, 0 failed", "1000 prompt (200 from cache), 90 generated",
                           "200.0 prompt tok/s", "15s wall", "3.00 GiB (rank 1)", "4 ranks (tensor parallel 2"})
    EXPECT_NE(text.find(part), text.npos) << part << " is not in\n" << text;
  EXPECT_NE(format_summary_text(JobSummary{}).find("not measured"), text.npos);
}

TEST(Summary, TellsRowsOfOtherSettings) {
  JobSummary summary = example();
  summary.rows_of_other_settings = {{{{"seed", "1"}}, 3, "  seed: journal has \"1\", this job has \"2\"\n"}};
  EXPECT_NE(format_summary_text(summary).find("3 of them under other settings:\n  seed: journal"), std::string::npos);
  const auto json = nlohmann::json::parse(format_summary_json(summary));
  EXPECT_EQ(json["rows_of_other_settings"][0]["manifest"]["seed"], "1");
}

TEST(Summary, FileHoldsTheWholeSummary) {
  const TemporaryDirectory dir;
  write_summary(dir / "summary.json", example());
  const auto json = nlohmann::json::parse(read_file(dir / "summary.json"));
  EXPECT_EQ(json["rows"]["resumed"], 4);
  EXPECT_EQ(json["tokens"]["cached"], 200);
  EXPECT_EQ(json["seconds"]["decode"], 8.0);
  EXPECT_EQ(json["tokens_per_second"]["decode"], 10.0);
  EXPECT_EQ(json["peak_host_bytes_by_rank"].size(), 2u);
  EXPECT_EQ(json["isa"], "avx512");
  expect_throw<IoError>([&] { write_summary(dir / "no/summary.json", example()); }, {"no/summary.json"});
}

}  // namespace
}  // namespace lockstep
