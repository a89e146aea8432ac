#include "cache/disk/store_admin.h"
#include "core/error.h"
#include "launcher/commands/cache_warm.h"
#include "launcher/commands/command.h"
#include "launcher/commands/parse.h"

#include <charconv>
#include <cstdio>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace lockstep {
namespace {

constexpr double kMiB = 1024.0 * 1024.0;

double mebibytes(int64_t bytes) { return static_cast<double>(bytes) / kMiB; }

/// 32 hexadecimal digits, as inspect prints them.
Hash128 parse_content(const std::string& text) {
  constexpr size_t kDigits = 16;
  Hash128 content;
  const char* begin = text.data();
  const bool is_hex = text.size() == 2 * kDigits && text.find_first_not_of("0123456789abcdef") == std::string::npos;
  LS_REQUIRE(ConfigError, is_hex, "--content is '{}'; wanted are 32 hexadecimal digits as inspect prints them", text);
  std::from_chars(begin, begin + kDigits, content.high, 16);
  std::from_chars(begin + kDigits, begin + 2 * kDigits, content.low, 16);
  return content;
}

/// The options of all subcommands have the directory; `add` brings those of one.
template <class Add, class Check, class Run>
int run_subcommand(Communicator& world, const std::vector<std::string>& arguments, const char* usage,
                   const char* description, const Add& add, const Check& check_more, const Run& run) {
  std::string directory;
  OptionSet options(usage, description);
  options.group("Options");
  options.add("dir", &directory, "directory of the disk cache");
  add(options);
  const auto check = [&] {
    LS_REQUIRE(ConfigError, !directory.empty(), "--dir DIR is missing");
    check_more();
  };
  if (const auto code = parse_or_print(world, options, arguments, check)) return *code;
  return world.rank().value() == 0 ? run(directory) : 0;
}

void print_writers(const StoreScan& scan) {
  std::printf("\n%-16s %-8s %10s %8s %9s %12s %7s  %s\n", "writer", "state", "log bytes", "segments", "pages",
              "MiB long", "fill %", "content");
  for (const auto& [id, writer] : scan.writers) {
    int64_t pages = 0, places = 0;
    for (const auto& [index, segment] : writer.segments) {
      pages += segment.live_pages();
      places += writer.facts ? writer.facts->pages_per_segment : 0;
    }
    const std::string content = writer.facts     ? writer.facts->content.to_string()
                                : writer.has_log ? "log " + writer.problem
                                                 : "no log, and segments that are not understood";
    const double fill = places > 0 ? 100.0 * static_cast<double>(pages) / static_cast<double>(places) : 0.0;
    std::printf("%016llx %-8s %10lld %8zu %9lld %12.1f %7.1f  %s\n", static_cast<unsigned long long>(id),
                writer.is_live ? "live" : "ended", static_cast<long long>(writer.log_bytes), writer.segments.size(),
                static_cast<long long>(pages), mebibytes(writer.segment_bytes()), fill, content.c_str());
  }
}

int inspect(const std::string& directory) {
  const StoreScan scan = inspect_store(directory, std::make_shared<SystemCalls>());
  size_t num_segments = 0, num_unreadable = 0;
  int64_t bytes = 0, block_bytes = 0, live = 0;
  for (const auto& [id, writer] : scan.writers) {
    num_segments += writer.segments.size();
    bytes += writer.segment_bytes();
    for (const auto& [index, segment] : writer.segments) block_bytes += segment.block_bytes;
    live += writer.is_live ? 1 : 0;
    num_unreadable += writer.is_unreadable() ? writer.segments.size() : 0;
  }
  std::printf(
      "directory  %s\nwriters    %zu, %lld of them live\nsegments   %zu, %.1f MiB, of which %.1f occupy the disk\n",
      directory.c_str(), scan.writers.size(), static_cast<long long>(live), num_segments, mebibytes(bytes),
      mebibytes(block_bytes));
  if (num_unreadable > 0)
    std::printf(
        "unreadable %zu segments, %.1f MiB: of another version, or damaged; no job removes them, purge --all does\n",
        num_unreadable, mebibytes(scan.unreadable_segment_bytes()));
  std::printf("\n%-32s %7s %12s %6s %10s %12s %12s %12s %9s\n", "content", "layers", "layer bytes", "heads", "pages",
              "whole pages", "payload MiB", "stored MiB", "share %");
  for (const ContentSummary& content : summarise(scan)) {
    const RecordShape& shape = content.shape;
    const int64_t unpacked = content.payload_bytes / shape.payload_bytes() * shape.aligned_payload_bytes();
    const double share =
        unpacked > 0 ? 100.0 * static_cast<double>(content.stored_bytes) / static_cast<double>(unpacked) : 0.0;
    std::printf("%-32s %7lld %12lld %6d %10lld %12lld %12.1f %12.1f %9.1f\n", content.content.to_string().c_str(),
                static_cast<long long>(content.shape.num_layers), static_cast<long long>(content.shape.layer_bytes),
                content.num_heads, static_cast<long long>(content.pages), static_cast<long long>(content.whole_pages),
                mebibytes(content.payload_bytes), mebibytes(content.stored_bytes), share);
  }
  print_writers(scan);
  return 0;
}

int verify(const std::string& directory) {
  const Verified verified = verify_store(directory, std::make_shared<SystemCalls>(),
                                         [](const std::string& line) { std::printf("%s\n", line.c_str()); });
  std::printf("%lld records of one page and head, %.1f MiB, on the disk %.1f MiB: %lld bad\n",
              static_cast<long long>(verified.records), mebibytes(verified.bytes), mebibytes(verified.stored_bytes),
              static_cast<long long>(verified.bad));
  return verified.bad == 0 ? 0 : kExitFailure;
}

int purge(const std::string& directory, std::optional<Hash128> wanted, bool all) {
  const Purged purged = purge_store(directory, std::make_shared<SystemCalls>(), wanted, all);
  std::printf("removed %lld segments, %.1f MiB, and %lld logs; %lld segments are in use and stay\n",
              static_cast<long long>(purged.segments), mebibytes(purged.segment_bytes),
              static_cast<long long>(purged.logs), static_cast<long long>(purged.segments_in_use));
  if (purged.unreadable_segments > 0 && !all)
    std::printf("%lld segments, %.1f MiB, are of another version or damaged and stay: --all removes them\n",
                static_cast<long long>(purged.unreadable_segments), mebibytes(purged.unreadable_bytes));
  return 0;
}

constexpr const char* kUsage =
    "Usage: lockstep cache inspect|verify|warm|purge --dir DIR [options]\n\n"
    "Looks after the directory of a disk cache (cache.disk_dir), also while jobs use it.\n\n"
    "  inspect    print writers, segments, contents, pages, bytes\n"
    "  verify     read everything and check every checksum; exit code 1 if any is wrong\n"
    "  warm       compute the prompts of a requests file and keep them for jobs to come; under mpirun\n"
    "  purge      remove what no running job uses\n\n"
    "`lockstep cache SUBCOMMAND --help` lists a subcommand's options.\n";

int inspect_subcommand(Communicator& world, const std::vector<std::string>& arguments) {
  return run_subcommand(
      world, arguments, "lockstep cache inspect --dir DIR",
      "Prints what a disk cache holds: contents (model, format and numerics) with their pages, of which whole are\n"
      "those with every KV head, and writers, one for each rank of a job that wrote there. Segments of another "
      "version\n"
      "are told apart: they count against cache.disk_bytes until `lockstep cache purge --all` removes them.",
      [](OptionSet&) {}, [] {}, inspect);
}

int verify_subcommand(Communicator& world, const std::vector<std::string>& arguments) {
  return run_subcommand(
      world, arguments, "lockstep cache verify --dir DIR",
      "Reads every page and checks every checksum. Prints each bad record with its file and offset; the exit code is\n"
      "then 1. Jobs go on meanwhile. A bad page is never used: a job that meets it computes it again.",
      [](OptionSet&) {}, [] {}, verify);
}

int purge_subcommand(Communicator& world, const std::vector<std::string>& arguments) {
  std::string content;
  std::optional<Hash128> wanted;
  bool all = false;
  return run_subcommand(
      world, arguments, "lockstep cache purge --dir DIR [--content HEX] [--all]",
      "Removes pages of ended jobs. Files that a running job writes or reads stay.",
      [&](OptionSet& options) {
        options.add("content", &content, "only pages of this content: 32 hexadecimal digits, as inspect prints them");
        options.add("all", &all, "also files that are damaged or of another version; not with --content");
      },
      [&] {
        LS_REQUIRE(ConfigError, content.empty() || !all, "--content and --all do not go together");
        if (!content.empty()) wanted = parse_content(content);
      },
      [&](const std::string& directory) { return purge(directory, wanted, all); });
}

}  // namespace

int cache_command(const MpiEnvironment& mpi, Communicator& world, const std::vector<std::string>& arguments) {
  using Subcommand = int (*)(Communicator&, const std::vector<std::string>&);
  static const std::map<std::string, Subcommand> kSubcommands{
      {"inspect", inspect_subcommand}, {"purge", purge_subcommand}, {"verify", verify_subcommand}};
  const bool asks_help = !arguments.empty() && (arguments.front() == "--help" || arguments.front() == "-h");
  const auto subcommand = arguments.empty() ? kSubcommands.end() : kSubcommands.find(arguments.front());
  if (!arguments.empty() && arguments.front() == "warm")
    return cache_warm_command(mpi, world, {arguments.begin() + 1, arguments.end()});
  if (subcommand != kSubcommands.end()) return subcommand->second(world, {arguments.begin() + 1, arguments.end()});
  if (world.rank().value() == 0) {
    if (!arguments.empty() && !asks_help)
      std::fprintf(stderr, "lockstep cache: unknown subcommand '%s'\n", arguments.front().c_str());
    std::fputs(kUsage, asks_help ? stdout : stderr);
  }
  return asks_help ? 0 : kExitUsage;
}

}  // namespace lockstep
