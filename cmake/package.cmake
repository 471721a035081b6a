# What a user installs: the CMake package and the .pc file. The component libtaskpool is what programs are built with.
include(CMakePackageConfigHelpers)

# TASKPOOL_REQUIRES: the pkg-config modules of what libtaskpool uses. Who links a static one needs them, too.
set(TASKPOOL_PC_REQUIRES "")
set(TASKPOOL_CONFIG_REQUIRES "")
if(TASKPOOL_REQUIRES AND BUILD_SHARED_LIBS)
    string(REPLACE ";" ", " TASKPOOL_PC_REQUIRES "Requires.private: ${TASKPOOL_REQUIRES}")
elseif(TASKPOOL_REQUIRES)
    string(REPLACE ";" ", " TASKPOOL_PC_REQUIRES "Requires: ${TASKPOOL_REQUIRES}")
    set(TASKPOOL_CONFIG_REQUIRES ${TASKPOOL_REQUIRES})
endif()

set(package_directory ${CMAKE_INSTALL_LIBDIR}/cmake/TaskPool)
install(EXPORT TaskPoolTargets NAMESPACE TaskPool:: DESTINATION ${package_directory} COMPONENT libtaskpool)
configure_file(cmake/TaskPoolConfig.cmake.in TaskPoolConfig.cmake @ONLY)
write_basic_package_version_file(TaskPoolConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/TaskPoolConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/TaskPoolConfigVersion.cmake
    DESTINATION ${package_directory} COMPONENT libtaskpool)

file(RELATIVE_PATH pc_prefix /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
configure_file(cmake/taskpool.pc.in taskpool.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/taskpool.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig
    COMPONENT libtaskpool)
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/libtaskpool-dev RENAME copyright COMPONENT libtaskpool)
install(FILES CHANGELOG.md README.md DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/libtaskpool-dev COMPONENT libtaskpool)

include(cmake/services.cmake)
include(cmake/debian.cmake)
