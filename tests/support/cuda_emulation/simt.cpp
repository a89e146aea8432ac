#include "tests/support/cuda_emulation/simt.h"

#include "tests/support/cuda_emulation/fiber.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

constinit thread_local uint3 threadIdx = {};
constinit thread_local uint3 blockIdx = {};
constinit thread_local dim3 blockDim = {};
constinit thread_local dim3 gridDim = {};

namespace lockstep::emulation {
namespace {

constexpr size_t kWarp = 32, kMaxThreads = 1024;
constexpr size_t kSharedAlignment = 1024;
constexpr int kNone = -1;

struct PendingCopy {
  void* to;
  const void* from;
  uint32_t bytes;
  bool is_valid;
};

/// One thread of the block.
struct Lane {
  Fiber* fiber = nullptr;  // once started, until returned
  uint3 index{};
  std::vector<PendingCopy> copies;     // oldest first
  std::vector<size_t> committed_ends;  // of groups, in `copies`
};

/// Where lanes of one mask meet. Two sets of values: lanes of the last meeting may not have read theirs when the next
/// one begins, but have when it is complete.
struct MeetingPoint {
  uint32_t mask = 0, arrived = 0, unread = 0;
  const char* operation = nullptr;
  CompleteMeeting complete = nullptr;
  unsigned parity = 0;
  uint32_t participants[2] = {};
  uint64_t values[2][kWarp] = {};
};

struct Warp {
  /// Where the lanes of `mask` meet.
  MeetingPoint& point_of(uint32_t mask) {
    MeetingPoint* free = nullptr;
    for (MeetingPoint& point : points) {
      if (point.mask == mask) return point;
      if (point.arrived == 0 && point.unread == 0) free = &point;
    }
    return free != nullptr ? *free : points.emplace_back();
  }

  uint32_t live = 0, ready = 0, at_barrier = 0;
  std::deque<MeetingPoint> points;  // references stay valid
  MeetingPoint* latest = nullptr;   // of `points`: most often the one that is needed
};

struct SharedMemory {
  SharedMemory() : bytes(static_cast<char*>(std::aligned_alloc(kSharedAlignment, kMaxSharedBytes + kSharedAlignment))) {
    if (bytes == nullptr) std::abort();
  }
  ~SharedMemory() { std::free(bytes); }
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;
  char* bytes;
};

class Machine {
 public:
  void run(const Kernel& kernel);
  [[gnu::always_inline]] int meet_block(bool predicate);
  [[gnu::always_inline]] Meeting meet_warp(uint32_t mask, const char* operation, uint64_t value,
                                           CompleteMeeting complete);
  Lane& lane() { return lanes_[static_cast<size_t>(current_)]; }
  uint32_t lane_id() const { return static_cast<uint32_t>(current_) % kWarp; }
  void* shared() { return shared_.bytes; }
  bool is_running() const { return kernel_ != nullptr; }
  [[noreturn]] void fail(const char* what);

 private:
  static void enter(void* machine) { static_cast<Machine*>(machine)->run_lanes(); }
  [[noreturn]] void run_lanes();
  void start_block();
  bool next_block();
  void end_lane();
  [[gnu::always_inline]] int pick() const;
  [[gnu::always_inline]] void select(int lane);
  [[gnu::always_inline]] void leave_to(Fiber& self, int lane);
  [[gnu::always_inline]] void wait();
  [[gnu::always_inline]] void set_ready(size_t warp, uint32_t lanes);
  [[gnu::always_inline]] void open_barrier();
  void close_meeting(size_t warp, MeetingPoint& point);
  Warp& warp() { return warps_[static_cast<size_t>(current_) / kWarp]; }

