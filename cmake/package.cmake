# What a user installs: the CMake package, the .pc file, and packages of both kinds.
include(CMakePackageConfigHelpers)

set(package_directory ${CMAKE_INSTALL_LIBDIR}/cmake/TaskPool)
install(EXPORT TaskPoolTargets NAMESPACE TaskPool:: FILE TaskPoolConfig.cmake DESTINATION ${package_directory})
write_basic_package_version_file(TaskPoolConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/TaskPoolConfigVersion.cmake DESTINATION ${package_directory})

file(RELATIVE_PATH pc_prefix /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
configure_file(cmake/taskpool.pc.in taskpool.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/taskpool.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
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
include(CPack)
