#include "core/checkpoint/checkpoint.h"
#include "launcher/engine.h"
#include "launcher/text_model.h"
#include "tests/support/local_ranks.h"

#include <map>

namespace lockstep {
namespace {

Request question(std::string prompt) {
  Request request;
  request.prompts = {Prompt(std::move(prompt))};
  request.max_tokens = 8;
  request.stop = {"\n"};
  return request;
}

/// Texts and error codes by place in `requests`, from two calls of generate() on the demo model.
std::map<int64_t, std::string> answers(int32_t num_ranks, const std::vector<Request>& requests) {
  std::map<int64_t, std::string> answers;
  check_on_local_ranks(num_ranks, [&](Communicator& group) {
    const std::string model = LOCKSTEP_SOURCE_DIR "/examples/models/recall";
    const Checkpoint checkpoint = Checkpoint::open(model);
    ThreadPool threads(1);
    Stream stream = Stream::inline_cpu();
    const OpContext context{.stream = &stream, .threads = &threads, .isa = detect_cpu_isa()};
    Engine engine(context, checkpoint, Topology(num_ranks, num_ranks, group.rank()), group,
                  {.dtype = checkpoint.config().dtype,
                   .max_sequence = 256,
                   .max_step_tokens = 256,
                   .max_sequences = 4,
                   .page_tokens = 16,
                   .num_slots = 64});
    const TextModel text(model, checkpoint.config(), {});
    if (group.rank() == Rank(0)) engine.set_text(&text);
    const auto keep = [&](int64_t from) {
      return [&answers, from](const Request& request, const Outcome& outcome) {
        const auto* const error = std::get_if<RowError>(&outcome);
        answers[from + request.index] = error ? error->code : std::get<Result>(outcome).choices.front().text;
      };
    };
    engine.generate(requests, keep(0));
    engine.generate(requests, keep(100));
  });
  return answers;
}

TEST(EngineGenerate, AnswersOnAnyNumberOfRanksAndMoreThanOnce) {
  std::vector<Request> requests = {question("Mira keeps the copper key in the attic.\nWhere is the copper key?"),
                                   question("Olga keeps the golden coat in the nursery.\nWhere is the golden coat?"),
                                   question(std::string(3000, 'x'))};
  requests[1].n = 3;
  const std::map<int64_t, std::string> expected = {{0, " In the attic."},          {1, " In the nursery."},
                                                   {2, "context_length_exceeded"}, {100, " In the attic."},
                                                   {101, " In the nursery."},      {102, "context_length_exceeded"}};
  for (const int32_t num_ranks : {1, 2, 4}) EXPECT_EQ(answers(num_ranks, requests), expected) << num_ranks << " ranks";
}

TEST(EngineGenerate, NothingToDo) { EXPECT_TRUE(answers(2, {}).empty()); }

}  // namespace
}  // namespace lockstep
