# Real containers. They take minutes and need an engine, so they run when asked for: ctest -C Container -L container.
# Without an engine they are skipped, and say so.
if(NOT kind STREQUAL plain)
    return()
endif()
add_executable(container.job ${CMAKE_CURRENT_SOURCE_DIR}/container/job.c)
target_compile_definitions(container.job PRIVATE _GNU_SOURCE=)
target_link_libraries(container.job PRIVATE taskpool taskpool_warnings)

# taskpool_container_test(NAME TIMEOUT SCRIPT [ARGUMENTS...])
function(taskpool_container_test name timeout script)
    add_test(NAME container.${name} CONFIGURATIONS Container
        COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/container/${script} ${ARGN})
    set_tests_properties(container.${name} PROPERTIES LABELS container TIMEOUT ${timeout} RUN_SERIAL TRUE
        SKIP_RETURN_CODE 77
        ENVIRONMENT "TASKPOOL_TEST_PROGRAMS=${PROJECT_BINARY_DIR}/bin;TASKPOOL_TEST_JOB=$<TARGET_FILE:container.job>")
endfunction()

taskpool_container_test(images 900 images.py)
set_tests_properties(container.images PROPERTIES FIXTURES_SETUP container_images)
taskpool_container_test(cluster 900 cluster.py)
set_tests_properties(container.cluster PROPERTIES FIXTURES_REQUIRED container_images)
taskpool_container_test(operations 900 operations.py)
set_tests_properties(container.operations PROPERTIES FIXTURES_REQUIRED container_images)
taskpool_container_test(quickstart 900 quickstart.py)
