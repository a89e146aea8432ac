#include "launcher/batch/output_files.h"

#include "core/error.h"
#include "launcher/batch/journal_reader.h"
#include "launcher/batch/output_stream.h"

#include <optional>
#include <system_error>

namespace lockstep {
namespace {

namespace fs = std::filesystem;

fs::path errors_of(const OutputPaths& paths) {
  return paths.errors.empty() ? default_errors_path(paths.output) : paths.errors;
}

void require_file_or_nothing(const fs::path& path, std::string_view what) {
  LS_REQUIRE(ConfigError, !is_no_file(path), "{} {} is not a regular file", what, path.string());
}

bool is_same_place(const fs::path& a, const fs::path& b) {
  std::error_code ignored;  // "" for both is no place
  const fs::path place = fs::weakly_canonical(a, ignored);
  return a == b || (!place.empty() && place == fs::weakly_canonical(b, ignored));
}

void remove_durably(const fs::path& path) {
  if (remove_file(path)) sync_directory_of(path);
}

}  // namespace

fs::path default_errors_path(const fs::path& base) {
  fs::path path = base;
  return path += ".errors.jsonl";
}

void check_output_paths(const OutputPaths& paths) {
  LS_REQUIRE(ConfigError, !paths.output.empty(), "a job needs an output");
  LS_REQUIRE(ConfigError, paths.output != "-" || !paths.errors.empty(),
             "a job that writes to standard output needs a path for its error rows");
  const fs::path errors = errors_of(paths);
  LS_REQUIRE(ConfigError, errors != "-", "error rows need a file, not standard output");
  LS_REQUIRE(ConfigError, !is_same_place(errors, paths.output),
             "results and error rows need different files, both are {}", errors.string());
  if (paths.output != "-") require_file_or_nothing(paths.output, "output");
  require_file_or_nothing(errors, "error file");
}

void write_output_files(Journal& journal, const OutputPaths& paths, const OutputStepHook& hook) {
  LS_CHECK(journal.num_finished() == journal.num_rows(), "only {} of {} rows are finished", journal.num_finished(),
           journal.num_rows());
  check_output_paths(paths);
  const auto done = [&](std::string_view step) {
    if (hook) hook(step);
  };
  journal.flush();
  done("journal synced");

  const fs::path errors_path = errors_of(paths);
  const bool has_errors = journal.num_failed() > 0;
  std::optional<OutputStream> errors;
  if (has_errors) errors.emplace(errors_path);
  OutputStream results(paths.output);
  done("partial files made");
  for_each_row_in_order(journal, [&](int64_t, RowKind kind, std::string_view line) {
    (kind == RowKind::kError ? *errors : results).write_line(line);
  });
  done("rows written");
  if (has_errors) errors->finish();
  results.finish();
  done("partial files synced");

  if (has_errors) {
    errors->commit();
  } else {
    remove_durably(partial_path(errors_path));
    remove_durably(errors_path);
  }
  done("error file in place");
  results.commit();
  done("output in place");
  journal.remove();
  done("journal removed");
}

}  // namespace lockstep