  const Kernel* kernel_ = nullptr;
  size_t num_threads_ = 0, num_warps_ = 0, num_live_ = 0;
  int current_ = kNone;
  uint32_t ready_warps_ = 0;
  size_t num_at_barrier_ = 0;
  unsigned barrier_parity_ = 0;
  int num_true_[2] = {};  // predicates at the barrier, by parity: the last one's is read while the next one counts
  std::array<Lane, kMaxThreads> lanes_;
  std::array<Warp, kMaxThreads / kWarp> warps_;
  std::vector<std::unique_ptr<Fiber>> fibers_;
  std::vector<Fiber*> idle_;  // the one used last comes back first: its stack is in the cache
  Fiber outside_;
  SharedMemory shared_;
};

constinit thread_local Machine* machine_of_thread = nullptr;

[[gnu::noinline]] void make_machine() {
  static thread_local std::unique_ptr<Machine> owner;
  owner = std::make_unique<Machine>();
  machine_of_thread = owner.get();
}

inline Machine& machine() {
  if (machine_of_thread == nullptr) [[unlikely]]
    make_machine();
  return *machine_of_thread;
}

void Machine::fail(const char* what) {
  std::fprintf(stderr, "CUDA emulation: %s\n  in block (%u, %u, %u)", what, blockIdx.x, blockIdx.y, blockIdx.z);
  if (current_ != kNone) std::fprintf(stderr, ", thread (%u, %u, %u)", threadIdx.x, threadIdx.y, threadIdx.z);
  std::fprintf(stderr, " of a grid of (%u, %u, %u) blocks of (%u, %u, %u) threads\n", gridDim.x, gridDim.y, gridDim.z,
               blockDim.x, blockDim.y, blockDim.z);
  for (size_t w = 0; w < num_warps_; ++w) {
    std::fprintf(stderr, "  warp %zu: not returned %08x, at a block barrier %08x", w, warps_[w].live,
                 warps_[w].at_barrier);
    for (const MeetingPoint& point : warps_[w].points) {
      if (point.arrived == 0) continue;
      std::fprintf(stderr, ", at %s of lanes %08x: %08x", point.operation, point.mask, point.arrived);
    }
    std::fprintf(stderr, "\n");
  }
  std::abort();
}

void Machine::run(const Kernel& kernel) {
  if (is_running()) fail("a kernel was launched by a kernel");
  kernel_ = &kernel;
  blockDim = kernel.block;
  gridDim = kernel.grid;
  blockIdx = {};
  num_threads_ = size_t{blockDim.x} * blockDim.y * blockDim.z;
  num_warps_ = (num_threads_ + kWarp - 1) / kWarp;
  size_t i = 0;
  for (unsigned z = 0; z < blockDim.z; ++z) {
    for (unsigned y = 0; y < blockDim.y; ++y) {
      for (unsigned x = 0; x < blockDim.x; ++x) lanes_[i++].index = {x, y, z};
    }
  }
#if defined(__SANITIZE_ADDRESS__)
  __asan_unpoison_memory_region(shared_.bytes, kMaxSharedBytes);
  __asan_poison_memory_region(shared_.bytes + kernel.shared_bytes, kMaxSharedBytes - kernel.shared_bytes);
#endif
  start_block();
  leave_to(outside_, 0);
  kernel_ = nullptr;
  current_ = kNone;
}

void Machine::start_block() {
  for (size_t w = 0; w < num_warps_; ++w) {
    const size_t lanes = std::min(kWarp, num_threads_ - w * kWarp);
    warps_[w].live = warps_[w].ready = static_cast<uint32_t>((uint64_t{1} << lanes) - 1);
    warps_[w].at_barrier = 0;
  }
  ready_warps_ = static_cast<uint32_t>((uint64_t{1} << num_warps_) - 1);
  num_live_ = num_threads_;
  num_at_barrier_ = 0;
  num_true_[0] = num_true_[1] = 0;
  std::memset(shared_.bytes, 0xff, kernel_->shared_bytes);
}

bool Machine::next_block() {
  if (++blockIdx.x == gridDim.x) {
    blockIdx.x = 0;
    if (++blockIdx.y == gridDim.y) {
      blockIdx.y = 0;
      if (++blockIdx.z == gridDim.z) return false;
    }
  }
  start_block();
  return true;
}

/// What every fiber does: runs the selected lane, and the ones after it while these have not started either. A fiber
/// that is switched to while idle finds a lane to start selected.
void Machine::run_lanes() {
  for (;;) {
    Fiber* self = lane().fiber;
    kernel_->thread(kernel_->arguments);
    end_lane();
    int next = pick();
    if (next == kNone && num_live_ > 0) fail("deadlock: no thread of the block can go on");
    if (next == kNone) {
      if (!next_block()) {
        idle_.push_back(self);
        self->switch_to(outside_);
        continue;
      }
      next = 0;
    }
    if (lanes_[static_cast<size_t>(next)].fiber == nullptr) {
      select(next);
      lane().fiber = self;
    } else {
      idle_.push_back(self);
      leave_to(*self, next);
    }
  }
}

void Machine::end_lane() {
  const size_t w = static_cast<size_t>(current_) / kWarp;
  const uint32_t bit = uint32_t{1} << lane_id();
  lane().fiber = nullptr;
  lane().copies.clear();
  lane().committed_ends.clear();
  warps_[w].live &= ~bit;
  warps_[w].ready &= ~bit;
  if (warps_[w].ready == 0) ready_warps_ &= ~(uint32_t{1} << w);
  --num_live_;
  // Those who wait no longer wait for this lane.
  if (num_at_barrier_ > 0 && num_at_barrier_ == num_live_) open_barrier();
  for (MeetingPoint& point : warps_[w].points) {
    if (point.arrived != 0 && point.arrived == (point.mask & warps_[w].live)) close_meeting(w, point);
  }
}

/// The lane to go on with: of this warp the next, else of the next warp that can.
inline int Machine::pick() const {
  const auto w = static_cast<unsigned>(current_) / kWarp;
  uint32_t lanes = warps_[w].ready & static_cast<uint32_t>(~uint64_t{0} << (lane_id() + 1));
  if (lanes == 0) lanes = warps_[w].ready;
  if (lanes != 0) return static_cast<int>(w * kWarp) + std::countr_zero(lanes);
  if (ready_warps_ == 0) return kNone;
  uint32_t warps = ready_warps_ & static_cast<uint32_t>(~uint64_t{0} << (w + 1));
  if (warps == 0) warps = ready_warps_;
  const int next = std::countr_zero(warps);
  return next * static_cast<int>(kWarp) + std::countr_zero(warps_[static_cast<size_t>(next)].ready);
}

inline void Machine::select(int lane) {
  current_ = lane;
  threadIdx = lanes_[static_cast<size_t>(lane)].index;
}

inline void Machine::leave_to(Fiber& self, int next) {
  select(next);
  Fiber*& fiber = lane().fiber;
  if (fiber == nullptr) {
    if (idle_.empty()) {
      fibers_.push_back(std::make_unique<Fiber>(&Machine::enter, this, fibers_.size()));
      idle_.push_back(fibers_.back().get());
    }
    fiber = idle_.back();
    idle_.pop_back();
  }
  self.switch_to(*fiber);
}

inline void Machine::wait() {
  Fiber& self = *lane().fiber;
  const int next = pick();
  if (next == kNone) fail("deadlock: no thread of the block can go on (a barrier or warp operation not all reach)");
  leave_to(self, next);
}

inline void Machine::set_ready(size_t warp, uint32_t lanes) {
  warps_[warp].ready |= lanes;
  if (warps_[warp].ready != 0) ready_warps_ |= uint32_t{1} << warp;
}

inline void Machine::open_barrier() {
  for (size_t w = 0; w < num_warps_; ++w) {
    set_ready(w, warps_[w].at_barrier);
    warps_[w].at_barrier = 0;
  }
  num_at_barrier_ = 0;
  barrier_parity_ ^= 1;
  num_true_[barrier_parity_] = 0;
}

inline int Machine::meet_block(bool predicate) {
  const unsigned parity = barrier_parity_;
  num_true_[parity] += predicate ? 1 : 0;
  if (++num_at_barrier_ == num_live_) {
    open_barrier();
    return num_true_[parity];
  }
  const uint32_t bit = uint32_t{1} << lane_id();
  Warp& mine = warp();
  mine.at_barrier |= bit;
  mine.ready &= ~bit;
  if (mine.ready == 0) ready_warps_ &= ~(uint32_t{1} << (static_cast<unsigned>(current_) / kWarp));
  wait();
  return num_true_[parity];
}

void Machine::close_meeting(size_t warp, MeetingPoint& point) {
  if (point.complete != nullptr) {
    if (point.arrived != ~uint32_t{0}) fail("a warp operation that needs all 32 lanes found some returned or missing");
    point.complete(point.values[point.parity]);
  }
  point.participants[point.parity] = point.unread = point.arrived;
  set_ready(warp, point.arrived);
  point.arrived = 0;
  point.parity ^= 1;
}

inline Meeting Machine::meet_warp(uint32_t mask, const char* operation, uint64_t value, CompleteMeeting complete) {
  Warp& mine = warp();
  const uint32_t bit = uint32_t{1} << lane_id();
  if ((mask & bit) == 0) fail("a warp operation's mask lacks the lane that calls it");
  if (mine.latest == nullptr || mine.latest->mask != mask) mine.latest = &mine.point_of(mask);
  MeetingPoint* point = mine.latest;
  if (point->arrived == 0) {
    point->mask = mask;
    point->operation = operation;
    point->complete = complete;
  } else if (point->operation != operation && std::strcmp(point->operation, operation) != 0) {
    fail("the lanes of a warp meet in different operations");
  }
  const unsigned parity = point->parity;
  point->values[parity][lane_id()] = value;
  point->arrived |= bit;
  if (point->arrived == (mask & mine.live)) {
    close_meeting(static_cast<size_t>(current_) / kWarp, *point);
  } else {
    mine.ready &= ~bit;
    if (mine.ready == 0) ready_warps_ &= ~(uint32_t{1} << (static_cast<unsigned>(current_) / kWarp));
    wait();
  }
  point->unread &= ~bit;
  return {point->values[parity], point->participants[parity]};
}

}  // namespace

void run_kernel(const Kernel& kernel) { machine().run(kernel); }
int meet_block(bool predicate) { return machine().meet_block(predicate); }
Meeting meet_warp(uint32_t mask, const char* operation, uint64_t value, CompleteMeeting complete) {
  return machine().meet_warp(mask, operation, value, complete);
}
uint32_t lane_id() { return machine().lane_id(); }
void* dynamic_shared_bytes() { return machine().shared(); }
void fail_kernel(const char* what) { machine().fail(what); }

void copy_async(void* shared, const void* global, size_t bytes, bool is_valid) {
  if (reinterpret_cast<uintptr_t>(shared) % bytes != 0 ||
      (is_valid && reinterpret_cast<uintptr_t>(global) % bytes != 0)) {
    fail_kernel("cp.async of a misaligned address");
  }
  std::memset(shared, 0xff, bytes);
  machine().lane().copies.push_back({shared, global, static_cast<uint32_t>(bytes), is_valid});
}

void commit_copies() {
  Lane& lane = machine().lane();
  lane.committed_ends.push_back(lane.copies.size());
}

void wait_copies(size_t num_pending) {
  Lane& lane = machine().lane();
  if (lane.committed_ends.size() <= num_pending) return;
  const size_t num_groups = lane.committed_ends.size() - num_pending;
  const size_t end = lane.committed_ends[num_groups - 1];
  for (size_t i = 0; i < end; ++i) {
    const PendingCopy& copy = lane.copies[i];
    if (copy.is_valid) {
      std::memcpy(copy.to, copy.from, copy.bytes);
    } else {
      std::memset(copy.to, 0, copy.bytes);
    }
  }
  using Offset = std::ptrdiff_t;
  lane.copies.erase(lane.copies.begin(), lane.copies.begin() + static_cast<Offset>(end));
  lane.committed_ends.erase(lane.committed_ends.begin(), lane.committed_ends.begin() + static_cast<Offset>(num_groups));
  for (size_t& group_end : lane.committed_ends) group_end -= end;
}

}  // namespace lockstep::emulation
