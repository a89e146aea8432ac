add_library(lockstep_warnings INTERFACE)
set(_cxx_w -Wall -Wextra -Wshadow -Wconversion -Wnon-virtual-dtor -Woverloaded-virtual)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  list(APPEND _cxx_w -Wno-restrict)  # GCC bug 105651: false alarms from std::string
endif()
# nvcc hands -Wpedantic over its own generated stubs, so .cu files get fewer.
set(_cu_w "SHELL:-Xcompiler=-Wall,-Wextra,-Wno-unused-parameter" "SHELL:-Xcudafe --display_error_number")
if(LOCKSTEP_WERROR)
  list(APPEND _cxx_w -Werror)
  list(APPEND _cu_w "SHELL:-Werror all-warnings")
endif()
target_compile_options(lockstep_warnings INTERFACE
  "$<$<COMPILE_LANGUAGE:CXX>:${_cxx_w}>"
  "$<$<COMPILE_LANGUAGE:CUDA>:${_cu_w}>")
