#include "launcher/text_model.h"

#include "core/error.h"

namespace lockstep {

TextModel::TextModel(const std::string& model_directory, const ModelConfig& model, const TextOptions& options)
    : tokenizer(load_tokenizer(model_directory)),
      chat_template(options.chat_template.empty()
                        ? ChatTemplate::load(model_directory)
                        : std::optional(ChatTemplate::from_file(options.chat_template, model_directory))) {
  LS_REQUIRE(
      ConfigError, tokenizer->vocab_size() <= model.vocab_size,
      "tokenizer and config.json do not belong together: the tokenizer has ids up to {}, the model's vocab_size is {}",
      tokenizer->vocab_size() - 1, model.vocab_size);
  if (!options.ignore_generation_config) defaults = read_request_defaults(model_directory);
}

}  // namespace lockstep
