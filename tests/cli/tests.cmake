# The tool, as people and scripts use it: against real clusters on loopback.
find_package(Python3 REQUIRED COMPONENTS Interpreter)

add_executable(cli.job cli/job.c)
target_compile_definitions(cli.job PRIVATE _GNU_SOURCE=)
target_link_libraries(cli.job PRIVATE taskpool taskpool_warnings)

foreach(name keys status why node run demo man completion)
    # What runs tasks dies with its process: there is nothing to count there.
    if(kind STREQUAL coverage AND NOT name MATCHES "keys|man|completion")
        continue()
    endif()
    math(EXPR timeout "120 * ${patience}")
    add_test(NAME cli.${name} COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/cli/${name}_test.py)
    set_tests_properties(cli.${name} PROPERTIES LABELS cli TIMEOUT ${timeout} ENVIRONMENT
        "TASKPOOL_PROGRAMS=${PROJECT_BINARY_DIR}/bin;TASKPOOL_TEST_JOB=$<TARGET_FILE:cli.job>;TASKPOOL_SOURCE=${PROJECT_SOURCE_DIR};TASKPOOL_TEST_PATIENCE=${patience}")
endforeach()
