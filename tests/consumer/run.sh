#!/usr/bin/env bash
# Installs the library to a prefix of its own, then builds and runs the consumers as a user would: by
# find_package(TaskPool) and by pkg-config.
#   run.sh static|shared BUILD_DIRECTORY      CC, CXX: the compilers
set -euo pipefail
linkage=$1
build=$2
here=$(cd "$(dirname "$0")" && pwd)
source=$(cd "$here/../.." && pwd)
work=$build/consumer-$linkage
prefix=$work/prefix
rm -rf "$work"
mkdir -p "$work"

if [ "$linkage" = shared ]; then
    cmake -S "$source" -B "$work/library" -G Ninja -DBUILD_SHARED_LIBS=ON -DCMAKE_BUILD_TYPE=RelWithDebInfo
    cmake --build "$work/library" --target taskpool
    build=$work/library
fi
cmake --install "$build" --prefix "$prefix" --component libtaskpool
# An installed tree may be moved.
mv "$prefix" "$prefix-moved"
prefix=$prefix-moved
libdir=$(dirname "$(find "$prefix" -name pkgconfig)")

check_needed() {
    # Only the C library, our own when it is shared, and what the cluster needs when it is not.
    local allowed='libc\.so|ld-linux|libgcc_s\.so|libtaskpool\.so'
    case $linkage,$1 in
    static,* | *libtaskpool.so*) allowed="$allowed|libzmq\.so|libsodium\.so|libprotobuf-c\.so" ;;
    esac
    if readelf -d "$1" | grep NEEDED | grep -vE "$allowed"; then
        echo "$1 needs more than it should" >&2
        exit 1
    fi
}

cmake -S "$here" -B "$work/by-cmake" -G Ninja -DCMAKE_PREFIX_PATH="$prefix"
cmake --build "$work/by-cmake"
"$work/by-cmake/consumer_c"
"$work/by-cmake/consumer_cpp"
check_needed "$work/by-cmake/consumer_c"

export PKG_CONFIG_PATH=$libdir/pkgconfig
read -ra flags < <(pkg-config --cflags --libs taskpool)
"$CC" -std=gnu17 "$here/main.c" "${flags[@]}" -o "$work/consumer_c"
"$CXX" -std=c++20 "$here/main.cpp" "${flags[@]}" -o "$work/consumer_cpp"
LD_LIBRARY_PATH=$libdir "$work/consumer_c"
LD_LIBRARY_PATH=$libdir "$work/consumer_cpp"
check_needed "$work/consumer_c"

if [ "$linkage" = shared ]; then
    check_needed "$libdir/libtaskpool.so"
    # Whatever the public headers name and the library defines must be exported.
    grep -ohE '\btp_[a-z0-9_]+' -r "$prefix/include" | sort -u >"$work/named"
    nm --defined-only "$libdir/libtaskpool.so" | awk '{ sub("@.*", "", $3); print $3 }' | sort -u >"$work/defined"
    nm -D --defined-only "$libdir/libtaskpool.so" | awk '{ sub("@.*", "", $3); print $3 }' | sort -u >"$work/exported"
    if comm -12 "$work/named" "$work/defined" | comm -23 - "$work/exported" | grep .; then
        echo "libtaskpool.so hides what its headers declare: put it between the visibility pragmas" >&2
        exit 1
    fi
    if grep -vE '^(tp_|TASKPOOL_)' "$work/exported"; then
        echo "libtaskpool.so exports what is not its own" >&2
        exit 1
    fi
fi
echo "the $linkage library serves its consumers"
