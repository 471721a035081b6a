# Debian packages: libtaskpool-dev, what programs are built with; taskpool, daemons and tools. `cpack` makes both, in a
# build tree that was configured with -DCMAKE_INSTALL_PREFIX=/usr.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME taskpool)
set(CPACK_PACKAGE_VENDOR "The TaskPool authors")
set(CPACK_PACKAGE_CONTACT "The TaskPool authors <authors@taskpool.invalid>")
set(CPACK_RESOURCE_FILE_LICENSE ${CMAKE_CURRENT_SOURCE_DIR}/LICENSE)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_SET_DESTDIR ON) # some of it goes to /etc
set(CPACK_STRIP_FILES OFF)
set(CPACK_COMPONENTS_ALL libtaskpool)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)

set(CPACK_DEBIAN_LIBTASKPOOL_PACKAGE_NAME libtaskpool-dev)
set(CPACK_DEBIAN_LIBTASKPOOL_PACKAGE_SECTION libdevel)
set(CPACK_COMPONENT_LIBTASKPOOL_DESCRIPTION
    "The library and its headers. Programs that are built with it run on the\nthreads of one machine, and on a cluster.")
set(CPACK_DEBIAN_LIBTASKPOOL_PACKAGE_DEPENDS libc6-dev)
if(TASKPOOL_REQUIRES)
    string(APPEND CPACK_DEBIAN_LIBTASKPOOL_PACKAGE_DEPENDS ", libzmq3-dev, libsodium-dev, libprotobuf-c-dev")
endif()

if(TASKPOOL_CLUSTER)
    list(APPEND CPACK_COMPONENTS_ALL taskpool)
    set(CPACK_DEBIAN_TASKPOOL_PACKAGE_NAME taskpool)
    set(CPACK_DEBIAN_TASKPOOL_PACKAGE_SECTION net)
    set(CPACK_COMPONENT_TASKPOOL_DESCRIPTION
        "The coordinator, the node, and the tool to look after them. The daemons start\nwhen they have keys: see /usr/share/doc/taskpool/operations.md.")
    set(CPACK_DEBIAN_TASKPOOL_PACKAGE_SHLIBDEPS ON)
    set(CPACK_DEBIAN_TASKPOOL_PACKAGE_DEPENDS passwd)
    set(CPACK_DEBIAN_TASKPOOL_PACKAGE_CONTROL_EXTRA
        ${PROJECT_SOURCE_DIR}/deploy/debian/conffiles ${PROJECT_SOURCE_DIR}/deploy/debian/postinst
        ${PROJECT_SOURCE_DIR}/deploy/debian/prerm ${PROJECT_SOURCE_DIR}/deploy/debian/postrm)
endif()
include(CPack)
