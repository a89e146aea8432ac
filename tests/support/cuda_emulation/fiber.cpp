#include "tests/support/cuda_emulation/fiber.h"

#include <cstdio>
#include <cstdlib>
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

namespace lockstep::emulation {
namespace {

constexpr size_t kPage = 4096;
constexpr size_t kStackBytes = 256 * 1024;                     // reserved; only the pages touched are backed
constexpr size_t kMappingBytes = kStackBytes + 3 * kPage;      // guard page below, room for the colour above
constexpr size_t kColourStep = 5 * 64, kColours = kPage / 64;  // an odd number of cache lines walks through all of them

}  // namespace

Fiber::Fiber() {
#if defined(__SANITIZE_THREAD__)
  race_state_ = __tsan_get_current_fiber();
#endif
}

Fiber::Fiber(void (*entry)(void*), void* argument, size_t colour) : entry_(entry), argument_(argument) {
  mapping_ = mmap(nullptr, kMappingBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping_ == MAP_FAILED || mprotect(mapping_, kPage, PROT_NONE) != 0) {
    std::fprintf(stderr, "CUDA emulation: no memory for the stack of a thread\n");
    std::abort();
  }
  char* top = static_cast<char*>(mapping_) + kMappingBytes - colour * kColourStep % (kColours * 64);
  stack_bottom_ = static_cast<char*>(mapping_) + kPage;
  stack_bytes_ = static_cast<size_t>(top - static_cast<const char*>(stack_bottom_));
  context_ = boost::context::detail::make_fcontext(top, stack_bytes_, &Fiber::enter);
#if defined(__SANITIZE_THREAD__)
  race_state_ = __tsan_create_fiber(0);
#endif
}

Fiber::~Fiber() {
  if (mapping_ == nullptr) return;
#if defined(__SANITIZE_THREAD__)
  __tsan_destroy_fiber(race_state_);
#endif
#if defined(__SANITIZE_ADDRESS__)
  __asan_unpoison_memory_region(stack_bottom_, stack_bytes_);
#endif
  munmap(mapping_, kMappingBytes);
}

void Fiber::enter(boost::context::detail::transfer_t from) {
  Fiber* self = static_cast<Fiber**>(from.data)[1];
  self->arrive(from);
  self->entry_(self->argument_);
  std::abort();
}

}  // namespace lockstep::emulation
