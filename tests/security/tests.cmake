# Peers that lie, keys that change, processes that pry. The jobs and scenarios as in tests/cluster.
taskpool_job(security lied_to)
taskpool_job(security revoked)
taskpool_job(security intruder)

# The real coordinator, whose frames pass through a liar.
add_executable(security.liar security/liar.c ${PROJECT_SOURCE_DIR}/coordinator/main.c
    ${PROJECT_SOURCE_DIR}/coordinator/shell.c $<TARGET_OBJECTS:taskpool_daemon>)
target_include_directories(security.liar PRIVATE ${PROJECT_SOURCE_DIR}/core ${PROJECT_SOURCE_DIR}/coordinator)
target_compile_definitions(security.liar PRIVATE _GNU_SOURCE=)
target_link_options(security.liar PRIVATE -Wl,--wrap=peer_send)
target_link_libraries(security.liar PRIVATE taskpool_coordinator_state taskpool_proto taskpool_daemon taskpool_warnings)

add_executable(security.peer security/peer.c)
target_include_directories(security.peer PRIVATE ${PROJECT_SOURCE_DIR}/core)
target_compile_definitions(security.peer PRIVATE _GNU_SOURCE=)
target_link_libraries(security.peer PRIVATE taskpool_proto taskpool_warnings)

taskpool_scenario(security liar TIMEOUT 90 SCENARIOS
    altered_tasks_do_not_run
    a_few_altered_tasks_are_sent_again
    altered_flags_do_not_run
    replayed_tasks_run_once
    the_same_tasks_on_two_nodes
    forged_streams_have_no_effect
    forged_accepts_and_offers_have_no_effect
    a_few_altered_chunks_are_sent_again
    an_altered_program_does_not_run
    nonsense_grows_nothing)
taskpool_scenario(security peers TIMEOUT 90 SCENARIOS
    a_key_that_is_not_listed_gets_no_answer
    a_role_that_is_not_theirs_is_refused
    listed_peers_that_break_rules_break_their_links
    listed_peers_that_send_anything_grow_nothing
    a_key_file_that_others_can_read_is_refused_by_all
    a_driver_without_a_key_says_so)
taskpool_scenario(security keys TIMEOUT 120)
taskpool_scenario(security workers)
taskpool_scenario(security coordinators)
