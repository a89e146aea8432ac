#include "launcher/batch/input_source.h"

#include "launcher/batch/compression.h"
#include "tests/launcher/batch/full_disk.h"
#include "tests/support/expect_throw.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

namespace lockstep {
namespace {

using testing_support::expect_throw;
using testing_support::read_file;
using testing_support::SmallDisk;
using testing_support::TemporaryDirectory;
using testing_support::write_file;

std::string pack(Compression form, std::string_view text) {
  std::string out;
  const auto packer = make_packer(form, [&](std::span<const std::byte> bytes) {
    out.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  });
  packer->push(std::as_bytes(std::span(text)));
  packer->finish();
  return out;
}

/// Puts a file in the place of standard input while it lives.
class StandardInput {
 public:
  explicit StandardInput(const std::filesystem::path& path) : before_(::dup(STDIN_FILENO)) {
    const int file = ::open(path.c_str(), O_RDONLY);
    ::dup2(file, STDIN_FILENO);
    ::close(file);
  }
  ~StandardInput() {
    ::dup2(before_, STDIN_FILENO);
    ::close(before_);
  }
  StandardInput(const StandardInput&) = delete;
  StandardInput& operator=(const StandardInput&) = delete;

 private:
  int before_;
};

class InputSourceTest : public testing::Test {
 protected:
  /// The rows that a source gives for a file of this name and content.
  std::string rows_of(const std::string& name, std::string_view content) {
    write_file(dir_ / name, content);
    const InputSource source(dir_ / name, spool_);
    EXPECT_TRUE(source.is_spooled());
    EXPECT_EQ(source.file(), spool_);
    EXPECT_EQ(source.name(), (dir_ / name).string());
    return read_file(source.file());
  }
  void expect_no_spool() const { EXPECT_FALSE(std::filesystem::exists(spool_)); }

