#include "core/error.h"
#include "launcher/commands/command.h"
#include "launcher/commands/parse.h"
#include "launcher/commands/tokenize.h"

#include <fstream>
#include <iostream>

namespace lockstep {

int tokenize_command(const MpiEnvironment&, Communicator& world, const std::vector<std::string>& arguments) {
  std::string model, input;
  bool decode = false, whole = false;
  OptionSet options(
      "lockstep tokenize --model DIR [--input FILE] [--decode] [--whole]",
      "Prints a JSON array of token ids for each line of the input, or with --decode a JSON string for each\n"
      "array. Reads standard input without --input.");
  options.group("Options");
  options.add("model", &model, "directory with tokenizer.json or tokenizer.model");
  options.add("input", &input, "file to read instead of standard input");
  options.add("decode", &decode, "from ids to text");
  options.add("whole", &whole, "take the whole input as one text");
  if (const auto code = parse_or_print(world, options, arguments,
                                       [&] { LS_REQUIRE(ConfigError, !model.empty(), "--model DIR is missing"); }))
    return *code;
  if (world.rank().value() != 0) return 0;

  std::ifstream file;
  if (!input.empty()) {
    file.open(input, std::ios::binary);
    LS_REQUIRE(IoError, file.good(), "cannot read '{}'", input);
  }
  return run_tokenize(model, input.empty() ? std::cin : file, std::cout, decode, whole);
}

}  // namespace lockstep
