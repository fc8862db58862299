# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenWrt over SSH: UCI staged in a folder of our own, and a rollback that needs no session.

UCI has no confirmed commit. Before the new files are put in place, the old ones are kept on flash
with a script that puts them back. It is run by a timer on the device when the time is up, or by the
boot scripts (/etc/uci-defaults) where the device restarts before that. A rename decides each step,
so that the configuration is always the old one or the new one as a whole.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

import paramiko  # type: ignore[import-untyped]

from ..platforms.driver import Change
from .login import dial, show_host_keys
from .ssh import Rejected
from .target import Target

# The shell is BusyBox ash with the applets of a default OpenWrt build: no setsid, no nohup, no diff.
_SETTINGS = """
set -e
config=/etc/config
work=/etc/ipv4aas
stage=$work/stage
pending=$work/pending
boot=/etc/uci-defaults/00-ipv4aas
lock=/var/lock/ipv4aas
"""

# Answers "held" and stays until its input ends, that is, until the session does.
_HOLD_LOCK = """
mkdir -p /var/lock
if [ -d $lock ] && ! kill -0 "$(cat $lock/pid)" 2>/dev/null; then rm -rf $lock; fi
mkdir $lock 2>/dev/null || { echo "somebody else is at work: process $(cat $lock/pid)" >&2; exit 1; }
echo $$ > $lock/pid
trap 'rm -rf $lock' EXIT
trap 'exit 1' HUP INT TERM
echo held
cat > /dev/null
"""

_TAKE_BACK = """
if [ -d $pending ]; then
  kill "$(cat $pending/timer)" 2>/dev/null || true
  reload=yes sh $pending/restore
fi
rm -rf $stage
"""

_BEGIN = (
    """
if [ -n "$(uci changes)" ]; then
  # Of which packages, no more: a value may be a secret.
  for name in $(ls $config); do [ -z "$(uci changes $name)" ] || changed="$changed $name"; done
  echo "uncommitted changes of somebody else in:$changed; uci changes shows them" >&2
  exit 1
fi
rm -rf $work/confirmed
"""
    + _TAKE_BACK
)

_STAGE = """
rm -rf $stage
mkdir -p $stage/config $stage/delta
for name in $packages; do cp -p $config/$name $stage/config/$name; done
staged="uci -c $stage/config -t $stage/delta"
complaint=$($staged batch 2>&1)
[ -z "$complaint" ] || { echo "$complaint" >&2; exit 1; }
$staged changes
$staged commit
for name in $packages; do $staged export $name > /dev/null; done
"""

# Runs by itself: from the timer (reload=yes), from _BEGIN, and sourced by the boot scripts.
_RESTORE = """
pending=/etc/ipv4aas/pending
restoring=/etc/ipv4aas/restoring
[ ! -d $pending ] || mv $pending $restoring
[ -d $restoring ] || exit 0
packages=$(ls $restoring/config)
for name in $packages; do mv $restoring/config/$name /etc/config/$name || exit 1; done
rm -f /etc/uci-defaults/00-ipv4aas
rm -rf $restoring
sync
[ -z "$reload" ] || for name in $packages; do /etc/init.d/$name reload || true; done
"""

_APPLY = """
new=$work/pending.new
rm -rf $new
mkdir -p $new/config "${{boot%/*}}"
for name in $packages; do cp -p $config/$name $new/config/$name; done
cat > $new/restore <<'END_OF_RESTORE'
{restore}
END_OF_RESTORE
cp $new/restore $boot
mv $new $pending
sync
( trap '' HUP; sleep $seconds; reload=yes sh $pending/restore ) < /dev/null > /dev/null 2>&1 &
echo $! > $pending/timer
# A router that stood still meanwhile must not make a change that nothing takes back.
[ -d $pending ] || {{ echo "the time to confirm was over before the change was made" >&2; exit 1; }}
for name in $packages; do mv $stage/config/$name $config/$name; done
sync
for name in $packages; do
  /etc/init.d/$name reload > /dev/null || {{ echo "/etc/init.d/$name reload failed" >&2; failed=yes; }}
done
[ -z "$failed" ]
"""

