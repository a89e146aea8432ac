// What the tests of core/text share: the place of real data, ids as plain numbers, tokenizer files made on the fly.
#pragma once

#include "core/ids.h"
#include "core/text/tokenizer.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace lockstep::test {

inline std::filesystem::path shared_data() {
  const char* named = std::getenv("LOCKSTEP_SHARED_DATA");
  return named ? std::filesystem::path(named) : std::filesystem::path(LOCKSTEP_SOURCE_DIR) / "../shared/data";
}

inline std::vector<int32_t> to_numbers(const std::vector<TokenId>& ids) {
  std::vector<int32_t> numbers;
  for (const TokenId id : ids) numbers.push_back(id.value());
  return numbers;
}

inline std::vector<TokenId> to_ids(const nlohmann::json& numbers) {
  std::vector<TokenId> ids;
  for (const nlohmann::json& number : numbers) ids.emplace_back(number.get<int32_t>());
  return ids;
}

/// A model directory that goes away with the object.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "lockstep_text_XXXXXX").string();
    if (!mkdtemp(name.data())) std::abort();
    path_ = name;
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  const std::filesystem::path& path() const { return path_; }
  void write(const std::string& name, const std::string& content) const {
    std::ofstream(path_ / name, std::ios::binary) << content;
  }
  void write(const std::string& name, const nlohmann::json& content) const { write(name, content.dump()); }

 private:
  std::filesystem::path path_;
};

inline std::unique_ptr<Tokenizer> load(const nlohmann::json& file) {
  const TemporaryDirectory directory;
  directory.write("tokenizer.json", file);
  return load_tokenizer(directory.path());
}

}  // namespace lockstep::test
