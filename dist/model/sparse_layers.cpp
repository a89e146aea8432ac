#include "dist/model/sparse_layers.h"

#include <fmt/format.h>

namespace lockstep {

std::string SparseLayers::text() const {
  return fmt::format("ratio {}{}, dense below {}, {} dense layers, sink {}, recent {}, least {}, mass {}", rule_.ratio,
                     ratios_.is_empty() ? "" : ", by layer " + ratios_.text(), rule_.dense_below, rule_.dense_layers,
                     rule_.sink_pages, rule_.recent_pages, rule_.least_pages, rule_.mass);
}

}  // namespace lockstep
