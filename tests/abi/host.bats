# SPDX-License-Identifier: MIT
# The plugin as a host sees it: one symbol, and the documented C host compiled and run.

bats_require_minimum_version 1.5.0
load ../skip

setup() {
    plugin=$(find "$TBK_BUILD" -name torrust_backup.so | head -n 1)
    host=$BATS_FILE_TMPDIR/host
}

@test "the plugin exports exactly one symbol" {
    run nm -D --defined-only "$plugin"
    [ "$status" = 0 ]
    [ "$(grep -c ' [A-Z] ' <<<"$output")" = 1 ]
    [[ $output == *" T tbk_plugin_get_v1" ]]
}

@test "on x86 a jump into the plugin lands only where the program says" {
    [ "$(uname -m)" = x86_64 ] || skip_because "the processor knows no such protection"
    run objdump -d --disassemble=tbk_plugin_get_v1 "$plugin"
    [ "$status" = 0 ]
    [[ $output == *endbr64* ]]
}

@test "the documented host compiles without a warning, as C11 and as C17" {
    for standard in c11 c17; do
        cc -std=$standard -Wall -Wextra -Wpedantic -Werror -I "$TBK_SOURCE/plugin/include" \
            -o "$host" "$TBK_SOURCE/docs/examples/host.c" -ldl
    done
}

@test "the header compiles as C++" {
    command -v c++ >/dev/null || skip_because "this machine has no C++ compiler"
    c++ -std=c++17 -Wall -Wextra -Werror -fsyntax-only -x c++ "$TBK_SOURCE/plugin/include/torrust_backup/plugin_v1.h"
}

@test "the documented host gets the version" {
    run --separate-stderr "$host" "$plugin" version none
    [ "$status" = 0 ]
    [[ $output == *'"abi_version": 1'* ]]
}

@test "an error reaches the host with its fix and the exit status" {
    run "$host" "$plugin" render missing-environment "$BATS_TEST_TMPDIR"
    [ "$status" = 2 ]
    [[ $output == *"there is no such environment"* ]]
    [[ $output == *"Tip: run it in the deployer's working directory"* ]]
}

@test "loading and a failing call change neither directory, umask nor signals" {
    cat >"$BATS_TEST_TMPDIR/quiet.c" <<'END'
#include <torrust_backup/plugin_v1.h>
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
int main(int argc, char **argv)
{
    char before[4096], after[4096];
    struct sigaction action;
    tbk_plugin_get_v1_function get;
    (void)argc;
    umask(027);
    getcwd(before, sizeof before);
    void *symbol = dlsym(dlopen(argv[1], RTLD_NOW), "tbk_plugin_get_v1");
    memcpy(&get, &symbol, sizeof get);
    tbk_request_v1 request = {.struct_size = sizeof request, .verb = "configure", .environment = "none"};
    if (get()->run(&request, 0, 0, 0, 0, 0) != 2) return 10;
    getcwd(after, sizeof after);
    if (strcmp(before, after) != 0) return 11;
    if (umask(0) != 027) return 12;
    for (int number = 1; number < 32; number++)
        if (sigaction(number, 0, &action) == 0 && action.sa_handler != SIG_DFL) return 100 + number;
    return 0;
}
END
    cc -D_GNU_SOURCE -I "$TBK_SOURCE/plugin/include" -o "$BATS_TEST_TMPDIR/quiet" "$BATS_TEST_TMPDIR/quiet.c" -ldl
    run "$BATS_TEST_TMPDIR/quiet" "$plugin"
    [ "$status" = 0 ]
    [ -z "$output" ]
}
