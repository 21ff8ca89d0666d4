#!/usr/bin/env bash
# Builds the same source in two folders with names of different length, and compares what comes out:
# the plugin, the programs, the container image and its id have to be the same to the byte.
#
# Usage: tests/lint/reproducible.sh
set -euo pipefail
cd "$(dirname "$0")/../.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

build() { # FOLDER
    mkdir -p "$1"
    git ls-files -z --cached --others --exclude-standard | while IFS= read -r -d '' file; do
        [ ! -e "$file" ] || printf '%s\0' "$file"
    done | tar --null -T - -cf - | tar -C "$1" -xf -
    cmake -S "$1" -B "$1/build" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DBUILD_TESTING=OFF >/dev/null
    cmake --build "$1/build" >/dev/null
    DESTDIR=$1/installed cmake --install "$1/build" --prefix /usr >/dev/null
    (cd "$1/installed" && find . -type f -print0 | sort -z | xargs -0 sha256sum) >"$1.sums"
}

echo "Building twice"
build "$work/a"
build "$work/a-folder/with a longer name"
if ! diff "$work/a.sums" "$work/a-folder/with a longer name.sums"; then
    echo "These files differ between two builds of the same source" >&2
    exit 1
fi
echo "$(wc -l <"$work/a.sums") installed files are the same, to the byte:"
cat "$work/a.sums"
