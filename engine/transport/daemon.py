# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration file of a daemon on a Linux host; somebody else's connection runs the commands.

A daemon has no confirmed commit. Before the new file is put in place, the old one is kept with a script
that puts it back and reloads the daemon. It is run by a timer on the host when the time is up, or by the
next begin(). A rename decides each step, so that the file is always the old one or the new one as a whole.
"""

from __future__ import annotations

import contextlib
import uuid
from dataclasses import dataclass
from types import TracebackType

from ..platforms.driver import Change
from .local import OWNER, Run
from .progress import Phase, Progress
from .session import TransportError

FOLDER = "/var/lib/ipv4aas"
# Seconds that the lock of an owner is honoured who is silent, and that begin() waits for one to end.
SILENCE, LOCK_PATIENCE = 30, 40
# Seconds that an answer may be late before the change counts as begun.
_LATENESS = 60
# Exit codes: nothing of a step is left; ssh says that the connection is gone.
_REFUSAL, _CONNECTION_LOST = 1, 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Daemon:
    """One kind of daemon, from its features.yml. Fields are commands for sh where they say nothing else."""

    file: str  # path; all of it is this collection's
    check: str  # fails with words where the file $1, not yet in place, is wrong
    check_all: str  # the same for everything that the daemon will read
    reload: str  # makes it read its files anew
    alive: str  # succeeds while it answers
    packages: tuple[str, ...]  # of Debian
    unit: str  # of systemd
    start: str  # and stop, where no systemd runs the unit
    stop: str
    functions: str = ""  # of the shell, that the other commands use

    @property
    def name(self) -> str:
        """Of the unit, also of the folder where its sessions keep what they need."""
        return self.unit


# For dash, Debian's /bin/sh.
_SETTINGS = """
set -e
umask 022
work={work} file={file} me={owner}
stage=$work/stage pending=$work/pending restoring=$work/restoring lock=$work/lock
{functions}
check() {{ {check}; }}
check_all() {{ {check_all}; }}
reload() {{ {reload}; }}
alive() {{ {alive}; }}
start() {{
  if [ -d /run/systemd/system ]; then
    systemctl reset-failed {unit} && systemctl restart {unit}
  else
    {start}
  fi
}}
wait_alive() {{
  tries=50
  until alive > /dev/null 2>&1; do
    tries=$((tries - 1))
    [ $tries -gt 0 ] || {{ alive > /dev/null; return 1; }}
    sleep 0.1
  done
}}
stop_timer() {{
  timer=$(cat $1/timer 2>/dev/null) || return 0
  # After a boot the number may be another process's.
  ! grep -qs "$work" /proc/$timer/cmdline || kill -- -$timer
}}
take_back() {{
  [ ! -d $pending ] || mv $pending $restoring
  if [ -d $restoring ]; then
    [ -n "$timed" ] || stop_timer $restoring
    if [ -e $restoring/before ]; then
      cp -p $restoring/before $file.ipv4aas
      mv $file.ipv4aas $file
    else
      rm -f $file
    fi
    sync
    # What it was given may have ended it.
    {{ reload > /dev/null && wait_alive 2> /dev/null; }} || {{ start && wait_alive; }} || return 1
    rm -rf $restoring
  fi
  rm -rf $stage $stage.whole
}}
mine() {{
  holder=$(cat $lock/owner 2>/dev/null) || true
  [ "$holder" = "$me" ] || {{ echo "the lock is lost to ${{holder:-nobody}}" >&2; exit 1; }}
  touch $lock/owner
}}
"""

_BEGIN = """
mkdir -p $work
patience={patience}
until mkdir $lock 2>/dev/null; do
  # One that died before it wrote its name is silent since it made the folder.
  heard=$(stat -c %Y $lock/owner 2>/dev/null || stat -c %Y $lock 2>/dev/null || date +%s)
  silent=$(( $(date +%s) - heard ))
  [ $silent -lt {silence} ] || {{ rm -rf $lock; continue; }}
  patience=$((patience - 1))
  [ $patience -ge 0 ] || {{ echo "somebody else is at work: $(cat $lock/owner 2>/dev/null)" >&2; exit 1; }}
  sleep 1
