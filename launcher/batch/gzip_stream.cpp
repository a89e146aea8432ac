#include "launcher/batch/gzip_stream.h"

#include "core/error.h"

#define ZLIB_CONST
#include <algorithm>
#include <utility>
#include <vector>
#include <zlib.h>

namespace lockstep {
namespace {

constexpr size_t kOutBytes = size_t{256} << 10;
/// zlib counts in 32 bits.
constexpr size_t kMaxPieceBytes = size_t{1} << 30;
/// Largest window; 16 more asks zlib for gzip instead of its own header.
constexpr int kGzipWindowBits = MAX_WBITS + 16;
constexpr int kMemoryLevel = 8;  // zlib's default

class GzipStream : public ByteStream {
 public:
  explicit GzipStream(ByteSink sink) : sink_(std::move(sink)), out_(kOutBytes) {}
  GzipStream(const GzipStream&) = delete;
  GzipStream& operator=(const GzipStream&) = delete;

  void push(std::span<const std::byte> bytes) override {
    while (!bytes.empty()) {
      const auto piece = bytes.first(std::min(bytes.size(), kMaxPieceBytes));
      z_.next_in = reinterpret_cast<const Bytef*>(piece.data());
      z_.avail_in = static_cast<uInt>(piece.size());
      consume();
      bytes = bytes.subspan(piece.size());
    }
  }

 protected:
  virtual void consume() = 0;
  void clear_out() {
    z_.next_out = reinterpret_cast<Bytef*>(out_.data());
    z_.avail_out = static_cast<uInt>(out_.size());
  }
  void give_out() { sink_(std::span(out_).first(out_.size() - z_.avail_out)); }

  z_stream z_{};

 private:
  ByteSink sink_;
  std::vector<std::byte> out_;
};

class GzipUnpacker : public GzipStream {
 public:
  GzipUnpacker(std::string name, ByteSink sink) : GzipStream(std::move(sink)), name_(std::move(name)) {
    LS_REQUIRE(Error, inflateInit2(&z_, kGzipWindowBits) == Z_OK, "zlib cannot start");
  }
  ~GzipUnpacker() override { inflateEnd(&z_); }

  void finish() override {
    LS_REQUIRE(FormatError, is_member_done_, "{} is cut off: its gzip data ends after {} bytes of content", name_,
               num_unpacked_);
  }

 private:
  void consume() override {
    do {
      if (is_member_done_) inflateReset(&z_);  // another member follows
      clear_out();
      const auto before = z_.avail_out;
      const int code = inflate(&z_, Z_NO_FLUSH);
      // Z_BUF_ERROR: all input was used and all output given; more input will help.
      if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR)
        LS_THROW(FormatError, "{} is damaged or not gzip data ({}) after {} bytes of content", name_,
                 z_.msg != nullptr ? z_.msg : zError(code), num_unpacked_);
      num_unpacked_ += before - z_.avail_out;
      is_member_done_ = code == Z_STREAM_END;
      give_out();
    } while (z_.avail_in > 0 || (z_.avail_out == 0 && !is_member_done_));
  }

  std::string name_;
  int64_t num_unpacked_ = 0;
  bool is_member_done_ = false;
};

class GzipPacker : public GzipStream {
 public:
  explicit GzipPacker(ByteSink sink) : GzipStream(std::move(sink)) {
    // Without deflateSetHeader the header has no name and time 0.
    const int code =
        deflateInit2(&z_, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kGzipWindowBits, kMemoryLevel, Z_DEFAULT_STRATEGY);
    LS_REQUIRE(Error, code == Z_OK, "zlib cannot start");
  }
  ~GzipPacker() override { deflateEnd(&z_); }

  void finish() override { deflate_all(Z_FINISH); }

 private:
  void consume() override { deflate_all(Z_NO_FLUSH); }
  void deflate_all(int flush) {
    do {
      clear_out();
      deflate(&z_, flush);  // cannot fail: the state is consistent and there is room
      give_out();
    } while (z_.avail_out == 0);
  }
};

}  // namespace

std::unique_ptr<ByteStream> make_gzip_unpacker(std::string name, ByteSink sink) {
  return std::make_unique<GzipUnpacker>(std::move(name), std::move(sink));
}

std::unique_ptr<ByteStream> make_gzip_packer(ByteSink sink) { return std::make_unique<GzipPacker>(std::move(sink)); }

}  // namespace lockstep
