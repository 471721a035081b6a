#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# pipeline with stages that crash, against pipeline --serial: every request once and in order, byte for byte.
# Usage: pipeline.sh PROGRAM [POOL]
. "$(dirname "$0")/lib.sh"
pages=60
afters="1 20"
[ -z "$small" ] || afters=20

"$program" --pages $pages --serial -o serial.csv >serial.txt
same_as_serial() {
    rm -f pool.csv
    local status=0
    "$program" --pages $pages -o pool.csv "$@" >pool.txt 2>pool.log || status=$?
    cat pool.txt pool.log
    [ $status -eq 0 ] || return 1
    cmp serial.csv pool.csv && diff serial.txt <(tail -n "$(wc -l <serial.txt)" pool.txt)
}
restarts() { awk -v stage="$1" '$1 == stage { sum += $(NF - 4) } END { print sum + 0 }' pool.txt; }

check "there is a line a request" test "$(wc -l <serial.csv)" -eq $((pages * 256 + 1))
check "without a crash" same_as_serial
check "no page came twice" grep -q '^0 pages came twice' pool.txt
for stage in source parse inspect; do
    for after in $afters; do
        check "$stage crashes with its page $after" same_as_serial --fail-stage "$stage" --fail-stage-after "$after"
        check "and was started again" test "$(restarts "$stage")" -ge 1
        check "which is said" grep -qE "stage $stage( 2)? was lost on .* \((TP_E_TASK|TP_E_NODE_LOST): " pool.log
    done
done
check "on another pool" env TASKPOOL=$other "$program" --pages $pages -o other.csv
check "it is the same" cmp serial.csv other.csv
check "a crash that never comes" same_as_serial --fail-stage-after 1000000
check "is none" test "$(restarts parse)" -eq 0
check "one page" bash -c '"$0" --pages 1 -o one.csv >/dev/null && head -257 serial.csv | cmp - one.csv' "$program"
check "another log" "$program" --pages $pages --seed 2 -o other.csv
check "is another one" bash -c '! cmp -s serial.csv other.csv'

check "a stage that may not be started again" ends_with 1 'stage .* failed: (TP_E_TASK|TP_E_NODE_LOST): ' \
    "$program" --pages $pages --fail-stage-after 3 --restarts 0
if [ -w /dev/full ]; then
    check "a full disk" ends_with 1 'cannot write /dev/full: No space left' "$program" --pages $pages -o /dev/full
fi
check "progress where it is asked for" ends_with 0 '100%  .* pages' "$program" --pages 20 --progress
check "help" ends_with 0 'Usage: pipeline' "$program" --help
for wrong in "--pages 0" "--fail-stage sink" "--fail-stage-after 0" "one"; do
    # shellcheck disable=SC2086
    check "refuses $wrong" ends_with 2 '^pipeline|/pipeline:' "$program" $wrong
done
check "a pool that is none" ends_with 1 'cannot open a pool: TP_E_ADDRESS' env TASKPOOL=nowhere "$program"
finish
