# SPDX-License-Identifier: MIT
"""What tasks write appears in the driver's streams, each line marked with its node and task."""
import re

from scenario import check, check_contains, run

LINES = 100000


def output_is_marked_with_node_and_task(setting):
    with setting.cluster() as cluster:
        done = cluster.run([setting.job("cluster.output")], capture_output=True, text=True)
        check(done.returncode == 0, f"the job ended with {done.returncode}: {done.stderr[-2000:]}")
    lines = done.stdout.splitlines()
    for stream, word in [(done.stdout, "out"), (done.stderr, "err")]:
        said = re.findall(rf"^\[(node\d) say\] {word} of task (\d+)$", stream, re.M)
        check(sorted(int(number) for _, number in said) == list(range(60)), f"each line once: {word} {sorted(said)}")
        check(len({node for node, _ in said}) == 3, "from all nodes")
        said = re.findall(rf"^\[node\d(?: say_by_descriptor)?\] {word} by descriptor (\d+)$", stream, re.M)
        check(sorted(map(int, said)) == list(range(60)), f"each line once, past the streams: {word} {sorted(said)}")
    check("out of task" not in done.stderr and "err of task" not in done.stdout, "each in its own stream")
    check(re.search(r"^\[node\d say_without_end\] no line end$", done.stdout, re.M), "a line that does not end")
    check("the driver's own line" in lines, "the driver's own output is not marked")
    flood = [int(number) for number in re.findall(r"^\[node\d flood\] flood (\d+) [0-9]{79}$", done.stdout, re.M)]
    check(flood == sorted(flood) and len(set(flood)) == len(flood), "a flood is in order")
    check(len(flood) > 0 and flood[-1] == LINES - 1 or "dropped" in done.stdout, "its end")
    dropped = sum(int(number) for number in re.findall(r"\((\d+) bytes of output were dropped here\)", done.stdout))
    whole = LINES * len("flood 000000 \n") + LINES * 79
    check(sum(len("flood 000000 \n") + 79 for _ in flood) + dropped >= whole - 200,
          f"what is missing is counted: {len(flood)} lines came, {dropped} bytes were dropped")


if __name__ == "__main__":
    run([output_is_marked_with_node_and_task])
