#include "kernels/sample_history.h"

namespace lockstep {

SampleHistory::SampleHistory(std::span<const TokenId> prompt) {
  for (const TokenId token : prompt) entry_of(token);
}

void SampleHistory::add_generated(TokenId token) {
  ++entry_of(token).num_generated;
  ++num_generated_;
}

SampleHistory::Entry& SampleHistory::entry_of(TokenId token) {
  const auto [at, is_new] = index_.try_emplace(token, entries_.size());
  if (is_new) entries_.push_back({token, 0});
  return entries_[at->second];
}

}  // namespace lockstep
