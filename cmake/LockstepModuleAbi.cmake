# A program and its CUDA module exchange C++ types: they must come from the same headers. LOCKSTEP_MODULE_ABI names the
# version and the content of the headers that both sides see; the program refuses a module with another name.
include(GNUInstallDirs)
set(LOCKSTEP_MODULE_FOLDER "lib/lockstep")  # beside bin/, in the build tree and installed

set(_abi_headers
  core/buffer.h core/cuda_api.h core/device.h core/dtype.h core/error.h core/ids.h core/stream.h core/stream_impl.h
  core/tensor_view.h core/thread_pool.h dist/comm/nccl/nccl_api.h dist/communicator.h kernels/backends.h
  kernels/context.h kernels/cuda_api.h kernels/kv_layout.h kernels/linear.h kernels/linear_backends.h kernels/op_state.h
  kernels/paged_attention.h kernels/rope.h kernels/sample.h kernels/sample_rows.h)
list(TRANSFORM _abi_headers PREPEND "${PROJECT_SOURCE_DIR}/")
set_property(DIRECTORY "${PROJECT_SOURCE_DIR}" APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${_abi_headers})
set(_abi "${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION} ${LOCKSTEP_SANITIZE}")
foreach(header ${_abi_headers})
  if(EXISTS "${header}")
    file(SHA256 "${header}" _hash)
    string(APPEND _abi "${_hash}")
  endif()
endforeach()
string(SHA256 _abi "${_abi}")
string(SUBSTRING "${_abi}" 0 16 _abi)
set(LOCKSTEP_MODULE_ABI "${PROJECT_VERSION}-${_abi}")
