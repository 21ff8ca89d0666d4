#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The image that plugin/image/build makes: same bytes anywhere, nothing superfluous, taken by both stores of Docker.

bats_require_minimum_version 1.5.0 # for `run !`
source_dir=$(cd "$(dirname "$BATS_TEST_FILENAME")/../.." && pwd)
build=$source_dir/plugin/image/build
vm=$source_dir/tests/vm/vm
machine=hook-image

# A program with the engine's libraries, compiled in a folder of its own, with debug information that names it.
compile() {
    mkdir -p "$1"
    cat >"$1/program.c" <<'C'
#include <openssl/evp.h>
#include <sqlite3.h>
#include <stdio.h>
#include <zstd.h>
int main(void)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    if (!EVP_Digest("a", 1, digest, NULL, EVP_sha256(), NULL))
        return 1;
    printf("%s %s %02x\n", sqlite3_libversion(), ZSTD_versionString(), digest[0]);
    return 0;
}
C
    (cd "$1" && gcc -g -o program program.c -lsqlite3 -lzstd -lcrypto)
}

setup_file() {
    compile "$BATS_FILE_TMPDIR/one"
    compile "$BATS_FILE_TMPDIR/another/folder"
    for folder in one another/folder; do
        "$build" --engine "$BATS_FILE_TMPDIR/$folder/program" --version 1.2.3 \
            --output "$BATS_FILE_TMPDIR/$folder/engine.tar.gz"
    done
}
setup() { cd "$BATS_FILE_TMPDIR/one" || return; }

# runs_in_machine: loaded, and run as the engine is.
runs_in_machine() {
    "$vm" root "$machine" -- docker load -q <engine.tar.gz
    [[ $("$vm" root "$machine" -- docker run --rm --network none --read-only --cap-drop ALL \
        "$(jq -r .tag engine.json)") = 3.*ca ]]
}

@test "two builds in different folders give the same bytes, whatever the umask" {
    cmp engine.tar.gz ../another/folder/engine.tar.gz
    cmp engine.json ../another/folder/engine.json
    (umask 077 && "$build" --engine program --version 1.2.3 --output again.tar.gz)
    cmp engine.tar.gz again.tar.gz
}

@test "the description is that of the image" {
    [ "$(jq -r .id engine.json).json" = "$(tar xzOf engine.tar.gz manifest.json | jq -r '.[0].Config')" ]
    [ "$(jq -r .id engine.json)" = "$(tar xzOf engine.tar.gz "$(jq -r .id engine.json).json" | sha256sum | cut -c 1-64)" ]
    [ "$(jq -r .tag engine.json)" = "torrust-backup-engine:$(jq -r '.id[0:12]' engine.json)" ]
    [ "$(jq -r .size_bytes engine.json)" = "$(stat -c %s engine.tar.gz)" ]
    [ "$(jq -r .sha256 engine.json)" = "$(sha256sum <engine.tar.gz | cut -c 1-64)" ]
    [ "$(jq -r .layer engine.json)" = "sha256:$(tar xzOf engine.tar.gz --wildcards '*/layer.tar' | sha256sum | cut -c 1-64)" ]
}

@test "in it are the program, its shared objects, and nothing else" {
    tar xzOf engine.tar.gz --wildcards '*/layer.tar' | tar tvf - >list
    awk '$1 !~ /^d/ {sub(/.*\//, "", $NF); print $NF}' list | sort >files
    { ldd program | sed -nE 's#.*/([^/ ]+) \(0x.*#\1#p' && echo torrust-backup-engine; } | sort | diff - files
    run ! grep -v ' 0/0 .* 1970-01-01 00:00 ' list
    tar xzOf engine.tar.gz --wildcards '*/layer.tar' >layer.tar
    run ! grep -F "$BATS_FILE_TMPDIR" layer.tar
}

@test "a program whose shared objects are missing, or that is missing, makes no image" {
    echo 'int f(void); int main(void) { return f(); }' >needs.c
    echo 'int f(void) { return 0; }' >lost.c
    gcc -shared -fPIC -o liblost.so lost.c && gcc -o needs needs.c -L. -llost && rm liblost.so
    run ! "$build" --engine needs --version 1 --output none.tar.gz
    [[ $output == *liblost.so*"shared objects of 'needs'"* ]]
    run ! "$build" --engine absent --version 1 --output none.tar.gz
    [[ $output == *"no program 'absent'"* ]]
    [ -z "$(ls none* 2>/dev/null)" ] # nor anything half
}

