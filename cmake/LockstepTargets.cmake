# lockstep_add_library(<folder> SOURCES … [DEPENDS …] [LIBRARIES …])
# One static library per folder, target lockstep_<folder>. DEPENDS names folders, LIBRARIES other targets. CUDA bodies are
# not among them: they form a module of their own (LockstepCudaModule.cmake).
function(lockstep_add_library folder)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPENDS;LIBRARIES" ${ARGN})
  set(target lockstep_${folder})
  add_library(${target} STATIC ${arg_SOURCES})
  target_include_directories(${target} PUBLIC "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>"
                                              "$<INSTALL_INTERFACE:include/lockstep>")
  list(TRANSFORM arg_DEPENDS PREPEND lockstep_)
  target_link_libraries(${target} PUBLIC ${arg_DEPENDS} ${arg_LIBRARIES} PRIVATE lockstep_warnings)
endfunction()

# lockstep_add_test(<name> SOURCES … [DEPENDS folders…] [LIBRARIES …])
# One GoogleTest program; each of its tests is a CTest test.
function(lockstep_add_test name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPENDS;LIBRARIES" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  list(TRANSFORM arg_DEPENDS PREPEND lockstep_)
  target_link_libraries(${name} PRIVATE ${arg_DEPENDS} ${arg_LIBRARIES} GTest::gtest_main lockstep_warnings)
  target_compile_definitions(${name} PRIVATE LOCKSTEP_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  gtest_discover_tests(${name} DISCOVERY_TIMEOUT 60 PROPERTIES TIMEOUT 300
                       ENVIRONMENT "ASAN_OPTIONS=allocator_may_return_null=1")
endfunction()

# lockstep_add_rank_test(<name> RANKS 1 2 4 SOURCES … [DEPENDS …] [LIBRARIES …])
# A GoogleTest program that runs under mpirun once per rank count, as test <name>.ranks<N>. Its main (tests/support/rank_main.cpp)
# initialises MPI and aborts the whole job on a fatal failure. Leaks are looked for in the tests above: Open MPI has its own. More ranks than cores are oversubscribed, never dropped.
function(lockstep_add_rank_test name)
  cmake_parse_arguments(arg "" "" "RANKS;SOURCES;DEPENDS;LIBRARIES" ${ARGN})
  add_executable(${name} ${arg_SOURCES} "${PROJECT_SOURCE_DIR}/tests/support/rank_main.cpp")
  list(TRANSFORM arg_DEPENDS PREPEND lockstep_)
  target_link_libraries(${name} PRIVATE ${arg_DEPENDS} ${arg_LIBRARIES} GTest::gtest MPI::MPI_C lockstep_warnings)
  target_compile_definitions(${name} PRIVATE LOCKSTEP_SOURCE_DIR="${PROJECT_SOURCE_DIR}" OMPI_SKIP_MPICXX=1)
  foreach(ranks ${arg_RANKS})
    add_test(NAME ${name}.ranks${ranks} COMMAND ${MPIEXEC_EXECUTABLE} ${MPIEXEC_NUMPROC_FLAG} ${ranks} $<TARGET_FILE:${name}>)
    set_tests_properties(${name}.ranks${ranks} PROPERTIES PROCESSORS ${ranks} TIMEOUT 120 LABELS ranks
      ENVIRONMENT "OMPI_MCA_rmaps_base_oversubscribe=1;OMPI_MCA_hwloc_base_binding_policy=none;OMPI_ALLOW_RUN_AS_ROOT=1;OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1;ASAN_OPTIONS=detect_leaks=0")
  endforeach()
endfunction()
