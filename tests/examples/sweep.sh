#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# sweep against the closed form, computed a second time by another program; and against itself on another pool.
# Usage: sweep.sh PROGRAM [POOL]
here=$(dirname "$(realpath "$0")")
. "$here/lib.sh"

check "prices with a fixed seed" "$program" --precision 2 --seed 20240512 -o a.csv --plot a.svg
check "every price meets the formula" python3 "$here/sweep_check.py" a.csv a.svg
check "tasks are unequal" awk -F, 'NR > 1 { cost = $4 * $5; if (!least || cost < least) least = cost
    if (cost > most) most = cost } END { exit !(most > 12 * least) }' a.csv
if [ -z "$small" ]; then
    check "on another pool, with a tolerance that cannot be met" ends_with 1 'more than 0.01 standard errors' \
        env TASKPOOL=$other "$program" --precision 2 --seed 20240512 --tolerance 0.01 -o b.csv --plot b.svg
    check "the same prices" cmp a.csv b.csv
    check "the same picture" cmp a.svg b.svg
    check "a folder that is not there" ends_with 1 'cannot write no/such.svg' \
        "$program" --precision 100 -o other.csv --plot no/such.svg
    check "another seed gives other prices" bash -c '! cmp -s <(cut -d, -f6 a.csv) <(cut -d, -f6 other.csv)'
fi

check "help" ends_with 0 'Usage: sweep' "$program" --help
for wrong in "--precision 0" "--paths 5" "--seed x" "--tolerance -1" "one"; do
    # shellcheck disable=SC2086
    check "refuses $wrong" ends_with 2 '^sweep|/sweep:' "$program" $wrong
done
check "a pool that is none" ends_with 1 'cannot open a pool: TP_E_ADDRESS' env TASKPOOL=nowhere "$program"
finish
