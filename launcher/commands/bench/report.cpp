#include "launcher/commands/bench/report.h"

#include "core/error.h"
#include "launcher/commands/command.h"

#include <cerrno>
#include <cstring>
#include <fstream>

namespace lockstep::bench {

nlohmann::json to_json(const Spread& spread) {
  return {{"median", spread.median}, {"low", spread.low}, {"high", spread.high}};
}

nlohmann::json report_head(const std::string& kind, const std::string& model, const ModelConfig& config, DType dtype,
                           const Runtime& runtime, int32_t ranks) {
  return {{"kind", kind},
          {"version", version()},
          {"model", model},
          {"parameters", config.num_parameters()},
          {"query_heads", config.num_heads},
          {"kv_heads", config.num_kv_heads},
          {"dtype", name_of(dtype)},
          {"device", runtime.numerics()},
          {"threads", runtime.num_threads()},
          {"ranks", ranks},
          {"rows", nlohmann::json::array()}};
}

nlohmann::json report_head(const std::string& kind, const Session& session) {
  return report_head(kind, session.settings().model.path, session.checkpoint().config(), session.sizing().engine.dtype,
                     session.runtime(), session.group().size());
}

void write_report(const std::string& path, const nlohmann::json& report) {
  if (path.empty()) return;
  std::ofstream file(path, std::ios::trunc);
  file << report.dump(2) << '\n';
  file.close();
  LS_REQUIRE(IoError, !file.fail(), "cannot write {}: {}", path, std::strerror(errno));
}

}  // namespace lockstep::bench
