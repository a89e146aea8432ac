#include "core/checkpoint/checkpoint.h"

#include "core/checkpoint/json_reader.h"
#include "core/checkpoint/safetensors.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

namespace lockstep {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSingleFile = "model.safetensors";
constexpr const char* kIndexFile = "model.safetensors.index.json";
constexpr const char* kEmbedding = "model.embed_tokens.weight";

constexpr size_t kSampleBytes = 4096;
constexpr size_t kSamples = 8;  // a tensor: two training steps change far more than these can miss

/// Hashes a small tensor whole, a large one by evenly spread samples, its first and last bytes among them.
Hash128 sample_hash(std::span<const std::byte> bytes, Hash128 parent) {
  if (bytes.size() <= kSamples * kSampleBytes) return hash128(bytes, parent);
  const size_t last = bytes.size() - kSampleBytes;
  for (size_t i = 0; i < kSamples; ++i) {
    const size_t offset = last / (kSamples - 1) * i;
    parent = hash128(bytes.subspan(i + 1 == kSamples ? last : offset, kSampleBytes), parent);
  }
  return parent;
}

bool is_plain_file_name(const std::string& name) {
  return !name.empty() && name != "." && name != ".." && name.find_first_of(std::string_view("/\\\0", 3)) == name.npos;
}

/// Tensor name → file name.
std::map<std::string, std::string> read_index(const fs::path& path) {
  const nlohmann::json json = read_json_file(path);
  const nlohmann::json* weight_map = JsonObject(json, path.string()).find("weight_map");
  LS_REQUIRE(FormatError, weight_map && weight_map->is_object() && !weight_map->empty(),
             "{}: weight_map is {}; accepted: an object of tensor and file names", path.string(),
             weight_map ? shown(*weight_map) : "missing");
  std::map<std::string, std::string> files;
  for (const auto& [tensor, file] : weight_map->items()) {
    LS_REQUIRE(FormatError, file.is_string() && is_plain_file_name(file.get<std::string>()),
               "{}: weight_map names {} for tensor {}; accepted: a file name in the same directory", path.string(),
               shown(file), shown(tensor));
    files.emplace(tensor, file.get<std::string>());
  }
  return files;
}

}  // namespace

struct Checkpoint::Impl {
  fs::path directory;
  ModelConfig config;
  std::vector<SafetensorsFile> files;     // ascending by name
  std::map<std::string, size_t> file_of;  // tensor → index into files

  void open_single(const fs::path& path) {
    files.push_back(SafetensorsFile::open(path));
    for (const auto& [name, entry] : files[0].entries()) file_of.emplace(name, 0);
  }

  void open_sharded(const fs::path& index_path) {
    const std::map<std::string, std::string> index = read_index(index_path);
    std::map<std::string, size_t> opened;
    for (const auto& [tensor, file] : index) opened.emplace(file, 0);
    for (auto& [file, position] : opened) {
      const auto names_it = [&](const auto& item) { return item.second == file; };
      LS_REQUIRE(FormatError, is_present(directory / file),
                 "{}: weight_map names {} for tensor {}, but there is no such file", index_path.string(), shown(file),
                 shown(std::find_if(index.begin(), index.end(), names_it)->first));
      position = files.size();
      files.push_back(SafetensorsFile::open(directory / file));
    }
    for (const auto& [tensor, file] : index) {
      const size_t position = opened.at(file);
      LS_REQUIRE(FormatError, files[position].entries().count(tensor) == 1,
                 "{}: weight_map names {} for tensor {}, but that file does not hold it", index_path.string(),
                 shown(file), shown(tensor));
      file_of.emplace(tensor, position);
    }
  }
};

Checkpoint::Checkpoint(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Checkpoint::Checkpoint(Checkpoint&&) noexcept = default;
Checkpoint& Checkpoint::operator=(Checkpoint&&) noexcept = default;
Checkpoint::~Checkpoint() = default;

Checkpoint Checkpoint::open(const fs::path& directory) {
  std::error_code ignored;
  LS_REQUIRE(IoError, fs::is_directory(directory, ignored),
             "{} is not a directory; a model is one, with config.json in it", directory.string());
  auto impl = std::make_unique<Impl>();
  impl->directory = directory;
  impl->config = read_model_config(directory);
  if (is_present(directory / kIndexFile)) {
    impl->open_sharded(directory / kIndexFile);
  } else {
    LS_REQUIRE(IoError, is_present(directory / kSingleFile), "{} holds neither {} nor {}{}", directory.string(),
               kIndexFile, kSingleFile,
               is_present(directory / "pytorch_model.bin") || is_present(directory / "pytorch_model.bin.index.json")
                   ? "; pytorch_model.bin is not read: convert it to safetensors"
                   : "");
    impl->open_single(directory / kSingleFile);
  }
  Checkpoint checkpoint(std::move(impl));
  if (!config_names_dtype(directory) && checkpoint.contains(kEmbedding)) {
    Impl& opened = *checkpoint.impl_;
    opened.config.dtype = opened.files[opened.file_of.at(kEmbedding)].tensor(kEmbedding).dtype();
  }
  return checkpoint;
}

const ModelConfig& Checkpoint::config() const { return impl_->config; }

bool Checkpoint::contains(const std::string& name) const { return impl_->file_of.count(name) == 1; }

ConstTensorView Checkpoint::tensor(const std::string& name, const Shape& expected) const {
  const auto found = impl_->file_of.find(name);
  LS_REQUIRE(FormatError, found != impl_->file_of.end(), "{}: the checkpoint holds no tensor {}",
             impl_->directory.string(), shown(name));
  const SafetensorsFile& file = impl_->files[found->second];
  const std::vector<int64_t>& shape = file.entries().at(name).shape;
  bool fits = shape.size() == static_cast<size_t>(expected.rank());
  for (size_t axis = 0; fits && axis < shape.size(); ++axis) fits = shape[axis] == expected[static_cast<int>(axis)];
  LS_REQUIRE(FormatError, fits, "{}: tensor {} has shape [{}], but config.json asks for {}", file.path().string(),
             shown(name), fmt::join(shape, ", "), expected.to_string());
  return file.tensor(name);
}

std::vector<std::string> Checkpoint::names() const {
  std::vector<std::string> names;
  for (const auto& [name, position] : impl_->file_of) names.push_back(name);
  return names;
}

int64_t Checkpoint::weight_bytes() const {
  int64_t bytes = 0;
  for (const auto& [name, position] : impl_->file_of)
    bytes += static_cast<int64_t>(impl_->files[position].bytes(name).size());
  return bytes;
}

Hash128 Checkpoint::fingerprint() const {
  Hash128 hash = hash128(impl_->config.canonical_json());
  for (const SafetensorsFile& file : impl_->files) hash = hash128(file.header(), hash);
  for (const auto& [name, position] : impl_->file_of)
    hash = sample_hash(impl_->files[position].bytes(name), hash128(name, hash));
  return hash;
}

}  // namespace lockstep
