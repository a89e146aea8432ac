// Cases that every transport must pass, written as one rank's side: every rank of the group runs the same case. Sums
// are made in memory of the context's device; without a context in host memory.
#pragma once

#include "dist/communicator.h"

namespace lockstep::collective_cases {

/// Sums of integers, exact in any order, for `rounds` sums of alternating sizes; partial sums in private memory and in
/// partial_buffer(), outputs in private memory, over the input and in the buffer.
void sums_are_exact(Communicator& communicator, int rounds, const OpContext& context = {});
/// Sums of numbers that round: equal, bit for bit, to a plain pairwise sum, for sizes 0 … 1,000,000.
void sums_are_pairwise(Communicator& communicator, const OpContext& context = {});
/// The result belongs to the caller: changing it at once disturbs no peer.
void results_may_be_changed_at_once(Communicator& communicator, const OpContext& context = {});
/// all_gather_on_device of odd sizes and several types.
void gathers_on_device(Communicator& communicator, const OpContext& context = {});
/// all_reduce_add_rms_norm has the bits of its three parts, with and without bias.
void sum_and_norm_is_its_parts(Communicator& communicator, const OpContext& context);
void broadcasts_from_every_root(Communicator& communicator);
void all_gathers_in_rank_order(Communicator& communicator);
void gathers_unequal_sizes(Communicator& communicator);
void minimum_and_maximum(Communicator& communicator);
/// Odd and even ranks in reversed order work in two groups of their own, in turn with the whole group.
void split_groups_work_side_by_side(Communicator& communicator, const OpContext& context = {});
void wrong_arguments_are_refused(Communicator& communicator);

}  // namespace lockstep::collective_cases
