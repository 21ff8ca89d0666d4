#!/usr/bin/env bash
# Builds the same source once more, in a folder with a name of another length, and compares what comes out with what a
# build of the working tree has: the plugin, the programs, the container images and their ids have to be the same to the
# byte.
#
# Usage: tests/lint/reproducible.sh BUILD
#   BUILD  a build folder of the working tree that is up to date, with CMAKE_BUILD_TYPE=RelWithDebInfo: build/release
set -euo pipefail
[ -e "${1:-.}/build.ninja" ] || { sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0" >&2; exit 2; }
first=$(realpath "$1")
cd "$(dirname "$0")/../.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
second="$work/a folder with a longer name"

copy_source() { # FOLDER
    mkdir -p "$1"
    git ls-files -z --cached --others --exclude-standard | while IFS= read -r -d '' file; do
        [ ! -e "$file" ] || printf '%s\0' "$file"
    done | tar --null -T - -cf - | tar -C "$1" -xf -
}

# What a build installs, each file with its sum.
sums_of() { # BUILD INSTALLED
    DESTDIR=$2 cmake --install "$1" --prefix /usr >/dev/null
    (cd "$2" && find . -type f -print0 | sort -z | xargs -0 sha256sum)
}

sums_of "$first" "$work/first" >"$work/first.sums"
echo "Building once more"
copy_source "$second"
# Nothing may come out of a cache of compiled files: it would be compared with itself.
export CCACHE_DISABLE=1
# What Debian has by now need not be the restic that the first build got.
cmake -S "$second" -B "$second/build" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DBUILD_TESTING=OFF \
    -DTBK_RESTIC="$first/outbound/restic" >/dev/null
cmake --build "$second/build" >/dev/null
sums_of "$second/build" "$work/second" >"$work/second.sums"
if ! diff "$work/first.sums" "$work/second.sums"; then
    echo "These files differ between two builds of the same source." >&2
    echo "(A build that a cache of compiled files made with CCACHE_BASEDIR has other paths in it: remove '$first'.)" >&2
    exit 1
fi
echo "$(wc -l <"$work/first.sums") installed files are the same, to the byte:"
cat "$work/first.sums"
