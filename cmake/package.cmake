# What a user installs: the CMake package, the .pc file, and packages of both kinds. The component libtaskpool is what
# programs are built with.
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
install(FILES LICENSE README.md CHANGELOG.md TYPE DOC OPTIONAL)

set(CPACK_GENERATOR TGZ DEB)
set(CPACK_PACKAGE_NAME libtaskpool-dev)
set(CPACK_PACKAGE_VENDOR "The TaskPool authors")
set(CPACK_PACKAGE_CONTACT "The TaskPool authors <authors@taskpool.invalid>")
set(CPACK_RESOURCE_FILE_LICENSE ${CMAKE_CURRENT_SOURCE_DIR}/LICENSE)
set(CPACK_STRIP_FILES OFF)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_PACKAGE_DEPENDS libc6-dev)
if(TASKPOOL_REQUIRES)
    string(APPEND CPACK_DEBIAN_PACKAGE_DEPENDS ", libzmq3-dev, libsodium-dev, libprotobuf-c-dev")
endif()
include(CPack)
