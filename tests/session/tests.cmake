# The driver's session: its coordinator and nodes are played by the tests (stage.h).
foreach(name tasks_test children_test operations_test trees_test losses_test reconcile_test link_test lies_test)
    taskpool_test(session ${name} SOURCES session/stage.c session/stage_play.c LIBRARIES taskpool_session taskpool_proto)
endforeach()
taskpool_test(session chaos_test SOURCES session/stage.c session/stage_play.c TIMEOUT 120 LIBRARIES taskpool_session taskpool_proto)
target_link_options(session.chaos_test PRIVATE -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc)