done
echo $me > $lock/owner
take_back || {{ rm -rf $lock; exit 1; }}
alive > /dev/null || {{ rm -rf $lock; exit 1; }}
"""

_READ = """
[ ! -e $file ] || cat $file
"""

_STAGE = """
mine
cat > $stage
check $stage >&2
"""

# Standard input is the script that takes it back.
_APPLY = """
mine
new=$work/pending.new
rm -rf $new
mkdir $new
[ ! -e $file ] || cp -p $file $new/before
cat > $new/restore
sync
mv $new $pending
setsid sh -c "sleep {seconds}; exec sh $pending/restore" < /dev/null > /dev/null 2>&1 &
echo $! > $pending/timer
mkdir -p "${{file%/*}}"
cp $stage $file.ipv4aas
# A host that stood still meanwhile must not make a change that nothing takes back.
[ -d $pending ] || {{
  rm -f $file.ipv4aas
  echo "the time to confirm was over before the change was made" >&2
  exit {refusal}
}}
mv $file.ipv4aas $file
sync
if ! {{ check_all >&2 && reload > /dev/null && wait_alive; }}; then
  take_back || {{ echo "the old file is back, but not in use" >&2; exit 2; }}
  exit {refusal}
fi
"""

_CONFIRM = """
mine
mv $pending $work/confirmed 2>/dev/null || { echo "no change waits: it has gone back by itself" >&2; exit 1; }
stop_timer $work/confirmed
rm -rf $work/confirmed $stage $stage.whole $lock
"""

_REVERT = """
mine
take_back
rm -rf $lock
"""

# The timer's own process group must live on.
_RESTORE = """
timed=yes
take_back
"""


class DaemonSession:
    """A session.Session with the configuration file of a daemon. ``run`` is as for local.LocalSession."""

    reverts_by_itself = True

    def __init__(
        self, run: Run, daemon: Daemon, lock_patience: int = LOCK_PATIENCE, folder: str = FOLDER
    ) -> None:
        self._run, self._daemon, self._lock_patience = run, daemon, lock_patience
        self._owner = f"{OWNER}:{uuid.uuid4().hex[:8]}"
        self._settings = _SETTINGS.format(
            work=f"{folder}/{daemon.name}",
            file=daemon.file,
            owner=self._owner,
            check=daemon.check,
            check_all=daemon.check_all,
            reload=daemon.reload,
            alive=daemon.alive,
            functions=daemon.functions,
            unit=daemon.unit,
            start=daemon.start,
        )
        self._progress = Progress()
        self._begun = False

    def __enter__(self) -> DaemonSession:
        self._call("connect", "true")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # The error that ended the session says more; the host goes back by itself.
        with contextlib.suppress(TransportError):
            self.revert()

    def begin(self) -> None:
        self._progress = Progress()
        self._call("begin", _BEGIN.format(patience=self._lock_patience, silence=SILENCE))
        self._begun = True

    def read(self) -> str:
        return self._call("read", _READ)

    def propose(self, change: Change) -> str:
        self._call("propose", _STAGE, feed=change.payload)
        self._progress.phase = Phase.STAGED
        return ""

    def apply(self, confirm_within: int) -> None:
        self._progress.phase = Phase.APPLYING
        self._progress.reverts_in(confirm_within + _LATENESS)
        script = _APPLY.format(seconds=confirm_within, refusal=_REFUSAL)
        self._call("apply", script, feed=self._settings + _RESTORE, refused=Phase.STAGED)
        self._progress.phase = Phase.PENDING
        self._progress.reverts_in(confirm_within)

    def confirm(self) -> None:
        self._progress.phase = Phase.CONFIRMING
        self._call("confirm", _CONFIRM, refused=Phase.IDLE)
        self._progress.phase = Phase.CONFIRMED
        self._begun = False

    def revert(self) -> None:
        if not self._begun:
            return
        self._call("revert", _REVERT)
        self._progress.phase = Phase.IDLE
        self._begun = False

    def _call(self, step: str, script: str, feed: str = "", refused: Phase | None = None) -> str:
        """What a script prints. Where the host refuses, the phase goes back to ``refused``."""
        try:
            code, out, err = self._run(["sh", "-c", self._settings + script], feed)
        except Exception as error:
            raise TransportError(step, f"no answer: {error}", self._progress.left) from error
        if code == 0:
            return out
        said = " ".join((err or out).split()) or f"exit code {code}"
        if code == _CONNECTION_LOST:
            raise TransportError(step, f"no answer: {said}", self._progress.left)
        if refused is not None and code == _REFUSAL:
            self._progress.phase = refused
        raise TransportError(step, said, self._progress.left)