_CONFIRM = """
mv $pending $work/confirmed 2>/dev/null || { echo "no change waits: it has gone back by itself" >&2; exit 1; }
kill "$(cat $work/confirmed/timer)" 2>/dev/null || true
rm -f $boot
rm -rf $work/confirmed $stage
sync
"""

_LEAVE = """
rm -rf $stage
"""


class OpenWrt:
    """A ssh.CommandLine. ``packages`` are the UCI packages that are read."""

    reverts_by_itself = True

    def __init__(self, target: Target, packages: Sequence[str] = ("network",)) -> None:
        self.target = target
        self._packages = tuple(packages)
        self._changed: tuple[str, ...] = ()
        self._client: paramiko.SSHClient | None = None
        self._lock: paramiko.Channel | None = None

    def open(self) -> None:
        target = self.target
        client = paramiko.SSHClient()
        if target.verify_host_key:
            show_host_keys(client, target)
            client.set_missing_host_key_policy(paramiko.RejectPolicy())
        else:
            client.set_missing_host_key_policy(paramiko.MissingHostKeyPolicy())
        client.connect(
            target.host,
            target.port,
            target.username,
            target.password,
            key_filename=target.key_file,
            allow_agent=target.use_own_keys,
            look_for_keys=target.use_own_keys,
            sock=dial(target),
            timeout=target.timeout,
            banner_timeout=target.timeout,
            auth_timeout=target.timeout,
        )
        self._client = client

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def at_rest(self) -> bool:
        return False

    def begin(self) -> None:
        lock = self._start(_SETTINGS + _HOLD_LOCK)
        if lock.makefile("r").readline().strip() != "held":
            raise Rejected(lock.makefile_stderr("r").read().strip() or "the lock was not given")
        self._lock = lock
        try:
            self._run(_BEGIN)
        except Rejected:
            self._unlock()
            raise

    def read(self) -> str:
        return "\n".join(self._run(f"uci export {shlex.quote(name)}") for name in self._packages)

    def stage(self, change: Change) -> str:
        self._changed = packages_of(change.payload)
        return self._run(_STAGE, change.payload)

    def leave(self) -> None:
        self._run(_LEAVE)
        self._unlock()

    def seconds(self, confirm_within: int) -> int:
        return confirm_within

    def apply(self, seconds: int) -> None:
        try:
            self._run(f"seconds={seconds}\n" + _APPLY.format(restore=_RESTORE.strip()))
        except Rejected:
            # Whatever failed, perhaps only the reload: nothing may stay of it.
            self._run(_TAKE_BACK)
            raise

    def confirm(self) -> None:
        self._run(_CONFIRM)
        self._unlock()

    def take_back(self) -> None:
        self._run(_TAKE_BACK)
        self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            self._lock.shutdown_write()
            self._lock.recv_exit_status()
            self._lock = None

    def _run(self, script: str, text: str = "") -> str:
        """What a script prints, given ``text`` to read. Raises Rejected where it fails."""
        packages = shlex.quote(" ".join(self._changed))
        channel = self._start(f"{_SETTINGS}packages={packages}\n{script}")
        channel.sendall(text.encode())
        channel.shutdown_write()
        # A text of the operator's may be of another encoding.
        output: str = channel.makefile("rb").read().decode(errors="replace")
        complaint: str = channel.makefile_stderr("rb").read().decode(errors="replace")
        status = channel.recv_exit_status()
        if status == -1:
            raise EOFError("the session was closed")
        if status:
            raise Rejected(complaint.strip() or f"exit status {status}")
        return output

    def _start(self, script: str) -> paramiko.Channel:
        transport = self._client.get_transport() if self._client is not None else None
        if transport is None or not transport.is_active():
            raise EOFError("the session was closed")
        channel = transport.open_session(timeout=self.target.timeout)
        channel.settimeout(self.target.timeout)
        channel.exec_command(script)
        return channel


def packages_of(payload: str) -> tuple[str, ...]:
    """The UCI packages that commands for ``uci batch`` change: the word before the first dot."""
    found = (re.match(r"\w+ ([\w-]+)\.", line) for line in payload.splitlines())
    return tuple(dict.fromkeys(match[1] for match in found if match))
