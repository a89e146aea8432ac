#include "launcher/batch/compression.h"

#include "launcher/batch/gzip_stream.h"
#include "launcher/batch/zstd_stream.h"

#include <string_view>
#include <utility>

namespace lockstep {
namespace {

class CopyStream : public ByteStream {
 public:
  explicit CopyStream(ByteSink sink) : sink_(std::move(sink)) {}
  void push(std::span<const std::byte> bytes) override { sink_(bytes); }
  void finish() override {}

 private:
  ByteSink sink_;
};

}  // namespace

Compression compression_of_name(const std::filesystem::path& path) {
  const std::filesystem::path suffix = path.extension();
  if (suffix == ".gz") return Compression::kGzip;
  if (suffix == ".zst") return Compression::kZstd;
  return Compression::kNone;
}

Compression compression_of_magic(std::span<const std::byte> head) {
  const std::string_view text(reinterpret_cast<const char*>(head.data()), head.size());
  if (text.starts_with("\x1F\x8B")) return Compression::kGzip;
  if (text.starts_with("\x28\xB5\x2F\xFD")) return Compression::kZstd;
  // A skippable frame, as pzstd writes before its first: 0x184D2A50 … 5F, little-endian.
  const bool is_skippable = text.size() >= 4 && (text[0] & '\xF0') == '\x50' && text.substr(1, 3) == "\x2A\x4D\x18";
  return is_skippable ? Compression::kZstd : Compression::kNone;
}

std::unique_ptr<ByteStream> make_unpacker(Compression form, std::string name, ByteSink sink) {
  switch (form) {
    case Compression::kNone: break;
    case Compression::kGzip: return make_gzip_unpacker(std::move(name), std::move(sink));
    case Compression::kZstd: return make_zstd_unpacker(std::move(name), std::move(sink));
  }
  return std::make_unique<CopyStream>(std::move(sink));
}

std::unique_ptr<ByteStream> make_packer(Compression form, ByteSink sink) {
  switch (form) {
    case Compression::kNone: break;
    case Compression::kGzip: return make_gzip_packer(std::move(sink));
    case Compression::kZstd: return make_zstd_packer(std::move(sink));
  }
  return std::make_unique<CopyStream>(std::move(sink));
}

}  // namespace lockstep
