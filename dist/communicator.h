// A group of ranks that run the same collectives in the same order. One folder per transport under dist/comm/.
//
// Invariants: no collective stands behind a condition on local state. Sums have one fixed order, so that every rank
// gets the same bits on every run. A failed peer makes the others throw CommError (local, nccl) or ends them (mpi):
// nobody hangs. Thread-safety: one thread at a time per object.
#pragma once

#include "core/ids.h"
#include "core/tensor_view.h"
#include "dist/mailbox.h"
#include "kernels/context.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace lockstep {

class Communicator {
 public:
  virtual ~Communicator() = default;

  virtual Rank rank() const = 0;
  virtual int32_t size() const = 0;
  /// "local", "mpi", "mpi (shared memory)", "nccl", "mpi (staged)", ….
  virtual std::string_view transport() const = 0;
  /// Whether sums and gathers on a CUDA stream may be recorded into a graph (core/graph.h) and replayed, by all ranks
  /// alike. The recording asks for no larger sum than the group has made, or partial_buffer() been asked for, before.
  virtual bool is_capturable() const { return false; }
  /// Throws CommError if the group has failed. On CUDA a failure frees the stream, and what it computes from then on is
  /// worthless: call this between a synchronisation and the use of results. Ranks: local.
  virtual void throw_if_failed() const {}

  /// Memory of at least `bytes` on the device of the sums from which all_reduce_sum needs no copy in: partial sums are
  /// best produced straight into it. Valid until the next call of this function or the second next all_reduce_sum (two
  /// buffers alternate). Peers may read it in place until the next collective sum: write it for one sum only, and ask
  /// again for the next. CUDA: one buffer, whose address stays until a larger one is asked for; outgrown ones stay
  /// valid memory, since graphs may name them. Ranks: collective; the same size on every rank.
  virtual void* partial_buffer(int64_t bytes) = 0;

  /// out = sum over ranks of `partial`, added pairwise, ((r0+r1)+(r2+r3))+…, the same bits on every rank.
  /// A rank count that is no power of two leaves its odd last one to the next round.
  /// Shapes: partial, out contiguous F32 of equal size in memory of the context's device, may be the same memory;
  ///         either may be partial_buffer(). The result is the caller's to change.
  /// Async:  enqueues on the context's stream; for the CPU it has completed on return. Staged transports synchronise.
  /// Ranks:  collective. Throws: CommError, ShapeError, DTypeError; NotCompiled for a device the transport cannot sum
  ///         on.
  virtual void all_reduce_sum(const OpContext& context, ConstTensorView partial, TensorView out) = 0;
  /// residual += sum over ranks of `partial` (+ bias); out = rms_norm(residual). The same bits as all_reduce_sum,
  /// add_bias and add_rms_norm, one after the other, whatever the implementation.
  /// Shapes: partial (contiguous; used up: its contents are undefined afterwards), residual F32 and out [rows, hidden];
  ///         bias F32 and weight [hidden]. Types of weight and out as for add_rms_norm.
  /// Async, ranks: as all_reduce_sum. Throws: as those three.
  virtual void all_reduce_add_rms_norm(const OpContext& context, TensorView partial, TensorView residual,
                                       std::optional<ConstTensorView> bias, ConstTensorView weight, float eps,
                                       TensorView out);
  /// out = everyone's `in`, in rank order: on a CUDA device without a stop at the host where the transport can.
  /// Shapes: in of any shape and type, out of the same type and size() times as many elements; both contiguous, in
  ///         memory of the context's device, not overlapping.
  /// Async:  as all_reduce_sum. Ranks: collective; the same size on every rank.
  /// Throws: CommError, ShapeError, DTypeError; NotCompiled for a device that the transport does not reach.
  virtual void all_gather_on_device(const OpContext& context, ConstTensorView in, TensorView out);

  // Control plane: host memory, blocking, collective.
  virtual void broadcast(std::span<std::byte> bytes, Rank root) = 0;
  /// Everyone's `in` (equal sizes), in rank order, on every rank; out.size() = size() * in.size().
  virtual void all_gather(std::span<const std::byte> in, std::span<std::byte> out) = 0;
  /// As all_gather, but only `root` receives; other ranks pass an empty `out`. Sizes may differ: `sizes` (per rank, the
  /// same on every rank) tells them.
  virtual void gather(std::span<const std::byte> in, std::span<const int64_t> sizes, std::span<std::byte> out,
                      Rank root) = 0;
  virtual int64_t all_reduce_min(int64_t value) = 0;
  virtual int64_t all_reduce_max(int64_t value) = 0;
  virtual void barrier() = 0;
  /// Messages to rank 0 of this group beside its collectives. Ranks: collective, here and at destruction.
  virtual std::unique_ptr<Mailbox> make_mailbox() = 0;
  /// Ranks of equal `color`, ordered by `key` then rank, become a new group. Collective.
  virtual std::unique_ptr<Communicator> split(int32_t color, int32_t key) = 0;
};

/// Broadcast of a byte string whose length only the root knows. Collective.
std::vector<std::byte> broadcast_bytes(Communicator& communicator, std::span<const std::byte> bytes, Rank root);

}  // namespace lockstep
