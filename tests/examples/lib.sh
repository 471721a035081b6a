# SPDX-License-Identifier: MIT
# What the tests of the examples share: `. lib.sh PROGRAM [POOL]`.
# They run on $TASKPOOL_TEST_POOL if that is set, on POOL (local:2) otherwise; $other is another pool, for what must
# not depend on the pool. With $TASKPOOL_TEST_SMALL only the least is done, for programs that sanitizers slow down.
set -euo pipefail

program=$(realpath "$1")
export TASKPOOL=${TASKPOOL_TEST_POOL:-${2:-local:2}}
other=local:4
small=${TASKPOOL_TEST_SMALL:-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
failures=0

# check TEXT COMMAND...: the command must succeed; its output is shown if it does not.
check() {
    local text=$1
    shift
    if "$@" >check.log 2>&1; then
        echo "ok: $text"
    else
        echo "FAILED: $text: $*"
        sed 's/^/    /' check.log
        failures=$((failures + 1))
    fi
}

# ends_with STATUS PATTERN COMMAND...: it must exit so, and say something that matches.
ends_with() {
    local wanted=$1 pattern=$2 status=0
    shift 2
    "$@" >said.log 2>&1 || status=$?
    cat said.log
    echo "exit status $status"
    [ "$status" -eq "$wanted" ] && grep -qE -e "$pattern" said.log
}

finish() {
    echo "$(basename "$program") on $TASKPOOL: $failures failed"
    [ "$failures" -eq 0 ]
}
