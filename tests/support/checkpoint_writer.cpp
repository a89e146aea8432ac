#include "tests/support/checkpoint_writer.h"

#include "tests/support/temporary_directory.h"

#include <cstring>
#include <nlohmann/json.hpp>

namespace lockstep::testing_support {
namespace {

constexpr const char* stored_name(DType dtype) {
  return dtype == DType::kF32 ? "F32" : dtype == DType::kF16 ? "F16" : dtype == DType::kBF16 ? "BF16" : "I32";
}

}  // namespace

StoredTensor stored(const std::string& name, DType dtype, std::vector<int64_t> shape, std::span<const float> values) {
  StoredTensor tensor{name, stored_name(dtype), std::move(shape), {}};
  visit_floating(dtype, [&]<class T>() {
    for (const float value : values) {
      const T element = from_float<T>(value);
      tensor.bytes.append(reinterpret_cast<const char*>(&element), sizeof element);
    }
  });
  return tensor;
}

std::string safetensors_file(const std::string& header, const std::string& data) {
  const uint64_t length = header.size();
  std::string file(sizeof length, '\0');
  std::memcpy(file.data(), &length, sizeof length);
  return file + header + data;
}

std::string safetensors_file(std::span<const StoredTensor> tensors, size_t alignment, size_t misalignment) {
  nlohmann::ordered_json json{{"__metadata__", {{"format", "pt"}}}};
  std::string data;
  for (const StoredTensor& tensor : tensors) {
    const size_t begin = data.size();
    data += tensor.bytes;
    json[tensor.name] = {{"dtype", tensor.dtype}, {"shape", tensor.shape}, {"data_offsets", {begin, data.size()}}};
  }
  std::string header = json.dump();
  while ((sizeof(uint64_t) + header.size()) % alignment != misalignment) header += ' ';
  return safetensors_file(header, data);
}

void write_checkpoint(const std::filesystem::path& directory, const std::string& config_json,
                      std::span<const StoredTensor> tensors) {
  std::filesystem::create_directories(directory);
  write_file(directory / "config.json", config_json);
  write_file(directory / "model.safetensors", safetensors_file(tensors));
}

}  // namespace lockstep::testing_support
