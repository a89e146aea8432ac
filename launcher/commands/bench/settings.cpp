#include "launcher/commands/bench/settings.h"

#include "core/checkpoint/synthetic.h"
#include "core/error.h"
#include "dist/communicator.h"

#include <sstream>

namespace lockstep::bench {

void CommonSettings::add_to(OptionSet& options) {
  options.group("Measurement");
  options.add("shape", &shape,
              "instead of --model: random weights of this shape, which never touch the disk: " + shape_names() +
                  ", or any config.json");
  options.add("repeats", &repeats, "measurements of everything; the median is shown with the spread");
  options.add("json", &json, "file for the figures in machine-readable form");
  options.add("ceiling-mib", &ceiling_mib,
              "memory that the device's bandwidth is measured with, in MiB; halved until it fits");
  options.add("ceiling-product", &ceiling_product,
              "rows and columns of the square product that the arithmetic peak is measured with; 0 = 8192 on GPUs, "
              "1024 on the CPU");
}

void CommonSettings::resolve(EngineSettings& engine, const Communicator& world) const {
  LS_REQUIRE(ConfigError, shape.empty() || engine.model.path.empty(), "--model {} and --shape {}: accepted is one",
             engine.model.path, shape);
  if (!shape.empty()) engine.model.path = std::string(kSyntheticPrefix) + shape;
  LS_REQUIRE(ConfigError, !engine.model.path.empty(), "--model DIR or --shape NAME is missing; known shapes are {}",
             shape_names());
  if (!shape.empty()) config_of_shape(shape);  // throws where there is none
  engine.validate();
  require_positive("repeats", repeats);
  require_positive("ceiling-mib", ceiling_mib);
  LS_REQUIRE(ConfigError, ceiling_product >= 0 && ceiling_product <= 32768,
             "ceiling-product = {}: accepted are 0 to 32768", ceiling_product);
  LS_REQUIRE(ConfigError, engine.runtime.tp == 0 || engine.runtime.tp == world.size(),
             "tp = {}: bench measures one replica of all {} ranks", engine.runtime.tp, world.size());
}

std::vector<int64_t> parse_list(const std::string& key, const std::string& text) {
  std::vector<int64_t> values;
  std::stringstream stream(text);
  for (std::string part; std::getline(stream, part, ',');) {
    const bool is_number =
        !part.empty() && part.size() < 10 && part.find_first_not_of("0123456789") == std::string::npos;
    LS_REQUIRE(ConfigError, is_number && std::stoll(part) > 0, "{} = '{}': '{}' is not a positive number", key, text,
               part);
    values.push_back(std::stoll(part));
  }
  LS_REQUIRE(ConfigError, !values.empty(), "{} = '{}': no number in it", key, text);
  return values;
}

void require_positive(const std::string& key, int64_t value) {
  LS_REQUIRE(ConfigError, value > 0, "{} = {}: accepted are 1 and more", key, value);
}

}  // namespace lockstep::bench
