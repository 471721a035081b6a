# The node's shell, against worker processes that are small C programs of their own. These are never sanitized: a
# sanitizer has its own way with signals, and with memory.
add_executable(node.fake_worker node/fake_worker.c)
target_compile_definitions(node.fake_worker PRIVATE _GNU_SOURCE=)
target_compile_options(node.fake_worker PRIVATE -g -fno-omit-frame-pointer -fno-sanitize=all -fno-inline
    -fno-optimize-sibling-calls)
target_link_options(node.fake_worker PRIVATE -fno-sanitize=all)
target_include_directories(node.fake_worker PRIVATE ${PROJECT_SOURCE_DIR}/proto ${PROJECT_SOURCE_DIR}/core/include)
target_link_libraries(node.fake_worker PRIVATE taskpool_warnings)

function(taskpool_node_test name)
    taskpool_test(node ${name} ${ARGN} LIBRARIES taskpool_node_shell)
    if(TARGET node.${name})
        target_compile_definitions(node.${name} PRIVATE FAKE_WORKER="$<TARGET_FILE:node.fake_worker>"
            NODE_PROGRAM="$<TARGET_FILE:taskpool-node>")
        add_dependencies(node.${name} node.fake_worker taskpool-node)
        set_tests_properties(node.${name} PROPERTIES SKIP_RETURN_CODE 77)
    endif()
endfunction()

taskpool_node_test(processes_test SOURCES node/workers.c TIMEOUT 120)
taskpool_node_test(isolation_test SOURCES node/workers.c)
taskpool_node_test(cache_test)
taskpool_node_test(facts_test)
taskpool_node_test(silence_test)
# libzmq is not built with the thread sanitizer, which then finds races everywhere in it.
taskpool_node_test(node_test SOURCES node/head.c TIMEOUT 120 EXCLUDE tsan)
