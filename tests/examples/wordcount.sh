#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# wordcount against a pipeline of standard tools, byte for byte, on texts that are made up and on real ones.
# Usage: wordcount.sh PROGRAM [POOL]
. "$(dirname "$0")/lib.sh"

standard_tools() {
    {
        find -H "$@" -type f ! -name '*.gz' -exec cat {} \; -exec echo \;
        find -H "$@" -type f -name '*.gz' -exec zcat {} \; -exec echo \;
    } | LC_ALL=C tr -cs A-Za-z '\n' | tr A-Z a-z | grep . | LC_ALL=C sort | uniq -c
}
same_as_standard_tools() { # DIRECTORY [OPTION...]
    local directory=$1
    shift
    [ -s "$directory.wanted" ] || standard_tools "$directory" >"$directory.wanted"
    [ -s "$directory.wanted" ] && "$program" --all "$@" "$directory" >got && cmp "$directory.wanted" got
}

mkdir -p made/deep/er 'made/with blank'
# Words in every place where a cut may fall: long, short, with every byte between them.
LC_ALL=C awk 'BEGIN { srand(7); for (i = 0; i < 15000; i++) { word = ""; n = int(rand() * rand() * 14) + 1
    while (n-- > 0) word = word sprintf("%c", (rand() < 0.1 ? 65 : 97) + int(rand() * 26))
    printf "%s%c", word, rand() < 0.2 ? int(rand() * 256) : 32 } }' >made/words
head -c 50000 made/words >made/deep/cut # ends in the middle
printf 'no line end, and joined' >made/deep/a
printf 'together never' >made/deep/b
head -c 30000 /dev/zero | tr '\0' x >made/deep/long # one word, longer than a small parcel
printf ' y' >>made/deep/long
: >made/deep/empty
printf '%s' {a..z}{a..z}{a..z} >'made/with blank/line
end'
gzip -c made/words >made/deep/er/words.gz
{ gzip -c made/deep/a; gzip -c made/words; } >made/deep/er/two-in-a-row.gz
: | gzip >made/deep/er/nothing.gz
head -c 1200000 /dev/urandom | base64 | gzip >made/large.gz # over the limit up to which a file travels packed
ln -s ../made made/deep/er/around                           # must not be followed

check "made up texts, usual parcels" same_as_standard_tools made
check "made up texts, small parcels" same_as_standard_tools made --parcel 4K
check "made up texts, large parcels" same_as_standard_tools made --parcel 8M

# A megabyte of the documentation that is there, packed and not.
mkdir real
{ find -H /usr/share/common-licenses /usr/share/doc -type f -size -200k -printf '%s %p\n' 2>/dev/null || true; } |
    LC_ALL=C sort -k2 | awk '(sum += $1) < 1000000 { sub("[0-9]* ", ""); print }' |
    xargs -r -d '\n' cp --parents -t real
check "real texts" same_as_standard_tools real
check "real texts, small parcels" same_as_standard_tools real --parcel 16K
ln -s real link
check "a directory behind a link" same_as_standard_tools link
on_another_pool() { TASKPOOL=$other "$program" --all real >got && cmp real.wanted got; }
check "on another pool" on_another_pool

most_frequent() {
    "$program" --top 5 real | awk 'NR > 1 { gsub(",", "", $2); print $2, $4 }' >got
    sort -k1,1nr -k2,2 real.wanted | awk 'NR <= 5 { print $1, $2 }' >wanted
    [ "$(wc -l <got)" -eq 5 ] && cmp wanted got
}
check "the most frequent words" most_frequent
check "progress where it is asked for" ends_with 0 '100%  .* bytes' "$program" --progress real

# What cannot be read is said, and the rest is counted.
mkdir broken
echo "fine words" >broken/fine
head -c 5000 made/deep/er/words.gz >broken/short.gz
echo "no gzip at all" >broken/fake.gz
check "a compressed file that ends too early" ends_with 1 'short.gz: it ends too early' "$program" broken
check "a file that only its name says to be compressed" ends_with 1 'fake.gz: incorrect header' "$program" broken
check "the rest is counted" ends_with 1 '^ +1 fine$' "$program" --all broken
check "a missing directory" ends_with 1 'no-such: No such file' "$program" no-such
if [ -w /dev/full ]; then
    check "a full disk" ends_with 1 'No space left' sh -c '"$0" --all made >/dev/full' "$program"
fi

check "help" ends_with 0 'Usage: wordcount' "$program" --help
check "a wrong option" ends_with 2 'parcel takes a size' "$program" --parcel 1
check "a pool that is none" ends_with 1 'cannot open a pool: TP_E_ADDRESS' env TASKPOOL=nowhere "$program" made
finish
