# SPDX-License-Identifier: MIT
# Login shells of the SSH user that print, and that are not POSIX.

bats_require_minimum_version 1.5.0
load common
load ../skip

setup_file() {
    start_machine e2e-login-shell --rows 2000 --rate 20
    tb configure
    tb run
}

program() { printf 'ssh:\n  program: %s\n' "$1" >"$workspace/envs/standin.backup.yml"; }
all_commands() {
    tb status && tb run && tb list && tb verify && tb plan && tb restore --set latest --dry-run
}

@test "what ~/.bashrc prints is no answer: all commands work, and it is told" {
    "$vm" ssh "$machine" 'printf "echo Welcome\necho tracker_state exited\necho oops >&2\n" | cat - ~/.bashrc >~/.new && mv ~/.new ~/.bashrc'
    for program in libssh2 openssh; do
        program $program
        run all_commands
        echo "$output"
        [ "$status" = 0 ]
        [[ $output == *"prints before each command, which is left out: Welcome"* ]]
    done
}

@test "fish as login shell: all commands work" {
    command -v fish >/dev/null || skip_because "this machine has no fish"
    root=$("$vm" path "$machine")/root
    cp "$(command -v fish)" "$root/usr/bin/fish"
    ldd "$(command -v fish)" | grep -o '/[^ ]*' | while read -r library; do
        [ -e "$root$library" ] || install -D "$library" "$root$library"
    done
    cp -r /usr/share/fish "$root/usr/share/"
    on_vm usermod -s /usr/bin/fish torrust
    for program in libssh2 openssh; do
        program $program
        run all_commands
        echo "$output"
        [ "$status" = 0 ]
    done
}
