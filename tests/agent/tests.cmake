# The node agent's state machine, between a fake coordinator, drivers and processes.
foreach(name blame credit hostile_coordinator hostile_worker links memory programs sessions streams tasks)
    taskpool_test(agent ${name}_test SOURCES agent/agent_parties.c agent/agent_world.c
        LIBRARIES taskpool_agent_state taskpool_proto)
endforeach()
target_link_options(agent.memory_test PRIVATE -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc)
