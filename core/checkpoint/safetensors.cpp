#include "core/checkpoint/safetensors.h"

#include "core/buffer.h"
#include "core/checkpoint/file_mapping.h"
#include "core/checkpoint/json_reader.h"
#include "core/checkpoint/safetensors_header.h"

#include <cstring>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>

namespace lockstep {
namespace {

/// The dtype of a view, or nothing where views do not hold it.
std::optional<DType> view_dtype(std::string_view dtype) {
  if (dtype == "F32") return DType::kF32;
  if (dtype == "F16") return DType::kF16;
  if (dtype == "BF16") return DType::kBF16;
  return std::nullopt;
}

Shape shape_of(const std::vector<int64_t>& dims) {
  switch (dims.size()) {
    case 0: return {};
    case 1: return {dims[0]};
    case 2: return {dims[0], dims[1]};
    case 3: return {dims[0], dims[1], dims[2]};
    default: return {dims[0], dims[1], dims[2], dims[3]};
  }
}

}  // namespace

struct SafetensorsFile::Impl {
  explicit Impl(const std::filesystem::path& file_path)
      : path(file_path), mapping(file_path), header(parse_safetensors_header(mapping.bytes(), file_path.string())) {}

  const SafetensorsEntry& entry(const std::string& name) const {
    const auto found = header.entries.find(name);
    LS_REQUIRE(FormatError, found != header.entries.end(), "{}: no tensor {}", path.string(), shown(name));
    return found->second;
  }

  std::span<const std::byte> bytes_of(const SafetensorsEntry& entry) const {
    return mapping.bytes().subspan(static_cast<size_t>(header.data_offset + entry.begin),
                                   static_cast<size_t>(entry.end - entry.begin));
  }

  const void* aligned_copy(const std::string& name, std::span<const std::byte> bytes) {
    const std::lock_guard lock(copies_mutex);
    const auto [it, is_new] = copies.try_emplace(name);
    if (is_new) {
      it->second = Buffer(static_cast<int64_t>(bytes.size()));
      std::memcpy(it->second.data(), bytes.data(), bytes.size());
    }
    return it->second.data();
  }

  std::filesystem::path path;
  FileMapping mapping;
  SafetensorsHeader header;
  std::mutex copies_mutex;
  std::map<std::string, Buffer> copies;  // of misaligned tensors that were used
};

SafetensorsFile::SafetensorsFile(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SafetensorsFile::SafetensorsFile(SafetensorsFile&&) noexcept = default;
SafetensorsFile& SafetensorsFile::operator=(SafetensorsFile&&) noexcept = default;
SafetensorsFile::~SafetensorsFile() = default;

SafetensorsFile SafetensorsFile::open(const std::filesystem::path& path) {
  return SafetensorsFile(std::make_unique<Impl>(path));
}

const std::filesystem::path& SafetensorsFile::path() const { return impl_->path; }
const std::map<std::string, SafetensorsEntry>& SafetensorsFile::entries() const { return impl_->header.entries; }
std::string_view SafetensorsFile::header() const { return impl_->header.json; }
int64_t SafetensorsFile::file_bytes() const { return static_cast<int64_t>(impl_->mapping.bytes().size()); }

std::span<const std::byte> SafetensorsFile::bytes(const std::string& name) const {
  return impl_->bytes_of(impl_->entry(name));
}

ConstTensorView SafetensorsFile::tensor(const std::string& name) const {
  const SafetensorsEntry& entry = impl_->entry(name);
  const std::optional<DType> dtype = view_dtype(entry.dtype);
  LS_REQUIRE(FormatError, dtype.has_value(), "{}: tensor {} is stored as {}; accepted: F32, F16, BF16", path().string(),
             shown(name), entry.dtype);
  LS_REQUIRE(FormatError, entry.shape.size() <= kMaxTensorRank, "{}: tensor {} has {} axes; at most {} are supported",
             path().string(), shown(name), entry.shape.size(), kMaxTensorRank);
  const std::span<const std::byte> bytes = impl_->bytes_of(entry);
  const void* data = bytes.data();
  if (reinterpret_cast<uintptr_t>(data) % static_cast<uintptr_t>(size_of(*dtype)) != 0)
    data = impl_->aligned_copy(name, bytes);
  return ConstTensorView(data, *dtype, shape_of(entry.shape));
}

}  // namespace lockstep
