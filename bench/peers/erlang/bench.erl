%% SPDX-License-Identifier: MIT

%% Erlang: processes that send each other messages; there are no channels. Called with the scheduler flags that bench/run
%% gives: one scheduler for pingpong1, two for the rest.
-module(bench).
-export([main/1]).

-define(ROUNDS_ONE_WORKER, 1000000).
-define(ROUNDS_TWO_WORKERS, 50000).
-define(TASKS, 1000000).

main([Work]) -> main([Work, '1']);
main([Work, Divisor]) ->
    case run(Work, list_to_integer(atom_to_list(Divisor))) of
        not_offered -> halt(3);
        _ -> halt(0)
    end.

run(pingpong1, Divisor) ->
    show("pingpong1", ping_pong(?ROUNDS_ONE_WORKER div Divisor, 1), "ns");
run(pingpong2, Divisor) ->
    show("pingpong2", ping_pong(?ROUNDS_TWO_WORKERS div Divisor, 2), "ns");
run(parked, Divisor) ->
    Count = ?TASKS div Divisor,
    Before = resident_kib(),
    park_many(Count div 10),
    Start = erlang:monotonic_time(nanosecond),
    Resident = park_many(Count),
    show("parked", (erlang:monotonic_time(nanosecond) - Start) / 1.0e9, "s"),
    show("parked_memory", (Resident - Before) / Count, "KiB");
run(idle, _) ->
    park_many(1000),
    {Before, _} = statistics(runtime),
    timer:sleep(2000),
    {After, _} = statistics(runtime),
    show("idle", float(After - Before), "ms");
run(_, _) ->
    not_offered.

%% The client runs on the first scheduler, the server on scheduler number OfServer: both stay there.
ping_pong(Rounds, OfServer) ->
    Self = self(),
    Server = spawn_opt(fun serve_ping/0, [{scheduler, OfServer}]),
    spawn_opt(fun() ->
                  ping(Server, Rounds div 10),
                  Start = erlang:monotonic_time(nanosecond),
                  ping(Server, Rounds),
                  Self ! {took, (erlang:monotonic_time(nanosecond) - Start) / Rounds}
              end, [{scheduler, 1}]),
    receive {took, Took} -> Took end.

serve_ping() ->
    receive {From, Value} -> From ! Value + 1 end,
    serve_ping().

ping(_, 0) -> ok;
ping(Server, Rounds) ->
    Server ! {self(), Rounds},
    receive Value when Value =:= Rounds + 1 -> ok end,
    ping(Server, Rounds - 1).

%% Each process waits in its own mailbox and answers with its message, which main counts.
park_many(Count) ->
    Self = self(),
    Processes = [spawn(fun() -> park(Self) end) || _ <- lists:seq(1, Count)],
    Resident = resident_kib(),
    lists:foldl(fun(Process, I) -> Process ! I, I + 1 end, 0, Processes),
    Expected = Count * (Count - 1) div 2,
    Expected = collect(Count, 0),
    Resident.

park(Main) ->
    receive Value -> Main ! {result, Value} end.

collect(0, Sum) -> Sum;
collect(Count, Sum) ->
    receive {result, Value} -> collect(Count - 1, Sum + Value) end.

resident_kib() ->
    {ok, Text} = file:read_file("/proc/" ++ os:getpid() ++ "/statm"),
    [_, Pages | _] = string:split(Text, " ", all),
    binary_to_integer(Pages) * 4.

show(Figure, Value, Unit) ->
    io:format("~s ~.6f ~s~n", [Figure, Value, Unit]).
