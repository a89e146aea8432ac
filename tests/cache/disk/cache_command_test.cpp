// `lockstep cache` as a user starts it, without mpirun.
#include "tests/cache/disk/store_pages.h"
#include "tests/support/temporary_directory.h"

#include <cstdio>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <string>
#include <sys/wait.h>

namespace lockstep {
namespace {

using namespace testing_support;

struct Ran {
  int exit_code = -1;
  std::string output;  // both streams
};

Ran run(const std::string& arguments) {
  const std::string command = std::string(LOCKSTEP_PROGRAM) + " cache " + arguments + " 2>&1";
  Ran ran;
  FILE* pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) return ran;
  for (int c = std::fgetc(pipe); c != EOF; c = std::fgetc(pipe)) ran.output.push_back(static_cast<char>(c));
  const int status = ::pclose(pipe);
  if (WIFEXITED(status)) ran.exit_code = WEXITSTATUS(status);
  return ran;
}

void expect(const Ran& ran, int exit_code, const std::vector<std::string>& parts) {
  EXPECT_EQ(ran.exit_code, exit_code) << ran.output;
  for (const std::string& part : parts)
    EXPECT_NE(ran.output.find(part), std::string::npos) << part << "\n" << ran.output;
}

TEST(CacheCommand, HelpAndMistakes) {
  expect(run("--help"), 0, {"inspect", "verify", "purge"});
  expect(run("inspect --help"), 0, {"--dir"});
  expect(run("verify --help"), 0, {"--dir", "exit code"});
  expect(run("purge --help"), 0, {"--dir", "--content", "--all"});
  expect(run(""), 2, {"Usage"});
  expect(run("polish"), 2, {"unknown subcommand 'polish'"});
  expect(run("inspect"), 2, {"--dir DIR is missing"});
  const TemporaryDirectory directory;
  const std::string dir = " --dir " + directory.path().string();
  expect(run("verify" + dir), 1, {"is no disk cache"});
  EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
  expect(run("purge --content 12" + dir), 2, {"32 hexadecimal digits"});
  expect(run("purge --all --content 00000000000000020000000000000001" + dir), 2, {"do not go together"});
}

TEST(CacheCommand, PackedPages) {
  const TemporaryDirectory directory;
  const std::string dir = " --dir " + directory.path().string();
  DiskStoreOptions options = small_store(directory.path());
  options.shape = {3, 30'000};
  options.packing_level = 1;
  DiskStoreBytes bytes;
  {
    DiskStore store(options);
    put_pages(store, options, keys_of(0, 4));
    bytes = store.bytes();
  }
  const auto mebibytes = [](int64_t number) { return static_cast<double>(number) / (1 << 20); };
  const double share = 100.0 * static_cast<double>(bytes.written_stored) / static_cast<double>(bytes.written);
  EXPECT_LT(share, 80);
  expect(run("inspect" + dir), 0,
         {"occupy the disk", "stored MiB", "share %",
          fmt::format("{:12.1f} {:12.1f} {:9.1f}", mebibytes(8 * 90'000), mebibytes(bytes.written_stored), share)});
  expect(run("verify" + dir), 0, {"8 records of one page and head", ": 0 bad"});
}

TEST(CacheCommand, InspectVerifyPurge) {
  const TemporaryDirectory directory;
  const std::string dir = " --dir " + directory.path().string();
  const DiskStoreOptions options = small_store(directory.path());
  const std::string content = options.content.to_string();
  {
    DiskStore store(options);
    put_pages(store, options, keys_of(0, 5));
    expect(run("inspect" + dir), 0, {"writers    1, 1 of them live", "segments   1", content, " live "});
  }
  expect(run("inspect" + dir), 0, {"writers    1, 0 of them live", " ended "});
  expect(run("verify" + dir), 0, {"10 records of one page and head", ": 0 bad"});
  const auto segment = files_of(directory.path(), ".seg").at(0);
  std::string bytes = read_file(segment);
  bytes[4096 + 4096 + 5] ^= 1;  // page 0, head 1, layer 0
  write_file(segment, bytes);
  expect(run("verify" + dir), 1, {segment.string() + " at 8192: page", "head 1: layer 0", ": 1 bad"});
  expect(run("purge --content 000000000000000f000000000000000f" + dir), 0, {"removed 0 segments"});
  EXPECT_EQ(run("inspect" + dir).output.find("unreadable"), std::string::npos);
  const auto log = files_of(directory.path(), ".log").at(0);
  const std::string good_log = read_file(log);
  std::string old_log = good_log;
  old_log[8] = 1;
  write_file(log, old_log);
  expect(run("inspect" + dir), 0, {"unreadable 1 segments", "another version", "log has version 1", "purge --all"});
  expect(run("purge" + dir), 0, {"removed 0 segments", "1 segments, ", "and stay: --all removes them"});
  write_file(log, good_log);
  expect(run("purge --content " + content + dir), 0, {"removed 1 segments", "and 1 logs"});
  EXPECT_TRUE(files_of(directory.path(), ".seg").empty());
  EXPECT_TRUE(files_of(directory.path(), ".log").empty());
}

}  // namespace
}  // namespace lockstep
