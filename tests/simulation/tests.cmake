# The simulation: coordinator, agents and drivers' sessions in one process and in virtual time, from a seed. README.md
# here says what it checks.
pkg_check_modules(sodium REQUIRED IMPORTED_TARGET libsodium>=1.0.18)
pkg_check_modules(protobuf_c REQUIRED IMPORTED_TARGET libprotobuf-c>=1.4)

add_library(simulation_objects OBJECT
    simulation/cluster.c simulation/driver.c simulation/faults.c simulation/head.c simulation/home.c simulation/liar.c
    simulation/loot.c simulation/machine.c simulation/network.c simulation/plan.c simulation/process.c
    simulation/process_runs.c simulation/process_waits.c simulation/random.c simulation/rogue.c
    simulation/sim.c simulation/simulation.c simulation/work.c simulation/world.c
    ${PROJECT_SOURCE_DIR}/core/base/status.c)
target_include_directories(simulation_objects PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/simulation)
target_compile_definitions(simulation_objects PRIVATE _GNU_SOURCE=)
target_link_libraries(simulation_objects PRIVATE taskpool_coordinator_state taskpool_agent_state taskpool_session
    taskpool_warnings)

# simulation_program(NAME WITHOUT): of all that is simulated but one source file, for which NAME has another. No sockets.
function(simulation_program name without)
    target_sources(${name} PRIVATE $<TARGET_OBJECTS:simulation_objects>)
    foreach(library coordinator_state agent_state session wire trust link)
        target_sources(${name} PRIVATE
            "$<FILTER:$<TARGET_OBJECTS:taskpool_${library}>,EXCLUDE,(taskpool_link.dir/[./]*(door|gathering|socket|watch)|${without})[.]c[.]o$>")
    endforeach()
    target_link_libraries(${name} PRIVATE PkgConfig::sodium PkgConfig::protobuf_c)
endfunction()
add_executable(sim)
simulation_program(sim nothing)

# simulation_test(NAME SECONDS ARGUMENTS...): the program with these arguments.
function(simulation_test name seconds)
    math(EXPR timeout "${seconds} * ${patience}")
    add_test(NAME simulation.${name} COMMAND sim ${ARGN})
    set_tests_properties(simulation.${name} PROPERTIES LABELS simulation TIMEOUT ${timeout})
endfunction()

# Seeds in parts, so that they run beside each other. Sanitizers are ten times as slow.
set(seeds 300)
set(few 100)
if(NOT kind STREQUAL plain)
    set(seeds 40)
    set(few 20)
endif()
foreach(part RANGE 3)
    math(EXPR from "1 + ${part} * 1000")
    simulation_test(seeds_${part} 300 --from ${from} --count ${seeds})
endforeach()
# What a seed chooses more rarely, each by itself.
simulation_test(honest 300 --from 20001 --count ${seeds} --without 400)
simulation_test(no_faults 300 --from 30001 --count ${few} --without 1fff --with 1fc000)
simulation_test(lies 300 --from 40001 --count ${few} --without 7f --with 1f4400)
simulation_test(rogue 300 --from 60001 --count ${few} --without 7f --with 1fc800)
simulation_test(minutes 300 --from 70001 --count ${few} --with 2000000)
# Deep trees on nodes that hold few tasks: with all faults, and without any but with all that tasks can do.
simulation_test(trees 300 --from 80001 --count ${few} --with 4000000)
simulation_test(trees_no_faults 300 --from 90001 --count ${few} --without 1fff --with 41d4000)
simulation_test(same_seed_same_run 60 --from 50001 --count 20 --twice)
if(kind STREQUAL plain)
    # A thousand nodes, a hundred drivers.
    simulation_test(big 900 --seed 1 --big --with 1ec00f --without 460)
    simulation_test(big_restart 900 --seed 2 --big --with 18020 --without 40)
endif()

# Seeds that have failed once.
file(STRINGS simulation/seeds.txt known REGEX "^[0-9]")
foreach(line ${known})
    separate_arguments(arguments UNIX_COMMAND "${line}")
    list(POP_FRONT arguments seed)
    string(REPLACE ";" "_" name "${seed};${arguments}")
    string(REPLACE "--" "" name "${name}")
    simulation_test(known_${name} 60 --seed ${seed} ${arguments})
endforeach()

# The simulation can fail: each of these breaks one rule in a copy of a source file, and must be caught.
# Further arguments are the program's.
function(simulation_mutant name library file)
    get_target_property(folder ${library} SOURCE_DIR)
    set(copy ${CMAKE_CURRENT_BINARY_DIR}/mutants/${name}.c)
    set(edit ${CMAKE_CURRENT_SOURCE_DIR}/simulation/mutants/${name}.sed)
    add_custom_command(OUTPUT ${copy}
        COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/simulation/mutants/mutate ${folder}/${file}.c ${edit} ${copy}
        DEPENDS ${folder}/${file}.c ${edit} ${CMAKE_CURRENT_SOURCE_DIR}/simulation/mutants/mutate VERBATIM)
    set(target simulation.mutant.${name})
    add_executable(${target} ${copy})
    simulation_program(${target} ${library}.dir/[./]*${file})
    target_include_directories(${target} PRIVATE ${folder} $<TARGET_PROPERTY:${library},INCLUDE_DIRECTORIES>)
    target_compile_definitions(${target} PRIVATE _GNU_SOURCE=)
    set(mutants ${mutants} ${name}:${folder}/${file}.c:${copy}:$<TARGET_FILE:${target}>:${ARGN} PARENT_SCOPE)
endfunction()

if(kind STREQUAL plain)
    file(MAKE_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/mutants)
    set(mutants)
    simulation_mutant(forgets_dispatch taskpool_session session_records)
    simulation_mutant(grants_every_claim taskpool_session session_records)
    simulation_mutant(runs_granted_again taskpool_session session_losses)
    simulation_mutant(forgets_unseen taskpool_session session_reconcile)
    simulation_mutant(drops_returned_message taskpool_session session_operations)
    simulation_mutant(forgets_effects taskpool_session session_operations)
    simulation_mutant(sends_streams_once taskpool_agent_state sessions)
    simulation_mutant(takes_leaves_again taskpool_agent_state runs)
    simulation_mutant(believes_signatures taskpool_agent_state runs "--with 400")
    simulation_mutant(believes_payloads taskpool_agent_state runs "--with 20400")
    simulation_mutant(starts_stale taskpool_agent_state workers "--with 2000010")
    simulation_mutant(starts_unclaimed taskpool_agent_state runs)
    simulation_mutant(hides_lost_nodes taskpool_coordinator_state uses)
    simulation_mutant(keeps_sessions taskpool_coordinator_state sessions)
    simulation_mutant(crosses_gaps taskpool_link link)
    simulation_mutant(ignores_rooms taskpool_coordinator_state placement "--with 4000000")
    simulation_mutant(forgets_depth taskpool_coordinator_state placement "--with 4000000")
    simulation_mutant(fills_the_queue taskpool_session session_batches "--with 4000000")
    simulation_mutant(forgets_accept taskpool_coordinator_state offers "--with 4000000")
    add_test(NAME simulation.mutants COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/simulation/mutants/run 400 ${mutants})
    set_tests_properties(simulation.mutants PROPERTIES LABELS simulation TIMEOUT 600)
endif()
