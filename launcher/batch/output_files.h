// The end of a job: results and error rows go from the journal to their files, in input order, and the journal goes.
//
// Both files are written as `<name>.partial` and synced; then the error file gets its name, then the output, then the
// journal is removed, each durable before the next. Whoever sees the output sees the whole job; killed at any point,
// the same command finds the journal with all rows and does all of it again. What each line holds is the caller's
// business.
#pragma once

#include "launcher/batch/journal.h"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string_view>

namespace lockstep {

struct OutputPaths {
  /// Results. "-" is standard output; ".gz" and ".zst" pack.
  std::filesystem::path output{};
  /// Error rows; ".gz" and ".zst" pack. "" is default_errors_path(output). Made only if there are any, and an older one
  /// is removed if there are none.
  std::filesystem::path errors{};
};

/// A job is at one of these when it is killed; for tests.
using OutputStepHook = std::function<void(std::string_view step)>;

/// "<base>.errors.jsonl".
std::filesystem::path default_errors_path(const std::filesystem::path& base);

/// Throws ConfigError for paths that write_output_files would refuse: no path, both the same, errors to "-", errors
/// by default beside "-", or a place that is no regular file. To be called before a job computes anything.
void check_output_paths(const OutputPaths& paths);

/// Writes the files of a journal in which all rows are finished, then removes it; nothing may be done with it then.
/// `hook` is called after each step that changes something on disk, with the step's name.
/// Throws: ConfigError as check_output_paths; IoError naming the file that cannot be written (full disk, broken pipe),
///         or the row whose record in the journal is damaged. The journal stays then, partial files do not, and the
///         same command tries again.
void write_output_files(Journal& journal, const OutputPaths& paths, const OutputStepHook& hook = {});

}  // namespace lockstep
