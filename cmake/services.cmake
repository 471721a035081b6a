# What the daemons need on a machine that runs them, besides themselves: units of systemd, users, settings.
if(TASKPOOL_CLUSTER)
    install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/taskpool RENAME copyright COMPONENT taskpool)
    install(FILES CHANGELOG.md README.md docs/operations.md docs/protocol.md
        DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/taskpool COMPONENT taskpool)
    install(CODE "
        set(source \"${PROJECT_SOURCE_DIR}/deploy/systemd\")
        set(made \"${PROJECT_BINARY_DIR}/systemd\")
        set(sbin \"${CMAKE_INSTALL_SBINDIR}\")
        include(\"${PROJECT_SOURCE_DIR}/deploy/systemd/install.cmake\")" COMPONENT taskpool)
endif()
