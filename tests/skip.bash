# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# skip_because WHY...: leaves the test out, loudly. CI has all that the tests need, and leaves none out.
skip_because() {
    if [ "${CI-}" = true ]; then
        echo "may not be skipped with CI=true: $*" >&2
        return 1
    fi
    printf '*** SKIPPED: %s: %s\n' "${BATS_TEST_DESCRIPTION-}" "$*" >&3
    skip "$*"
}
