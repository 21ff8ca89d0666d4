# SPDX-License-Identifier: MIT
# `verify` beside the live database, from the operator's side: through the tunnel, and when it cannot be entered.

bats_require_minimum_version 1.5.0
load common
load mysql

setup_file() {
    start_machine "e2e-live-$kind" --database "$kind" --rows 5000 --rate 20
    tb configure
}

report() { jq -r "$1" "$workspace/build/standin/torrust-backup/last-verify.json"; }
state_of() { report ".checks[] | select(.name == \"$1\") | .state"; }
detail_of() { report ".checks[] | select(.name == \"$1\") | .detail"; }

@test "$kind: every table is compared, and no port of the server is open" {
    tb verify
    [ "$(state_of credentials)" = ok ]
    [ "$(state_of 'live database')" = ok ]
    [[ $(detail_of credentials) == *"the tracker was started with it"* ]]
    [ "$(report '.live_tables | length')" = "$(sql -e "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'tracker'")" ]
    [ "$(report '.live_tables[] | select(.table == "torrents") | .up_to_highest_key')" = true ]
    run -1 sh_on_vm 'ss -Hltn | grep -q ":3306 "'
}

@test "$kind: over the ssh program it is the same" {
    tb verify --ssh-program openssh
    [ "$(state_of 'live database')" = ok ]
}

@test "$kind: where the SSH server forwards nothing, the set is proved and the report says what to do" {
    sh_on_vm 'echo "AllowTcpForwarding no" >/etc/ssh/sshd_config.d/00-none.conf; systemctl reload ssh'
    tb verify
    sh_on_vm 'rm /etc/ssh/sshd_config.d/00-none.conf; systemctl reload ssh'
    [ "$(state_of 'live database')" = warning ]
    [[ $(detail_of 'live database') == *"AllowTcpForwarding yes"* ]]
}

@test "$kind: a tracker that was started with another password than .env has now is a warning, and no password is told" {
    local env=/opt/torrust/.env other=Plain-2
    on_vm cp -p $env /root/env.before
    sh_on_vm "sed -i \"s|^$address=.*|$address='mysql://tracker_user:$other@mysql:3306/tracker'|; s|^MYSQL_PASSWORD=.*|MYSQL_PASSWORD='$other'|\" $env"
    sql -e "ALTER USER tracker_user@'%' IDENTIFIED BY '$other'"
    run tb verify
    printf '%s\n' "$output" >&2
    [ "$status" = 0 ]
    [[ $output != *"$other"* && $output != *"$password"* ]]
    [ "$(state_of credentials)" = warning ]
    [[ $(detail_of credentials) == *"docker compose up -d"* ]]
    [ "$(state_of 'live database')" = ok ]
}
