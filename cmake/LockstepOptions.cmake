set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")

set(LOCKSTEP_CUDA "AUTO" CACHE STRING "CUDA backend: AUTO (if a compiler is there), ON (required) or OFF")
set_property(CACHE LOCKSTEP_CUDA PROPERTY STRINGS AUTO ON OFF)
set(LOCKSTEP_SANITIZE "" CACHE STRING "sanitizers for our code: empty, address (with undefined) or thread")
option(LOCKSTEP_WERROR "warnings are errors" ON)
option(LOCKSTEP_BUILD_TESTS "build the tests" ON)
option(LOCKSTEP_BUILD_EXAMPLES "build the example programs" ON)
option(LOCKSTEP_BUILD_BENCH "build the benchmark programs" ON)

# Compilers are asked twice for the same thing often (fresh clones, branches, several build folders).
find_program(LOCKSTEP_CCACHE ccache)
if(LOCKSTEP_CCACHE)
  foreach(language C CXX CUDA)
    if(NOT DEFINED CMAKE_${language}_COMPILER_LAUNCHER)
      # Paths within the tree do not count: clones share their results.
      set(CMAKE_${language}_COMPILER_LAUNCHER env "CCACHE_BASEDIR=${PROJECT_SOURCE_DIR}" CCACHE_NOHASHDIR=1
          "${LOCKSTEP_CCACHE}")
    endif()
  endforeach()
endif()

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()
# Results must not depend on what a compiler may contract or reorder.
add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-ffp-contract=off>)
if(LOCKSTEP_SANITIZE STREQUAL "address")
  add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-fsanitize=address,undefined> $<$<COMPILE_LANGUAGE:CXX>:-fno-sanitize-recover=all>
                      $<$<COMPILE_LANGUAGE:CXX>:-fno-omit-frame-pointer>)
  add_link_options(-fsanitize=address,undefined)
elseif(LOCKSTEP_SANITIZE STREQUAL "thread")
  add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-fsanitize=thread>)
  add_link_options(-fsanitize=thread)
elseif(NOT LOCKSTEP_SANITIZE STREQUAL "")
  message(FATAL_ERROR "LOCKSTEP_SANITIZE=${LOCKSTEP_SANITIZE}: accepted are empty, address, thread")
endif()
