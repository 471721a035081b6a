#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# render on a pool against render --serial, byte for byte.
# Usage: render.sh PROGRAM [POOL]
. "$(dirname "$0")/lib.sh"

same_as_serial() {
    rm -f serial.png pool.png
    "$program" "$@" --serial -o serial.png && "$program" "$@" -o pool.png && [ -s serial.png ] &&
        cmp serial.png pool.png
}
# Width and height as the file says them.
dimensions() {
    [ "$(head -c 8 "$1" | od -An -tx1)" = " 89 50 4e 47 0d 0a 1a 0a" ] &&
        [ "$(od -An -tu1 -j16 -N8 "$1" | awk '{ print $3 * 256 + $4, $7 * 256 + $8 }')" = "$2" ]
}

check "the place of old" same_as_serial --size 160x90 --samples 1 --iterations 800
check "tiles that do not fit" same_as_serial --size 101x67 --tile 16 --samples 2 --place seahorses --iterations 300
check "its size" dimensions pool.png "101 67"
check "one tile" same_as_serial --size 40x30 --tile 64 --place whole
check "more tiles than pixels need" same_as_serial --size 1x1 --tile 8
on_another_pool() {
    "$program" "$@" -o pool.png && TASKPOOL=$other "$program" "$@" -o other.png && cmp pool.png other.png
}
check "another pool" on_another_pool --size 101x67 --tile 16 --place deep
check "a place of one's own" same_as_serial --size 64x64 --centre -1.25,0.02 --across 0.05 --iterations 500
check "another place" "$program" --size 64x64 --place whole -o other.png
check "is another picture" bash -c '! cmp -s pool.png other.png'
check "progress where it is asked for" ends_with 0 '100%  .* tiles' "$program" --size 64x64 --progress

check "a folder that is not there" ends_with 1 'cannot write no/such.png' "$program" --size 8x8 -o no/such.png
check "nothing half written stays" bash -c '! ls ./*.part'
if [ -w /dev/full ]; then
    ln -s /dev/full full.png.part
    check "a full disk" ends_with 1 'No space left' "$program" --size 64x64 -o full.png
    check "then there is no picture" test ! -e full.png
fi
check "help" ends_with 0 'Usage: render' "$program" --help
for wrong in "--size 0x5" "--size 10" "--place nowhere" "--tile 4" "--across -1" "--centre 1" "one"; do
    # shellcheck disable=SC2086
    check "refuses $wrong" ends_with 2 '^render|/render:' "$program" $wrong
done
check "refuses a picture that is too large" ends_with 1 'at most' "$program" --size 65536x65536
check "a pool that is none" ends_with 1 'cannot open a pool: TP_E_ADDRESS' env TASKPOOL=nowhere "$program" --size 8x8
finish
