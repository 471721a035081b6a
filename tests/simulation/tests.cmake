# The simulation: coordinator, agents and drivers' sessions in one process and in virtual time, from a seed.
set(simulation_sources
    simulation/cluster.c simulation/driver.c simulation/faults.c simulation/head.c simulation/home.c simulation/liar.c
    simulation/loot.c    simulation/machine.c simulation/network.c simulation/plan.c simulation/process.c simulation/random.c
    simulation/simulation.c simulation/work.c simulation/world.c ${PROJECT_SOURCE_DIR}/core/base/status.c)

add_executable(sim simulation/sim.c ${simulation_sources})
target_include_directories(sim PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/simulation)
target_compile_definitions(sim PRIVATE _GNU_SOURCE=)
target_link_libraries(sim PRIVATE taskpool_coordinator_state taskpool_agent_state taskpool_session taskpool_proto
    taskpool_warnings)
