set(coordinator_world SOURCES coordinator/world.c LIBRARIES taskpool_coordinator_state taskpool_proto)
taskpool_test(coordinator placement_test TIMEOUT 120 ${coordinator_world})
taskpool_test(coordinator nodes_test TIMEOUT 120 ${coordinator_world})
