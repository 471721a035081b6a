# Real processes on loopback: what runs locally runs on a cluster, from the same binary.
find_package(Python3 REQUIRED COMPONENTS Interpreter)
set(TASKPOOL_PROGRAMS ${PROJECT_BINARY_DIR}/bin)

# taskpool_cluster_test(NAME TARGET [ARGUMENTS...]): the program of an existing test, on a coordinator and three nodes.
function(taskpool_cluster_test name target)
    if(NOT TARGET ${target} OR kind STREQUAL coverage)
        return()
    endif()
    add_test(NAME cluster.${name}
        COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/cluster/cluster.py --programs ${TASKPOOL_PROGRAMS} --
            $<TARGET_FILE:${target}> ${ARGN})
    math(EXPR timeout "60 * ${patience}")
    set_tests_properties(cluster.${name} PROPERTIES LABELS cluster TIMEOUT ${timeout}
        ENVIRONMENT "TASKPOOL_TEST_PATIENCE=${patience}")
endfunction()

foreach(seed api_methods api_promises architecture async_pool_api design_section3 design_section3_channels
        dispatch_helpers drain error_propagation fan_out_fan_in fire_and_forget_with_drain green_threads_within_workers
        hybrid_async inter_worker_channels intro parallel_computation_with_collection parallel_map pool_raw quick_start
        raii_with submitting_closures api_constructor)
    taskpool_cluster_test(seed.${seed} seed.${seed})
endforeach()