  TemporaryDirectory dir_;
  std::filesystem::path spool_ = spool_path(dir_ / "out.jsonl");
  const std::string rows_ = "{\"prompt\":\"a\"}\n{\"prompt\":\"b\"}\n";
};

TEST_F(InputSourceTest, APlainFileIsUsedAsItIs) {
  write_file(dir_ / "in.jsonl", rows_);
  {
    InputSource source(dir_ / "in.jsonl", spool_);
    EXPECT_FALSE(source.is_spooled());
    EXPECT_EQ(source.file(), dir_ / "in.jsonl");
    source.remove_spool();
  }
  expect_no_spool();
  EXPECT_EQ(read_file(dir_ / "in.jsonl"), rows_) << "the input is never removed";
}

TEST_F(InputSourceTest, PackedFilesAreUnpackedAndTheSpoolGoesInTheEnd) {
  EXPECT_EQ(spool_, dir_ / "out.jsonl.input");
  EXPECT_EQ(rows_of("in.jsonl.gz", pack(Compression::kGzip, rows_)), rows_);
  expect_no_spool();
  EXPECT_EQ(rows_of("in.jsonl.zst", pack(Compression::kZstd, rows_)), rows_);
  EXPECT_EQ(rows_of("two.gz", pack(Compression::kGzip, rows_) + pack(Compression::kGzip, "x")), rows_ + "x");
  EXPECT_EQ(rows_of("two.zst", pack(Compression::kZstd, rows_) + pack(Compression::kZstd, "x")), rows_ + "x");
  // A name that does not say it.
  EXPECT_EQ(rows_of("in.jsonl", pack(Compression::kGzip, rows_)), rows_);
  EXPECT_EQ(rows_of("in", pack(Compression::kZstd, rows_)), rows_);
  expect_no_spool();
}

TEST_F(InputSourceTest, TheSpoolIsWrittenAnew) {
  write_file(spool_, std::string(1000, 'x'));  // of a run that was killed
  EXPECT_EQ(rows_of("in.gz", pack(Compression::kGzip, rows_)), rows_);
}

TEST_F(InputSourceTest, StandardInputIsSpooledInEveryForm) {
  for (const Compression form : {Compression::kNone, Compression::kGzip, Compression::kZstd}) {
    write_file(dir_ / "in", pack(form, rows_));
    const StandardInput stdin_is(dir_ / "in");
    const InputSource source("-", spool_);
    EXPECT_EQ(source.name(), "standard input");
    EXPECT_EQ(read_file(source.file()), rows_) << static_cast<int>(form);
  }
  expect_no_spool();
}

TEST_F(InputSourceTest, PipesAreSpooledThoughTheirBytesComeSlowly) {
  for (const Compression form : {Compression::kNone, Compression::kGzip, Compression::kZstd}) {
    const auto pipe = dir_ / "pipe";
    std::filesystem::remove(pipe);
    ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
    std::thread writer([&] {
      File file(pipe, O_WRONLY);
      const std::string packed = pack(form, rows_);
      for (const char& byte : packed) file.write_next(std::as_bytes(std::span(&byte, 1)));
    });
    const InputSource source(pipe, spool_);
    writer.join();
    EXPECT_EQ(read_file(source.file()), rows_) << static_cast<int>(form);
  }
}

TEST_F(InputSourceTest, ManyPiecesPassThroughWhole) {
  std::string text;
  for (int64_t i = 0; i < 400000; ++i) text += std::to_string(i * 7919) + "\n";
  EXPECT_TRUE(rows_of("in.gz", pack(Compression::kGzip, text)) == text);
  EXPECT_TRUE(rows_of("in.zst", pack(Compression::kZstd, text)) == text);
}

TEST_F(InputSourceTest, DamagedAndCutOffDataIsRefusedByName) {
  for (const auto& [name, form] : {std::pair("in.gz", Compression::kGzip), std::pair("in.zst", Compression::kZstd)}) {
    const std::string packed = pack(form, rows_);
    for (size_t bytes = 0; bytes < packed.size(); ++bytes) {
      write_file(dir_ / name, packed.substr(0, bytes));
      expect_throw<FormatError>([&] { InputSource(dir_ / name, spool_); }, {name, "is cut off"});
      expect_no_spool();
    }
    write_file(dir_ / name, rows_);
    expect_throw<FormatError>([&] { InputSource(dir_ / name, spool_); }, {name, "is damaged or not "});
    write_file(dir_ / name, packed + "\n");
    EXPECT_THROW(InputSource(dir_ / name, spool_), FormatError);
    expect_no_spool();
  }
}

TEST_F(InputSourceTest, WhatCannotBeReadIsRefused) {
  expect_throw<IoError>([&] { InputSource(dir_ / "none", spool_); }, {"cannot open ", "/none: No such file"});
  expect_throw<IoError>([&] { InputSource(dir_ / "none.gz", spool_); }, {"cannot open ", "/none.gz: No such file"});
  expect_throw<IoError>([&] { InputSource(dir_.path(), spool_); }, {"cannot read ", "it is a directory"});
  write_file(dir_ / "in.gz", pack(Compression::kGzip, rows_));
  expect_throw<IoError>([&] { InputSource(dir_ / "in.gz", dir_ / "none/spool"); }, {"cannot open ", "none/spool"});
  expect_no_spool();
}

TEST_F(InputSourceTest, ASecondJobDoesNotWriteTheSpoolUnderTheFirst) {
  write_file(dir_ / "in.gz", pack(Compression::kGzip, rows_));
  write_file(dir_ / "other.gz", pack(Compression::kGzip, "other"));
  const InputSource first(dir_ / "in.gz", spool_);
  expect_throw<IoError>([&] { InputSource(dir_ / "other.gz", spool_); },
                        {"another job is writing ", "out.jsonl.input"});
  EXPECT_EQ(read_file(first.file()), rows_);
}

TEST_F(InputSourceTest, AFullDiskNamesTheSpool) {
  const SmallDisk disk(64 << 10);
  if (!disk.is_mounted()) GTEST_SKIP() << "mounting a tmpfs takes root";
  write_file(dir_ / "in.gz", pack(Compression::kGzip, std::string(1 << 20, 'x')));
  expect_throw<IoError>([&] { InputSource(dir_ / "in.gz", disk / "spool"); },
                        {"cannot write ", "/spool: No space left on device"});
  EXPECT_FALSE(std::filesystem::exists(disk / "spool"));
}

}  // namespace
}  // namespace lockstep
