add_library(lockstep_warnings INTERFACE)
set(_cxx_w -Wall -Wextra -Wshadow -Wconversion -Wnon-virtual-dtor -Woverloaded-virtual)
# nvcc hands -Wpedantic over its own generated stubs, so .cu files get fewer.
set(_cu_w "SHELL:-Xcompiler=-Wall,-Wextra,-Wno-unused-parameter" "SHELL:-Xcudafe --display_error_number")
if(LOCKSTEP_WERROR)
  list(APPEND _cxx_w -Werror)
  list(APPEND _cu_w "SHELL:-Werror all-warnings")
endif()
target_compile_options(lockstep_warnings INTERFACE
  "$<$<COMPILE_LANGUAGE:CXX>:${_cxx_w}>"
  "$<$<COMPILE_LANGUAGE:CUDA>:${_cu_w}>")
