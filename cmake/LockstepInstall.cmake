# Installs the program, the libraries and their headers, so that another project finds them:
#   find_package(Lockstep REQUIRED)
#   target_link_libraries(my_program PRIVATE Lockstep::lockstep)
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(_folders core kernels cache dist launcher)
set(_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/Lockstep)

install(TARGETS lockstep RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
foreach(folder ${_folders})
  install(TARGETS lockstep_${folder} EXPORT LockstepTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(DIRECTORY ${folder} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/lockstep FILES_MATCHING PATTERN "*.h")
endforeach()
install(TARGETS lockstep_warnings EXPORT LockstepTargets)
install(EXPORT LockstepTargets NAMESPACE Lockstep:: DESTINATION ${_package_dir})

configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/LockstepConfig.cmake.in"
                              "${PROJECT_BINARY_DIR}/LockstepConfig.cmake" INSTALL_DESTINATION ${_package_dir})
write_basic_package_version_file("${PROJECT_BINARY_DIR}/LockstepConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/LockstepConfig.cmake" "${PROJECT_BINARY_DIR}/LockstepConfigVersion.cmake"
        DESTINATION ${_package_dir})
