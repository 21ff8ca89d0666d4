# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# What the entry script of the tracker's own image does: owners and modes at each start, then another user.
set -eu
busybox=/bin/busybox

"$busybox" mkdir -p /etc /tmp /var/lib/torrust/tracker/database /var/log/torrust/tracker /etc/torrust/tracker
"$busybox" chmod 1777 /tmp
if ! "$busybox" grep -qs '^torrust:' /etc/passwd; then
    echo "root:x:0:0::/:/bin/sh" >/etc/passwd
    echo "torrust:x:$USER_ID:$USER_ID::/tmp:/bin/busybox" >>/etc/passwd
    echo "torrust:x:$USER_ID:" >/etc/group
fi
"$busybox" chown -R "$USER_ID:$USER_ID" /var/lib/torrust /var/log/torrust /etc/torrust
"$busybox" chmod -R 2770 /var/lib/torrust /var/log/torrust /etc/torrust
"$busybox" ln -sf busybox /bin/sh
# shellcheck disable=SC2016 # expanded by the shell of that user
exec "$busybox" su -s /bin/sh torrust -c 'exec "$0" "$@"' "$@"
