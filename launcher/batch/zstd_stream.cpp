#include "launcher/batch/zstd_stream.h"

#include "core/error.h"

#include <utility>
#include <vector>
#include <zstd.h>

namespace lockstep {
namespace {

struct FreeContext {
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
};

class ZstdUnpacker : public ByteStream {
 public:
  ZstdUnpacker(std::string name, ByteSink sink)
      : name_(std::move(name)), sink_(std::move(sink)), context_(ZSTD_createDCtx()), out_(ZSTD_DStreamOutSize()) {
    LS_REQUIRE(Error, context_, "libzstd cannot start");
  }

  void push(std::span<const std::byte> bytes) override {
    if (bytes.empty()) return;
    ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
    bool is_out_full = false;
    do {
      ZSTD_outBuffer out{out_.data(), out_.size(), 0};
      pending_ = ZSTD_decompressStream(context_.get(), &out, &in);
      if (ZSTD_isError(pending_) != 0)
        LS_THROW(FormatError, "{} is damaged or not zstd data ({}) after {} bytes of content", name_,
                 ZSTD_getErrorName(pending_), num_unpacked_);
      num_unpacked_ += static_cast<int64_t>(out.pos);
      sink_(std::span(out_).first(out.pos));
      is_out_full = out.pos == out.size;
    } while (in.pos < in.size || (is_out_full && pending_ != 0));
  }

  void finish() override {
    LS_REQUIRE(FormatError, pending_ == 0, "{} is cut off: its zstd data ends after {} bytes of content", name_,
               num_unpacked_);
  }

 private:
  std::string name_;
  ByteSink sink_;
  std::unique_ptr<ZSTD_DCtx, FreeContext> context_;
  std::vector<std::byte> out_;
  /// 0 when a frame has ended; at the beginning one must come.
  size_t pending_ = 1;
  int64_t num_unpacked_ = 0;
};

class ZstdPacker : public ByteStream {
 public:
  explicit ZstdPacker(ByteSink sink)
      : sink_(std::move(sink)), context_(ZSTD_createCCtx()), out_(ZSTD_CStreamOutSize()) {
    LS_REQUIRE(Error, context_, "libzstd cannot start");
    ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_checksumFlag, 1);
  }

  void push(std::span<const std::byte> bytes) override { pack(bytes, ZSTD_e_continue); }
  void finish() override { pack({}, ZSTD_e_end); }

 private:
  void pack(std::span<const std::byte> bytes, ZSTD_EndDirective directive) {
    ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
    size_t pending = 0;
    do {
      ZSTD_outBuffer out{out_.data(), out_.size(), 0};
      pending = ZSTD_compressStream2(context_.get(), &out, &in, directive);
      LS_REQUIRE(Error, ZSTD_isError(pending) == 0, "libzstd cannot compress: {}", ZSTD_getErrorName(pending));
      sink_(std::span(out_).first(out.pos));
    } while (in.pos < in.size || (directive == ZSTD_e_end && pending != 0));
  }

  ByteSink sink_;
  std::unique_ptr<ZSTD_CCtx, FreeContext> context_;
  std::vector<std::byte> out_;
};

}  // namespace

std::unique_ptr<ByteStream> make_zstd_unpacker(std::string name, ByteSink sink) {
  return std::make_unique<ZstdUnpacker>(std::move(name), std::move(sink));
}

std::unique_ptr<ByteStream> make_zstd_packer(ByteSink sink) { return std::make_unique<ZstdPacker>(std::move(sink)); }

}  // namespace lockstep
