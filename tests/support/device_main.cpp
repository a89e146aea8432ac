// main of the tests that need a CUDA device, a real one or the emulation that LOCKSTEP_CUDA_MODULE names. Without one
// they are skipped visibly (exit code 77), or fail under LOCKSTEP_REQUIRE_GPU=1.
#include "core/cuda_module.h"

#include <cstdio>
#include <cstdlib>
#include <gtest/gtest.h>

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (!GTEST_FLAG_GET(list_tests) && !lockstep::cuda_status().is_ready()) {
    const char* const required = std::getenv("LOCKSTEP_REQUIRE_GPU");
    const bool is_required = required != nullptr && *required == '1';
    std::fprintf(stderr, "%s: %s\n", is_required ? "FAILED" : "SKIPPED", lockstep::cuda_status().reason.c_str());
    constexpr int kSkipped = 77;
    return is_required ? 1 : kSkipped;
  }
  return RUN_ALL_TESTS();
}