@test "plugins of a library stand where it looks for them, with what they need, and it loads them" {
    cat >logs_in.c <<'C'
#include <mysql.h>
#include <stdio.h>
struct st_mysql_client_plugin *mysql_client_find_plugin(MYSQL *, const char *, int); /* the package lacks its header */
int main(int count, char **names)
{
    MYSQL *mysql = mysql_init(NULL);
    for (int i = 1; i < count; i++)
        if (mysql_client_find_plugin(mysql, names[i], 2 /* logs in */) == NULL)
            return puts(mysql_error(mysql)) > 0;
    return 0;
}
C
    # shellcheck disable=SC2046 # a list of flags
    gcc -o logs_in logs_in.c $(pkg-config --cflags --libs libmariadb)
    plugins=$(mariadb_config --plugindir)
    "$build" --engine logs_in --library-plugin "$plugins/caching_sha2_password.so" \
        --library-plugin "$plugins/client_ed25519.so" --output with.tar.gz
    [ "$(jq -r '.files[].path' with.json | grep -F "$plugins/")" = \
        "$(printf '%s\n' "$plugins/caching_sha2_password.so" "$plugins/client_ed25519.so")" ]
    mkdir image && tar xzOf with.tar.gz --wildcards '*/layer.tar' | tar xf - -C image
    chroot image /torrust-backup-engine caching_sha2_password client_ed25519
    run ! chroot image /torrust-backup-engine sha256_password # not in there
    [[ $output == *sha256_password* ]]

    # One that needs what the program does not.
    echo 'int f(void) { return 0; }' >extra.c && echo 'int f(void); int g(void) { return f(); }' >plugin.c
    gcc -shared -fPIC -o libextra.so extra.c && gcc -shared -fPIC -o plugin.so plugin.c -L. -lextra -Wl,-rpath,"$PWD"
    "$build" --engine program --library-plugin "$PWD/plugin.so" --output extra.tar.gz
    jq -r '.files[].path' extra.json | grep -qx '/lib.*/libextra\.so'
    rm libextra.so
    run ! "$build" --engine program --library-plugin "$PWD/plugin.so" --output none.tar.gz
    [[ $output == *"shared objects of '$PWD/plugin.so'"* ]]
    run ! "$build" --engine program --library-plugin plugin.so --output none.tar.gz
    [[ $output == *"is to be absolute"* ]]
    run ! "$build" --engine program --library-plugin "$PWD/absent.so" --output none.tar.gz
    [[ $output == *"no library's plugin"* ]]
    [ -z "$(ls none* 2>/dev/null)" ]
}

@test "it runs in Docker with nothing but itself, in the classic store and in containerd's" {
    "$vm" start "$machine"
    runs_in_machine
    [ "$("$vm" root "$machine" -- docker image inspect -f '{{.Id}}' "$(jq -r .tag engine.json)")" = \
        "sha256:$(jq -r .id engine.json)" ]
    # containerd's store is not to sit on the machine's overlay.
    "$vm" root "$machine" -- sh -c 'systemctl stop docker.socket docker containerd
        mkdir -p /var/lib/docker/containerd-store && mkdir -p /var/lib/containerd
        mount --bind /var/lib/docker/containerd-store /var/lib/containerd
        echo "{\"features\": {\"containerd-snapshotter\": true}}" >/etc/docker/daemon.json
        systemctl start containerd docker.socket docker'
    [ "$("$vm" root "$machine" -- docker info -f '{{.DriverStatus}}')" = '[[driver-type io.containerd.snapshotter.v1]]' ]
    runs_in_machine
    [ "$("$vm" root "$machine" -- docker image inspect -f '{{index .Config.Labels "org.torrust.backup.layer"}}' \
        "$(jq -r .tag engine.json)")" = "$(jq -r .layer engine.json)" ]
}

teardown_file() { "$vm" stop "$machine" 2>/dev/null || true; }
