// Finds rows whose id an earlier row has: 8 bytes a row for a hash, and 8 more while find() runs. A hash only points
// out candidates; ids themselves decide. Part of row_index.h.
#pragma once

#include "launcher/batch/block_vector.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lockstep {

class DuplicateFinder {
 public:
  struct Duplicate {
    int64_t row = 0;
    /// The first row with the same id.
    int64_t first = 0;
  };

  /// The id of the next row, or nothing if it has none. An id that find()'s `read_id` does not confirm does no harm.
  void add(std::optional<std::string_view> id);
  /// All rows whose id an earlier row has, ascending. `read_id` gives the id of a row; it is asked for rows only whose
  /// hash another row has. Call once.
  std::vector<Duplicate> find(const std::function<std::optional<std::string>(int64_t)>& read_id);

 private:
  /// Ascending, each once.
  std::vector<uint64_t> repeated_hashes() const;

  BlockVector<uint64_t> hashes_;
};

}  // namespace lockstep
