# Real processes, on loopback and in network namespaces: what runs locally runs on a cluster, from the same binary.
find_package(Python3 REQUIRED COMPONENTS Interpreter)
set(TASKPOOL_PROGRAMS ${PROJECT_BINARY_DIR}/bin)

# taskpool_cluster_test(NAME TARGET ...): a program on a coordinator and three nodes.
#   ARGUMENTS ...     of the program
#   CLUSTER ...       options of cluster.py
#   TIMEOUT seconds   default 60, times the patience of sanitizers
function(taskpool_cluster_test name target)
    cmake_parse_arguments(PARSE_ARGV 2 arg "" "TIMEOUT" "ARGUMENTS;CLUSTER")
    if(NOT TARGET ${target} OR kind STREQUAL coverage)
        return()
    endif()
    if(NOT arg_TIMEOUT)
        set(arg_TIMEOUT 60)
    endif()
    add_test(NAME cluster.${name}
        COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/cluster/cluster.py --programs ${TASKPOOL_PROGRAMS}
            ${arg_CLUSTER} -- $<TARGET_FILE:${target}> ${arg_ARGUMENTS})
    math(EXPR timeout "${arg_TIMEOUT} * ${patience}")
    set_tests_properties(cluster.${name} PROPERTIES LABELS cluster TIMEOUT ${timeout}
        ENVIRONMENT "TASKPOOL_TEST_PATIENCE=${patience}")
endfunction()

# taskpool_job(LABEL NAME ...): LABEL/NAME.c as a program that is no test by itself.
#   SOURCES, LIBRARIES, OPTIONS ...   more of each
function(taskpool_job label name)
    cmake_parse_arguments(PARSE_ARGV 2 arg "" "" "SOURCES;LIBRARIES;OPTIONS")
    add_executable(${label}.${name} ${label}/${name}.c ${arg_SOURCES})
    target_include_directories(${label}.${name} PRIVATE ${PROJECT_SOURCE_DIR}/core ${CMAKE_CURRENT_SOURCE_DIR})
    target_compile_definitions(${label}.${name} PRIVATE _GNU_SOURCE=)
    target_compile_options(${label}.${name} PRIVATE -g ${arg_OPTIONS})
    target_link_libraries(${label}.${name} PRIVATE taskpool ${arg_LIBRARIES} taskpool_warnings)
endfunction()

# taskpool_scenario(LABEL NAME [TIMEOUT seconds] [EXCLUDE kinds...] [SCENARIOS names...]): LABEL/NAME.py, which starts
# clusters and jobs, and does things to them. A test for all of it, or one for each scenario.
function(taskpool_scenario label name)
    cmake_parse_arguments(PARSE_ARGV 2 arg "" "TIMEOUT" "EXCLUDE;SCENARIOS")
    if(kind STREQUAL coverage OR kind IN_LIST arg_EXCLUDE)
        return()
    endif()
    if(NOT arg_TIMEOUT)
        set(arg_TIMEOUT 60)
    endif()
    math(EXPR timeout "${arg_TIMEOUT} * ${patience}")
    set(command ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/${label}/${name}.py --programs ${TASKPOOL_PROGRAMS}
        --jobs ${CMAKE_CURRENT_BINARY_DIR} --kind ${kind})
    if(NOT arg_SCENARIOS)
        add_test(NAME ${label}.${name} COMMAND ${command})
        set(tests ${label}.${name})
    endif()
    foreach(scenario IN LISTS arg_SCENARIOS)
        add_test(NAME ${label}.${name}.${scenario} COMMAND ${command} ${scenario})
        list(APPEND tests ${label}.${name}.${scenario})
    endforeach()
    set_tests_properties(${tests} PROPERTIES LABELS ${label} TIMEOUT ${timeout} SKIP_RETURN_CODE 77
        ENVIRONMENT "TASKPOOL_TEST_PATIENCE=${patience};PYTHONPATH=${CMAKE_CURRENT_SOURCE_DIR}/cluster")
endfunction()

foreach(seed api_methods api_promises architecture async_pool_api design_section3 design_section3_channels
        dispatch_helpers drain error_propagation fan_out_fan_in fire_and_forget_with_drain green_threads_within_workers
        hybrid_async inter_worker_channels intro parallel_computation_with_collection parallel_map pool_raw quick_start
        raii_with submitting_closures api_constructor)
    taskpool_cluster_test(seed.${seed} seed.${seed})
endforeach()

