# The driver's session: its coordinator and nodes are played by the tests (stage.h).
foreach(name tasks_test children_test losses_test link_test)
    taskpool_test(session ${name} SOURCES session/stage.c LIBRARIES taskpool_session taskpool_proto)
endforeach()
