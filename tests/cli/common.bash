# SPDX-License-Identifier: MIT
# What the tests of the programs share.
# shellcheck shell=bash

# make_workspace: $workspace, with the environment 'minimal' as the deployer writes it.
make_workspace() {
    workspace=$BATS_TEST_TMPDIR/workspace
    mkdir -p "$workspace/data/minimal" "$workspace/envs"
    cp "$TBK_SOURCE/tests/golden/sqlite-minimal/environment.json" "$workspace/data/minimal/"
}

# The command line in the workspace.
tb() { (cd "$workspace" && timeout 120 "$TBK_BUILD/bin/torrust-backup" "$@"); }

# In the store of the current folder: the sets, and what is hidden beside them.
sets() { find store -mindepth 1 -maxdepth 1 -name '[0-9]*' -printf '%f\n' 2>/dev/null | sort; }
hidden() { find store -mindepth 1 -maxdepth 1 -name '.*' ! -name .state -printf '%f\n' 2>/dev/null; }
