#include "cache/disk/writer_log.h"

#include "cache/disk/store_cleaning.h"
#include "cache/disk/store_files.h"
#include "core/error.h"

#include <utility>
#include <vector>

namespace lockstep {

WriterLog::WriterLog(const std::filesystem::path& directory, const WriterFacts& facts,
                     std::shared_ptr<SystemCalls> calls)
    : directory_(directory), facts_(facts), calls_(std::move(calls)) {
  const std::string problem = rewrite({});
  LS_REQUIRE(IoError, problem.empty(), "cannot make {}: {}", log_path(directory_, facts_.writer).string(), problem);
}

std::string WriterLog::append(std::span<const LogEntry> entries) {
  if (entries.empty()) return {};
  if (!broken_.empty()) return broken_;
  std::vector<std::byte> bytes;
  for (size_t i = 0; i < entries.size(); ++i) {
    const auto entry = encode_entry(facts_, static_cast<uint64_t>(num_entries_) + i, entries[i]);
    bytes.insert(bytes.end(), entry.begin(), entry.end());
  }
  int error = write_all(*calls_, file_.fd(), bytes, end_);
  if (error == 0) error = calls_->sync(file_.fd());
  if (error == 0) {
    end_ += static_cast<int64_t>(bytes.size());
    num_entries_ += static_cast<int64_t>(entries.size());
    return {};
  }
  const std::string problem = "the log refuses: " + error_text(error);
  // What was written may be valid entries already: a later, shorter group would leave the rest of them behind itself.
  error = calls_->truncate(file_.fd(), end_);
  if (error == 0) error = calls_->sync(file_.fd());
  if (error != 0) broken_ = "the log is broken: " + error_text(error);
  return problem;
}

std::string WriterLog::rewrite(std::span<const LogEntry> entries) {
  if (!broken_.empty()) return broken_;
  NewLog log = replace_log(directory_, facts_, entries, calls_);
  if (log.is_replaced) {
    file_ = std::move(log.file);
    end_ = log.bytes;
    num_entries_ = static_cast<int64_t>(entries.size());
    if (!log.problem.empty()) broken_ = "the log is broken: " + log.problem;
  }
  return log.problem;
}

void WriterLog::remove() { calls_->unlink(log_path(directory_, facts_.writer)); }

}  // namespace lockstep