# Programs of tests/api whose rules hold for any pool.
foreach(api async_pools cancel closures drain_exact error_places errors fork inside_tasks lifecycle locks
        many_submitters map null_arguments promises reference_failures run scheduling scopes shared_tasks stress
        threads_signals timers_fds types)
    taskpool_cluster_test(api.${api} api.${api} TIMEOUT 120)
endforeach()

taskpool_job(cluster blame SOURCES jump.c)
taskpool_cluster_test(blame cluster.blame TIMEOUT 120 CLUSTER --node-option=--memory-limit=256M)
taskpool_cluster_test(blame_on_one_node cluster.blame TIMEOUT 120 CLUSTER --nodes 1 --node-option=--memory-limit=256M)

taskpool_job(cluster family)
taskpool_cluster_test(family cluster.family TIMEOUT 120)

taskpool_job(cluster trees)
taskpool_cluster_test(trees cluster.trees TIMEOUT 120 CLUSTER --node-option=--task-limit=3)
taskpool_cluster_test(trees_on_one_node cluster.trees TIMEOUT 120 CLUSTER --nodes 1 --node-option=--task-limit=1)
taskpool_cluster_test(family_on_small_nodes cluster.family TIMEOUT 120 CLUSTER --node-option=--task-limit=8)

taskpool_job(cluster isolated)
taskpool_cluster_test(isolated cluster.isolated TIMEOUT 120 CLUSTER --nodes 1)
taskpool_job(cluster busy)
taskpool_cluster_test(busy cluster.busy TIMEOUT 120 CLUSTER --nodes 1 --workers 1)
taskpool_cluster_test(busy_beside_others cluster.busy TIMEOUT 120 CLUSTER --nodes 1 --workers 2)

taskpool_job(cluster exchange)
taskpool_cluster_test(exchange cluster.exchange TIMEOUT 120)
taskpool_scenario(cluster exchange_broken)

taskpool_scenario(cluster unreachable SCENARIOS
    a_key_that_is_not_listed
    a_key_that_is_listed_meanwhile_gets_in
    a_coordinator_with_another_key
    nobody_listens
    a_name_that_does_not_resolve
    something_that_says_nothing)

taskpool_job(cluster leave)
taskpool_scenario(cluster leaving EXCLUDE tsan) # threads are left, which is what it is about

taskpool_job(cluster away)
taskpool_job(cluster survive)
taskpool_scenario(cluster failure TIMEOUT 90 SCENARIOS
    a_node_is_killed_and_started_again
    a_node_is_stopped_for_five_seconds
    a_node_is_stopped_for_less_than_a_second
    the_coordinator_is_killed_and_started_again
    the_coordinator_is_killed_twice
    a_program_says_that_it_waits_for_its_coordinator
    coordinator_and_node_are_killed_together
    all_nodes_are_killed_and_started_again
    a_worker_process_is_killed
    a_driver_is_killed
    a_connection_is_cut_in_mid_stream
    connections_are_cut_again_and_again
    a_node_is_cut_off_for_four_seconds
    the_drivers_are_cut_off_for_four_seconds
    a_slow_network_changes_nothing)

taskpool_scenario(cluster namespaces SCENARIOS
    a_nodes_link_is_down_for_five_seconds
    the_coordinators_link_is_down_for_two_seconds
    the_drivers_link_is_down_for_four_seconds
    a_nodes_address_is_given_to_a_stranger
    only_the_coordinator_can_be_reached)

taskpool_job(cluster placement)
taskpool_scenario(cluster placement TIMEOUT 120 EXCLUDE tsan)

taskpool_job(cluster output)
taskpool_scenario(cluster output)

taskpool_job(cluster program OPTIONS -DPROGRAM_VERSION=1)
add_executable(cluster.program_changed cluster/program.c)
add_executable(cluster.program_in_need cluster/program.c)
foreach(variant program_changed program_in_need)
    target_include_directories(cluster.${variant} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
    target_link_libraries(cluster.${variant} PRIVATE taskpool taskpool_warnings)
endforeach()
target_compile_definitions(cluster.program_changed PRIVATE _GNU_SOURCE= PROGRAM_VERSION=2)
target_compile_definitions(cluster.program_in_need PRIVATE _GNU_SOURCE= PROGRAM_VERSION=3 PROGRAM_NEEDS)
# The driver finds it through $LD_LIBRARY_PATH, a node not at all.
add_library(cluster.needed SHARED cluster/needed.c)
target_link_libraries(cluster.needed PRIVATE taskpool_warnings)
target_link_libraries(cluster.program_in_need PRIVATE cluster.needed)
set_target_properties(cluster.program_in_need PROPERTIES SKIP_BUILD_RPATH ON)
taskpool_scenario(cluster programs TIMEOUT 120)
