#include "core/tensor_view.h"

#include <algorithm>

namespace lockstep {

Shape::Shape(std::initializer_list<int64_t> dims) : rank_(static_cast<int>(dims.size())) {
  LS_REQUIRE(ShapeError, dims.size() <= kMaxTensorRank, "{} axes; at most {} are supported", dims.size(),
             kMaxTensorRank);
  std::copy(dims.begin(), dims.end(), dims_.begin());
  for (const int64_t dim : dims) LS_REQUIRE(ShapeError, dim >= 0, "axis of size {}", dim);
}

int64_t Shape::num_elements() const {
  int64_t count = 1;
  for (int axis = 0; axis < rank_; ++axis) count *= (*this)[axis];
  return count;
}

std::string Shape::to_string() const {
  std::string text = "[";
  for (int axis = 0; axis < rank_; ++axis) text += fmt::format("{}{}", axis ? ", " : "", (*this)[axis]);
  return text + "]";
}

}  // namespace lockstep
