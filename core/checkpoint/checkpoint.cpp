#include "core/checkpoint/checkpoint.h"

#include "core/checkpoint/checkpoint_impl.h"
#include "core/checkpoint/json_reader.h"
#include "core/checkpoint/safetensors.h"
#include "core/checkpoint/synthetic.h"

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

/// A directory's safetensors files.
struct FileImpl : Checkpoint::Impl {
  fs::path directory;
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

  const std::vector<int64_t>* shape(const std::string& name) const override {
    const auto found = file_of.find(name);
    return found == file_of.end() ? nullptr : &files[found->second].entries().at(name).shape;
  }
  ConstTensorView view(const std::string& name) const override { return files[file_of.at(name)].tensor(name); }
  std::string place_of(const std::string& name) const override { return files[file_of.at(name)].path().string(); }

  std::vector<std::string> names() const override {
    std::vector<std::string> names;
    for (const auto& [name, position] : file_of) names.push_back(name);
    return names;
  }

  int64_t weight_bytes() const override {
    int64_t bytes = 0;
    for (const auto& [name, position] : file_of) bytes += static_cast<int64_t>(files[position].bytes(name).size());
    return bytes;
  }

  Hash128 fingerprint() const override {
    Hash128 hash = hash128(config.canonical_json());
    for (const SafetensorsFile& file : files) hash = hash128(file.header(), hash);
    for (const auto& [name, position] : file_of) hash = sample_hash(files[position].bytes(name), hash128(name, hash));
    return hash;
  }
};

}  // namespace

Checkpoint::Checkpoint(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Checkpoint::Checkpoint(Checkpoint&&) noexcept = default;
Checkpoint& Checkpoint::operator=(Checkpoint&&) noexcept = default;
Checkpoint::~Checkpoint() = default;

Checkpoint Checkpoint::open(const fs::path& directory) {
  if (const auto shape = shape_in(directory.string())) return synthetic(directory.string(), config_of_shape(*shape));
  std::error_code ignored;
  LS_REQUIRE(IoError, fs::is_directory(directory, ignored),
             "{} is not a directory; a model is one, with config.json in it", directory.string());
  auto impl = std::make_unique<FileImpl>();
  impl->place = directory.string();
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
  if (!config_names_dtype(directory) && impl->shape(kEmbedding) != nullptr)
    impl->config.dtype = impl->view(kEmbedding).dtype();
  return Checkpoint(std::move(impl));
}

const ModelConfig& Checkpoint::config() const { return impl_->config; }

bool Checkpoint::contains(const std::string& name) const { return impl_->shape(name) != nullptr; }

ConstTensorView Checkpoint::tensor(const std::string& name, const Shape& expected) const {
  const std::vector<int64_t>* const shape = impl_->shape(name);
  LS_REQUIRE(FormatError, shape != nullptr, "{}: the checkpoint holds no tensor {}", impl_->place, shown(name));
  bool fits = shape->size() == static_cast<size_t>(expected.rank());
  for (size_t axis = 0; fits && axis < shape->size(); ++axis) fits = (*shape)[axis] == expected[static_cast<int>(axis)];
  LS_REQUIRE(FormatError, fits, "{}: tensor {} has shape [{}], but config.json asks for {}", impl_->place_of(name),
             shown(name), fmt::join(*shape, ", "), expected.to_string());
  return impl_->view(name);
}

std::vector<std::string> Checkpoint::names() const { return impl_->names(); }

int64_t Checkpoint::weight_bytes() const { return impl_->weight_bytes(); }

Hash128 Checkpoint::fingerprint() const { return impl_->fingerprint(); }

}  // namespace lockstep
