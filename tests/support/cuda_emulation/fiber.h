// Fibers: stacks of their own between which one OS thread switches without a system call (Boost.Context), with the
// sanitizers told of each switch. A fiber stays on the thread that made it.
#pragma once

#include <boost/context/detail/fcontext.hpp>
#include <cstddef>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#endif

namespace lockstep::emulation {

/// A suspended flow of control; default-constructed: the calling thread's own flow, to switch away from. Not movable.
class Fiber {
 public:
  Fiber();
  /// Runs `entry(argument)` when first switched to; `entry` never returns. `colour` shifts the stack's top, so that the
  /// tops of many fibers do not compete for the same cache lines.
  Fiber(void (*entry)(void*), void* argument, size_t colour);
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  /// Suspends this fiber, which must be the running one, and continues `to`; returns when something switches back.
  /// Inline, as are its callers: the processor foresees no return that comes after a change of stacks, so each level of
  /// calls costs more than the switch itself.
  [[gnu::always_inline]] void switch_to(Fiber& to) {
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(&fake_stack_, to.stack_bottom_, to.stack_bytes_);
#endif
#if defined(__SANITIZE_THREAD__)
    __tsan_switch_to_fiber(to.race_state_, 0);
#endif
    // The pair tells the fiber that continues where to find both ends of the switch.
    Fiber* ends[2] = {this, &to};
    arrive(boost::context::detail::jump_fcontext(to.context_, ends));
  }

 private:
  static void enter(boost::context::detail::transfer_t from);
  [[gnu::always_inline]] void arrive(boost::context::detail::transfer_t from) {
    Fiber* left = static_cast<Fiber**>(from.data)[0];
    left->context_ = from.fctx;
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(fake_stack_, &left->stack_bottom_, &left->stack_bytes_);
#endif
  }

  boost::context::detail::fcontext_t context_ = nullptr;
  void (*entry_)(void*) = nullptr;
  void* argument_ = nullptr;
  void* mapping_ = nullptr;
  const void* stack_bottom_ = nullptr;  // for the address sanitizer; of a thread's own flow known once it was left
  size_t stack_bytes_ = 0;
  void* fake_stack_ = nullptr;
  void* race_state_ = nullptr;  // the thread sanitizer's
};

}  // namespace lockstep::emulation
