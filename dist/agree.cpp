#include "dist/agree.h"

#include "core/error.h"

#include <vector>

namespace lockstep {
namespace {

std::optional<std::string> message_of(const std::exception_ptr& failure) {
  if (!failure) return std::nullopt;
  try {
    std::rethrow_exception(failure);
  } catch (const Error& error) {
    return is_user_error(error) ? error.what() : error.describe();
  } catch (const std::exception& error) {
    return error.what();
  } catch (...) {
    return "an exception of unknown type";
  }
}

}  // namespace

CpuIsa agree_isa(Communicator& communicator, CpuIsa mine) {
  return static_cast<CpuIsa>(communicator.all_reduce_min(static_cast<int64_t>(mine)));
}

void agree_on_failure(Communicator& communicator, const std::optional<std::string>& failure) {
  const int64_t no_rank = communicator.size();
  const int64_t first = communicator.all_reduce_min(failure ? communicator.rank().value() : no_rank);
  if (first == no_rank) return;

  // From here on all ranks take the same way: they saw the same minimum.
  const char failed = failure ? 1 : 0;
  std::vector<char> all_failed(static_cast<size_t>(communicator.size()));
  communicator.all_gather(std::as_bytes(std::span(&failed, 1)), std::as_writable_bytes(std::span(all_failed)));
  int64_t others = -1;
  for (const char one : all_failed) others += one;

  const std::string mine = failure.value_or("");
  const std::vector<std::byte> bytes =
      broadcast_bytes(communicator, std::as_bytes(std::span(mine)), Rank(static_cast<int32_t>(first)));
  const std::string message(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (others == 0) LS_THROW(CommError, "rank {} failed: {}", first, message);
  LS_THROW(CommError, "rank {} failed, and {} more: {}", first, others, message);
}

void agree_on_failure(Communicator& communicator, const std::exception_ptr& failure) {
  agree_on_failure(communicator, message_of(failure));
}

}  // namespace lockstep
