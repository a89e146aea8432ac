# lockstep_cuda: the module that a program loads where a CUDA driver is (core/cuda_module.h). It carries its own copy of
# what it needs of core/ and kernels/, shows nothing but its tables, and has no undefined symbols.
include(LockstepCudaSources)

# lockstep_finish_cuda_module(<target>): what the real module and the emulated one have in common.
function(lockstep_finish_cuda_module target)
  set_target_properties(${target} PROPERTIES CXX_VISIBILITY_PRESET hidden CUDA_VISIBILITY_PRESET hidden
                                             VISIBILITY_INLINES_HIDDEN ON)
  target_compile_definitions(${target} PRIVATE LOCKSTEP_MODULE_ABI="${LOCKSTEP_MODULE_ABI}")
  target_link_libraries(${target} PRIVATE lockstep_dist lockstep_kernels lockstep_core lockstep_warnings)
  target_link_options(${target} PRIVATE "LINKER:--exclude-libs,ALL" "LINKER:--gc-sections")
  if(LOCKSTEP_SANITIZE STREQUAL "")  # the sanitizers' run time is in the program
    target_link_options(${target} PRIVATE "LINKER:--no-undefined")
  endif()
endfunction()

if(LOCKSTEP_HAVE_CUDA)
  list(TRANSFORM LOCKSTEP_CUDA_SOURCES PREPEND "${PROJECT_SOURCE_DIR}/" OUTPUT_VARIABLE _sources)
  list(TRANSFORM LOCKSTEP_CUDA_ONLY_SOURCES PREPEND "${PROJECT_SOURCE_DIR}/" OUTPUT_VARIABLE _only_sources)
  add_library(lockstep_cuda MODULE ${_sources} ${_only_sources})
  lockstep_finish_cuda_module(lockstep_cuda)
  target_link_libraries(lockstep_cuda PRIVATE CUDA::cudart_static CUDA::cublasLt NCCL::nccl)
  # Static functions that other translation units of a template instantiate are no mistake.
  target_compile_options(lockstep_cuda PRIVATE "$<$<COMPILE_LANGUAGE:CUDA>:--expt-relaxed-constexpr>"
                                               "$<$<COMPILE_LANGUAGE:CUDA>:--extended-lambda>")
  set_target_properties(lockstep_cuda PROPERTIES LIBRARY_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/${LOCKSTEP_MODULE_FOLDER}"
                                                 INSTALL_RPATH_USE_LINK_PATH ON)
  install(TARGETS lockstep_cuda LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/lockstep)
  add_dependencies(lockstep lockstep_cuda)
endif()
