// Operations that have a CPU body only, with or without the CUDA toolkit.
#include "kernels/backends.h"

namespace lockstep::cuda {
namespace {

[[noreturn]] void refuse(const char* op) {
  LS_THROW(NotCompiled, "{}: this build contains no CUDA body of {}; run this rank on the CPU (device = cpu)", op, op);
}

}  // namespace

void argmax_rows(const OpContext&, ConstTensorView, int64_t, std::span<ArgmaxResult>) { refuse("argmax_rows"); }
void embedding(const OpContext&, ConstTensorView, ConstTensorView, int64_t, TensorView) { refuse("embedding"); }
void paged_attention(const OpContext&, ConstTensorView, const RaggedRows&, int64_t, const KvPages&, float, int64_t,
                     TensorView) {
  refuse("paged_attention");
}
void rope(const OpContext&, TensorView, ConstTensorView, const RopeTable&) { refuse("rope"); }
void swiglu(const OpContext&, ConstTensorView, TensorView) { refuse("swiglu"); }
void write_kv(const OpContext&, ConstTensorView, ConstTensorView, const RaggedRows&, int64_t, const KvPages&) {
  refuse("write_kv");
}

}  // namespace lockstep::cuda
