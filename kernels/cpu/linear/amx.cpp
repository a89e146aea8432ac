// AMX-BF16: the tile instructions themselves. Assembly, because the intrinsics of GCC 12 take tile numbers as literal
// tokens only and let stores to the configuration be dropped before it is loaded.
#include "kernels/cpu/linear/amx_tiles.h"

namespace lockstep::cpu {
namespace {

struct alignas(64) TileConfig {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
static_assert(sizeof(TileConfig) == 64);

constinit const TileConfig kConfig;

struct AmxTiles {
  template <int t>
  [[gnu::always_inline]] static inline void zero() {
    asm volatile("tilezero %%tmm%c0" ::"i"(t));
  }
  template <int t>
  [[gnu::always_inline]] static inline void load(const void* address, int64_t stride) {
    asm volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(address), "r"(stride), "i"(t) : "memory");
  }
  template <int t>
  [[gnu::always_inline]] static inline void store(void* address, int64_t stride) {
    asm volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(address), "r"(stride), "i"(t) : "memory");
  }
  template <int sum, int a, int b>
  [[gnu::always_inline]] static inline void dot() {
    asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(sum), "i"(a), "i"(b));
  }
  static void store_halves(const float*, uint16_t*, int) { __builtin_unreachable(); }  // weights are BF16
};

void load_config() { asm volatile("ldtilecfg %0" ::"m"(kConfig) : "memory"); }
void release() { asm volatile("tilerelease" ::: "memory"); }

}  // namespace

constinit const TileKernels kAmxBf16 = {RowFormat::kTiles,          32,      32,          tile_product_panels<AmxTiles>,
                                        run_tile_product<AmxTiles>, nullptr, load_config, release};

}  // namespace lockstep::cpu
