# SPDX-License-Identifier: MIT
# The two playbooks, run once each on the same artefacts with the deployer's kind of inventory.

bats_require_minimum_version 1.5.0
load common

setup_file() { start_machine e2e-ansible; }

playbook() {
    (cd "$workspace" && ANSIBLE_STDOUT_CALLBACK=default ANSIBLE_HOST_KEY_CHECKING=False timeout 300 ansible-playbook \
        -i build/standin/ansible/inventory.yml "$source_dir/ansible/$1" \
        -e artefacts="$workspace/build/standin/torrust-backup" -e data="$build/share/torrust-backup")
}

@test "the install playbook installs what was rendered" {
    tb render
    playbook install-torrust-backup.yml
}

@test "it changes nothing the second time" {
    run playbook install-torrust-backup.yml
    [ "$status" = 0 ]
    [[ $output == *"changed=0"* ]]
}

@test "configure finds everything in place after it" {
    tb configure | grep -q 'Already in place'
}

@test "the verify playbook proves a backup" {
    run playbook verify-torrust-backup.yml
    echo "$output" >&2
    [ "$status" = 0 ]
    [[ $output == *"Proved: set "* ]]
    check_restored "$(newest)"
}

@test "the verify playbook fails when the engine's image is gone" {
    on_vm sh -c 'docker image rm $(docker image ls -q torrust-backup-engine)' >/dev/null
    run playbook verify-torrust-backup.yml
    [ "$status" != 0 ]
}
