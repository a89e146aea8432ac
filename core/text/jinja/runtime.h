// What a rendering carries along: its budget, its clock, and how deep it is.
#pragma once

#include "core/text/jinja/limits.h"

#include <chrono>
#include <functional>

namespace lockstep::jinja {

using Clock = std::function<std::chrono::system_clock::time_point()>;

class Runtime {
 public:
  explicit Runtime(Clock clock) : clock_(std::move(clock)) {}

  Budget& budget() { return budget_; }
  std::chrono::system_clock::time_point now() const { return clock_(); }

  /// Counts a nested evaluation for as long as it lives. Throws Fault at the bound.
  class Level {
   public:
    Level(int& depth, int most, const char* what) : depth_(depth) {
      if (depth_ >= most) fail("{} nested deeper than {}", what, most);
      ++depth_;
    }
    ~Level() { --depth_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;

   private:
    int& depth_;
  };
  Level evaluation() { return Level(evaluation_depth_, kMaxEvaluationDepth, "evaluations"); }
  Level call() { return Level(call_depth_, kMaxCallDepth, "calls"); }

 private:
  Budget budget_;
  Clock clock_;
  int evaluation_depth_ = 0;
  int call_depth_ = 0;
};

}  // namespace lockstep::jinja
