# The examples, as people run them: in a local pool, and on a cluster of processes on loopback.
taskpool_test(examples philox_test)
taskpool_test(examples runs_test SOURCES ${PROJECT_SOURCE_DIR}/examples/wordcount/run.c)
target_include_directories(examples.philox_test PRIVATE ${PROJECT_SOURCE_DIR}/examples)
target_include_directories(examples.runs_test PRIVATE ${PROJECT_SOURCE_DIR}/examples)

if(NOT TASKPOOL_EXAMPLES)
    return()
endif()

# example_test(NAME PROGRAM arguments... EXPECT regular expression)
function(example_test name program)
    cmake_parse_arguments(PARSE_ARGV 2 arg "" "EXPECT" "")
    math(EXPR timeout "60 * ${patience}")
    add_test(NAME examples.${name} COMMAND example.${program} ${arg_UNPARSED_ARGUMENTS})
    set_tests_properties(examples.${name} PROPERTIES LABELS examples TIMEOUT ${timeout}
        PASS_REGULAR_EXPRESSION ${arg_EXPECT})
endfunction()

example_test(first first EXPECT "map: 1001 1002 1003 1004\nfib\\(30\\) = 832040\ntask explode: boom 7\n")
# The numbers of primes are those of https://oeis.org/A006880.
foreach(case "1:0" "3:1" "1000:168" "10000000:664579")
    string(REPLACE ":" ";" case ${case})
    list(GET case 0 limit)
    list(GET case 1 count)
    example_test(primes_${limit} primes ${limit} EXPECT "^${count} primes below ${limit} ")
endforeach()
example_test(primes_refuses primes -5 EXPECT "usage: primes")

# The four jobs, each with its script. Those whose library is missing are left out by examples/CMakeLists.txt, which
# says so.
set(jobs sweep pipeline)
pkg_check_modules(zlib QUIET IMPORTED_TARGET zlib)
pkg_check_modules(libpng QUIET IMPORTED_TARGET libpng)
if(zlib_FOUND)
    list(APPEND jobs wordcount)
endif()
if(libpng_FOUND)
    list(APPEND jobs render)
endif()
# Sanitizers and coverage get the least of each.
set(environment "TASKPOOL_TEST_PATIENCE=${patience}" "PYTHONPATH=${CMAKE_CURRENT_SOURCE_DIR}/cluster")
if(NOT kind STREQUAL plain)
    list(APPEND environment "TASKPOOL_TEST_SMALL=1")
endif()
function(job_test name)
    math(EXPR timeout "60 * ${patience}")
    add_test(NAME examples.${name} COMMAND ${ARGN})
    set_tests_properties(examples.${name} PROPERTIES LABELS examples TIMEOUT ${timeout} ENVIRONMENT "${environment}")
endfunction()
foreach(job ${jobs})
    set(script ${CMAKE_CURRENT_SOURCE_DIR}/examples/${job}.sh $<TARGET_FILE:example.${job}>)
    job_test(${job} ${script})
    if(TASKPOOL_CLUSTER AND NOT kind STREQUAL coverage)
        job_test(${job}_on_cluster ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/cluster/cluster.py
            --programs ${TASKPOOL_PROGRAMS} -- ${script})
    endif()
endforeach()
if(TASKPOOL_CLUSTER AND NOT kind STREQUAL coverage)
    foreach(scenario a_node_dies_for_good all_nodes_but_one_die)
        job_test(pipeline_on_cluster.${scenario} ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/examples/node_killed.py
            --programs ${TASKPOOL_PROGRAMS} --jobs $<TARGET_FILE_DIR:example.pipeline> --kind ${kind} ${scenario})
    endforeach()
endif()
