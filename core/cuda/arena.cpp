#include "core/cuda/arena.h"

#include "core/cuda/check.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <memory>
#include <string_view>

namespace lockstep::cuda {
namespace {

constexpr int64_t kAlignment = 512;                // what cudaMalloc promises at least; vector loads need 16
constexpr int64_t kBlockGrain = int64_t{2} << 20;  // CUDA's own
constexpr int64_t kLeastBlock = int64_t{64} << 20;

int64_t round_up(int64_t bytes, int64_t to) { return (bytes + to - 1) / to * to; }

bool is_switched_off() {
  const char* const text = std::getenv("LOCKSTEP_CUDA_ARENA");
  return text != nullptr && std::string_view(text) == "off";
}

std::atomic<int64_t> total_held_{0}, total_peak_{0};

void count_total(int64_t bytes) {
  const int64_t now = total_held_.fetch_add(bytes) + bytes;
  int64_t peak = total_peak_.load();
  while (peak < now && !total_peak_.compare_exchange_weak(peak, now)) {}
}

// Null when CUDA has no room.
void* take(int64_t bytes, Device device) {
  LS_CUDA(cudaSetDevice(device.ordinal));
  void* data = nullptr;
  const cudaError_t status = cudaMalloc(&data, static_cast<size_t>(bytes));
  if (status == cudaErrorMemoryAllocation) {
    static_cast<void>(cudaGetLastError());
    return nullptr;
  }
  LS_CUDA(status);
  return data;
}

}  // namespace

Arena::Arena(Device device) : device_(device), is_direct_(is_switched_off()) {}

void* Arena::allocate(int64_t bytes) {
  const std::lock_guard lock(mutex_);
  void* data = nullptr;
  if (is_direct_) {
    data = take(bytes, device_);
    if (data == nullptr) refuse(bytes);
    taken_ += bytes;
  } else {
    const int64_t rounded = round_up(std::max<int64_t>(bytes, 1), kAlignment);
    auto room = find_room(rounded);
    if (room == pieces_.end()) {
      if (!add_block(rounded)) {
        release_free_blocks();
        if (!add_block(rounded)) refuse(bytes);
      }
      room = find_room(rounded);
    }
    Piece& piece = room->second;
    if (piece.bytes > rounded) {
      pieces_[room->first + rounded] = {piece.bytes - rounded, piece.block, true};
      piece.bytes = rounded;
    }
    piece.is_free = false;
    data = room->first;
  }
  requests_[data] = bytes;
  held_ += bytes;
  peak_ = std::max(peak_, held_);
  count_total(bytes);
  return data;
}

void Arena::deallocate(void* data) noexcept {
  const std::lock_guard lock(mutex_);
  const auto request = requests_.find(data);
  if (request == requests_.end()) return;
  const int64_t bytes = request->second;
  requests_.erase(request);
  held_ -= bytes;
  count_total(-bytes);
  if (is_direct_) {
    taken_ -= bytes;
    cudaFree(data);
    return;
  }
  auto piece = pieces_.find(static_cast<std::byte*>(data));
  piece->second.is_free = true;
  piece = join_with_next(piece);
  if (piece != pieces_.begin()) join_with_next(std::prev(piece));
}

// The smallest free piece that is large enough, the lowest address among equals.
Arena::Pieces::iterator Arena::find_room(int64_t rounded) {
  auto best = pieces_.end();
  for (auto piece = pieces_.begin(); piece != pieces_.end(); ++piece) {
    if (!piece->second.is_free || piece->second.bytes < rounded) continue;
    if (best == pieces_.end() || piece->second.bytes < best->second.bytes) best = piece;
  }
  return best;
}

bool Arena::add_block(int64_t rounded) {
  for (const int64_t least : {kLeastBlock, int64_t{0}}) {  // near the end of memory, no more than is needed
    const int64_t bytes = std::max(round_up(rounded, kBlockGrain), least);
    auto* const data = static_cast<std::byte*>(take(bytes, device_));
    if (data == nullptr) continue;
    pieces_[data] = {bytes, blocks_.size(), true};
    blocks_.push_back({data, bytes});
    taken_ += bytes;
    return true;
  }
  return false;
}

void Arena::release_free_blocks() {
  for (auto piece = pieces_.begin(); piece != pieces_.end();) {
    Block& block = blocks_[piece->second.block];
    if (!piece->second.is_free || piece->second.bytes != block.bytes) {
      ++piece;
      continue;
    }
    cudaFree(block.data);
    taken_ -= block.bytes;
    block.data = nullptr;
    piece = pieces_.erase(piece);
  }
}

Arena::Pieces::iterator Arena::join_with_next(Pieces::iterator piece) {
  const auto next = std::next(piece);
  if (next == pieces_.end() || !piece->second.is_free || !next->second.is_free) return piece;
  if (next->second.block != piece->second.block) return piece;
  piece->second.bytes += next->second.bytes;
  pieces_.erase(next);
  return piece;
}

void Arena::refuse(int64_t bytes) const {
  size_t free_bytes = 0, total_bytes = 0;
  cudaMemGetInfo(&free_bytes, &total_bytes);
  throw OutOfMemory(
      {__FILE__, __LINE__, ""}, bytes,
      fmt::format("cannot allocate {} bytes on {}: this rank holds {} bytes and {} in reserve, the device "
                  "has {} of {} bytes free",
                  bytes, device_.to_string(), held_, taken_ - held_, free_bytes, total_bytes));
}

int64_t Arena::held() const {
  const std::lock_guard lock(mutex_);
  return held_;
}

int64_t Arena::peak() const {
  const std::lock_guard lock(mutex_);
  return peak_;
}

int64_t Arena::reserve() const {
  const std::lock_guard lock(mutex_);
  return taken_ - held_;
}

// Never destroyed: buffers with static storage may outlive any order of destruction, and the driver frees all anyway.
Arena& Arena::of(Device device) {
  constexpr size_t kMostDevices = 64;
  static std::array<std::once_flag, kMostDevices> once;
  static std::array<Arena*, kMostDevices> arenas{};
  const auto index = static_cast<size_t>(device.ordinal);
  LS_CHECK(index < kMostDevices, "device {}", device.to_string());
  std::call_once(once[index], [&] { arenas[index] = std::make_unique<Arena>(device).release(); });
  return *arenas[index];
}

int64_t Arena::total_held() { return total_held_.load(); }
int64_t Arena::total_peak() { return total_peak_.load(); }

}  // namespace lockstep::cuda
