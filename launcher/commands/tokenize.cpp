#include "launcher/commands/tokenize.h"

#include "core/error.h"
#include "core/text/tokenizer.h"

#include <istream>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>
#include <string>

namespace lockstep {
namespace {

std::string encoded(const Tokenizer& tokenizer, const std::string& text) {
  nlohmann::json ids = nlohmann::json::array();
  for (const TokenId id : tokenizer.encode(text, /*add_special_tokens=*/true)) ids.push_back(id.value());
  return ids.dump();
}

std::string decoded(const Tokenizer& tokenizer, const std::string& line, int64_t number) {
  const nlohmann::json ids = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
  LS_REQUIRE(FormatError, ids.is_array(), "input line {} is no JSON array of token ids", number);
  std::vector<TokenId> tokens;
  for (const nlohmann::json& id : ids) {
    const bool valid = id.is_number_unsigned() && id.get<uint64_t>() < static_cast<uint64_t>(tokenizer.vocab_size());
    LS_REQUIRE(FormatError, valid, "input line {}: {} is no token id; accepted: integers from 0 to {}", number,
               id.dump(), tokenizer.vocab_size() - 1);
    tokens.emplace_back(id.get<int32_t>());
  }
  return nlohmann::json(tokenizer.decode(tokens, /*skip_special_tokens=*/false)).dump();
}

}  // namespace

int run_tokenize(const std::filesystem::path& model_directory, std::istream& in, std::ostream& out, bool decode,
                 bool whole) {
  const std::unique_ptr<Tokenizer> tokenizer = load_tokenizer(model_directory);
  const auto write = [&](const std::string& text, int64_t number) {
    out << (decode ? decoded(*tokenizer, text, number) : encoded(*tokenizer, text)) << '\n';
    LS_REQUIRE(IoError, out.good(), "cannot write the result of input line {}", number);
  };
  if (whole) {
    write(std::string(std::istreambuf_iterator<char>(in), {}), 1);
  } else {
    std::string line;
    for (int64_t number = 1; std::getline(in, line); ++number) write(line, number);
  }
  LS_REQUIRE(IoError, !in.bad(), "cannot read the input");
  out.flush();
  return 0;
}

}  // namespace lockstep
