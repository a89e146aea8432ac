// Agreements that ranks make at start: values that must be equal everywhere, and failures that all must learn of.
//
// A rank that fails alone (a file it cannot open) would leave the others waiting in their next collective. So local
// phases end in agree_on_failure, a collective that every rank always enters.
#pragma once

#include "core/cpu_isa.h"
#include "dist/communicator.h"

#include <exception>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

namespace lockstep {

/// The lowest level over the ranks: kernels of one level give the same bits on every rank.
/// Ranks: collective.
CpuIsa agree_isa(Communicator& communicator, CpuIsa mine);

/// Returns if no rank failed; else throws on every rank, naming the first rank that failed, its message and how many
/// others failed too.
/// Ranks: collective. Throws: CommError.
void agree_on_failure(Communicator& communicator, const std::optional<std::string>& failure);
/// The same for a caught exception; null stands for success.
void agree_on_failure(Communicator& communicator, const std::exception_ptr& failure);

/// Runs `phase`, a local step without collectives, on every rank and returns its result if it succeeded on all.
/// Ranks: collective. Throws: CommError on every rank if it threw on any.
template <class Phase>
auto run_on_all_or_fail(Communicator& communicator, Phase&& phase) {
  constexpr bool kReturns = !std::is_void_v<decltype(phase())>;
  std::conditional_t<kReturns, std::optional<std::remove_cv_t<decltype(phase())>>, char> result{};
  std::exception_ptr failure;
  try {
    if constexpr (kReturns) {
      result.emplace(std::forward<Phase>(phase)());
    } else {
      std::forward<Phase>(phase)();
    }
  } catch (...) {
    failure = std::current_exception();
  }
  agree_on_failure(communicator, failure);
  if constexpr (kReturns) return std::move(*result);
}

}  // namespace lockstep
