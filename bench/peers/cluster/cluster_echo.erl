%% SPDX-License-Identifier: MIT
%% Erlang: the driver's node starts two worker nodes (erl -sname), each a process that echoes; messages between nodes in clear.
%% A message a task, at most 10,000 under way; no queue, no promise, no retry.
-module(cluster_echo).
-export([main/0, serve/0]).

serve() ->
    receive
        {From, Number, Bytes} -> From ! {Number, Bytes}, serve()
    end.

mark(Name) ->
    case os:getenv("BENCH_MARKS") of
        false -> ok;
        _ -> io:format("mark ~s~n", [Name]), io:get_line(""), ok
    end.

workers() ->
    [spawn(list_to_atom(Node), ?MODULE, serve, []) || Node <- string:tokens(os:getenv("BENCH_NODES"), ",")].


run(Workers, Sent, Count, Cells) -> run(Workers, Sent, 0, Count, Cells).

run(_, Count, Count, Count, _) -> ok;
run([Worker | Rest], Sent, Received, Count, Cells) when Sent < Count, Sent - Received < 10000 ->
    Worker ! {self(), Sent, binary:part(Cells, Sent rem 1000 * 64, 64)},
    run(Rest ++ [Worker], Sent + 1, Received, Count, Cells);
run(Workers, Sent, Received, Count, Cells) ->
    receive
        {Number, Bytes} ->
            Bytes = binary:part(Cells, Number rem 1000 * 64, 64),
            run(Workers, Sent, Received + 1, Count, Cells)
    end.

once(Worker, Bytes) ->
    Start = now_ns(),
    Worker ! {self(), 0, Bytes},
    receive {0, Bytes} -> ok end,
    now_ns() - Start.

now_ns() -> erlang:monotonic_time(nanosecond).

work("map", Divisor, Workers) ->
    Count = 1000000 div Divisor,
    Cells = crypto_free_bytes(64000),
    run(Workers, 0, Count div 10, Cells),
    mark("begin"),
    Start = now_ns(),
    run(Workers, 0, Count, Cells),
    io:format("map ~f tasks/s~n", [Count * 1.0e9 / (now_ns() - Start)]),
    io:format("map_tasks ~b tasks~n", [Count]),
    mark("end");
work("latency", Divisor, [A, B]) ->
    Count = 5000 div Divisor,
    Bytes = crypto_free_bytes(64),
    [once(A, Bytes) || _ <- lists:seq(1, Count div 10)],
    Times = lists:sort([once(case I rem 2 of 0 -> A; 1 -> B end, Bytes) || I <- lists:seq(1, Count)]),
    io:format("latency_p50 ~f us~n", [lists:nth(Count div 2, Times) / 1000]),
    io:format("latency_p99 ~f us~n", [lists:nth(Count * 99 div 100, Times) / 1000]);
work("payload", Divisor, [A | _]) ->
    Count = 400 div Divisor,
    Bytes = crypto_free_bytes(1048576),
    once(A, Bytes),
    Start = now_ns(),
    [once(A, Bytes) || _ <- lists:seq(1, Count)],
    io:format("payload ~f MB/s~n", [Count * 1048.576 * 1.0e6 / (now_ns() - Start)]);
work("idle", Divisor, _) ->
    mark("begin"),
    timer:sleep(case Divisor of 1 -> 10000; _ -> 2000 end),
    mark("end").

%% Without the crypto application, which erlang-base leaves out.
crypto_free_bytes(Size) -> << <<(rand:uniform(256) - 1)>> || _ <- lists:seq(1, Size) >>.

main() ->
    [Work | Rest] = init:get_plain_arguments(),
    Divisor = case Rest of [Text] -> list_to_integer(Text); [] -> 1 end,
    work(Work, Divisor, workers()),
    halt(0).
