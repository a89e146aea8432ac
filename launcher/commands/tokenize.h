// `lockstep tokenize`: text to ids and back, for checking a model directory against another tokenizer.
#pragma once

#include <filesystem>
#include <iosfwd>

namespace lockstep {

/// Encodes each line of `in` (BOS and EOS as for generation) and writes one JSON array of ids a line. Lines end at \n
/// alone: a \r stays part of its line. With `decode` it is the other way round: each input line is a JSON array of ids,
/// each output line a JSON string, special tokens spelled out, so that text with newlines stays one line. With `whole`
/// the input, its newlines included, is one text (or one JSON array).
/// Returns the exit status, 0. Throws IoError, FormatError (naming the line) as load_tokenizer does.
int run_tokenize(const std::filesystem::path& model_directory, std::istream& in, std::ostream& out, bool decode,
                 bool whole);

}  // namespace lockstep
