#include "dist/comm/mpi/shared_window.h"

#include "dist/comm/mpi/check.h"

#include <cstring>

namespace lockstep {
namespace {

constexpr uintptr_t kAlignment = 64;

// MPI aligns parts as it likes. It maps whole pages, so a part is off by the same amount in every process.
std::byte* align(std::byte* address) {
  const uintptr_t excess = reinterpret_cast<uintptr_t>(address) % kAlignment;
  return excess == 0 ? address : address + (kAlignment - excess);
}

void check_model(MPI_Win window) {
  int* model = nullptr;
  int found = 0;
  LS_MPI(MPI_Win_get_attr(window, MPI_WIN_MODEL, static_cast<void*>(&model), &found));
  LS_REQUIRE(MpiError, found && *model == MPI_WIN_UNIFIED,
             "the MPI library keeps separate copies of shared windows; a unified memory model is needed");
}

}  // namespace

SharedWindow::SharedWindow(MPI_Comm comm, int64_t bytes) {
  MPI_Info info = MPI_INFO_NULL;
  LS_MPI(MPI_Info_create(&info));
  // Parts of whole pages, so that each rank's memory is placed near it.
  LS_MPI(MPI_Info_set(info, "alloc_shared_noncontig", "true"));
  std::byte* own = nullptr;
  const int code = MPI_Win_allocate_shared(static_cast<MPI_Aint>(bytes) + static_cast<MPI_Aint>(kAlignment), 1, info,
                                           comm, &own, &window_);
  MPI_Info_free(&info);
  check_mpi(code, ErrorSite{__FILE__, __LINE__, "MPI_Win_allocate_shared"});
  LS_MPI(MPI_Win_set_errhandler(window_, MPI_ERRORS_RETURN));
  check_model(window_);

  for (int32_t r = 0; r < size_of(comm); ++r) {
    MPI_Aint size = 0;
    int unit = 0;
    std::byte* part = nullptr;
    LS_MPI(MPI_Win_shared_query(window_, r, &size, &unit, static_cast<void*>(&part)));
    parts_.push_back(align(part));
  }
  LS_MPI(MPI_Win_lock_all(MPI_MODE_NOCHECK, window_));
  std::memset(align(own), 0, static_cast<size_t>(bytes));
  LS_MPI(MPI_Win_sync(window_));
  MPI_Request barrier = MPI_REQUEST_NULL;
  LS_MPI(MPI_Ibarrier(comm, &barrier));
  wait_for(barrier);
}

SharedWindow::~SharedWindow() {
  if (!may_release_mpi_objects()) return;
  MPI_Win_unlock_all(window_);
  MPI_Win_free(&window_);
}

}  // namespace lockstep
