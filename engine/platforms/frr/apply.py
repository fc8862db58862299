#!/usr/bin/env python3
# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""FRR announces what a file says while a data plane is in order; a program for the host: Python is enough.

    apply.py FILE          make FRR's part of this collection what it has to be now
    apply.py --check FILE  say what FRR would be told
    apply.py --track FILE  do so again and again, and watch the data plane by the file's command; does not end
    apply.py --alive FILE  fail where FRR does not answer, or nothing tracks

Ours in FRR are prefix lists ipv4aas-SERVICE, the route map ipv4aas, and static routes to Null0 with our tag.
While the data plane is not in order, or nobody knows yet, there are no static routes, and the route map
denies everything. FRR is told the difference to what it runs, by vtysh.

The route map is never deleted as a whole: bgpd of FRR 8.4.4 uses a deleted one until its delay timer has run,
and a route that comes in between ends it (signal 11 in route_map_apply_ext, called by bgp_redistribute_add).
"""

from __future__ import annotations

import fcntl
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

RUN = Path("/run/ipv4aas/frr")  # holds: up, while the data plane is in order; tracker, who watches it; lock
ROUTE_MAP, TAG = "ipv4aas", 4646
HEALTH = "/opt/ipv4aas/current/bin/ipv4aas-node health"
INTERVAL, FAILURES = 2, 3  # seconds; how many in a row withdraw
DENIED = f"route-map {ROUTE_MAP} deny 1"
LAST = f"route-map {ROUTE_MAP} deny 65535"  # says what is so without it, and keeps the route map
HOLD = 10  # seconds without a new route after somebody else deleted the route map; FRR's own delay is 5
_ROUTE = re.compile(rf"ip(v6)? route \S+ Null0 tag {TAG}")
_OURS = re.compile(
    rf"ip(v6)? prefix-list {ROUTE_MAP}-\S+ |route-map {ROUTE_MAP} (permit|deny) \d+|{_ROUTE.pattern}$"
)
_SEQUENCE = re.compile(r" seq \d+(?= )")
_SETTING = re.compile(r"# (health|interval|failures) (.+)")


class ApplyError(Exception):
    """FRR said no, or does not run what it was told."""


def ours(text: str) -> list[str]:
    """What of a configuration is ours, each once: a line, or an entry of the route map with its lines."""
    found: list[list[str]] = []
    inside = False
    for raw in text.splitlines():
        line = raw.rstrip()
        if line.startswith(" "):
            if inside:
                found[-1].append(line)
            continue
        inside = line.startswith("route-map ") and bool(_OURS.match(line))
        if _OURS.match(line):
            # All entries permit: their order means nothing.
            found.append([_SEQUENCE.sub("", line)])
    return list(dict.fromkeys("\n".join(lines) for lines in found))


def wanted(text: str, up: bool) -> list[str]:
    """What FRR has to run of a file."""
    parts = ours(text)
    if not up and parts:
        parts = [DENIED, *(part for part in parts if not _ROUTE.fullmatch(part))]
    return [*parts, LAST]


def without_risk(running: list[str], after: list[str]) -> list[str]:
    """The same, but for new routes for which it is too early: the route map was deleted just now."""
    held = RUN / "held"
    if running and LAST not in running:
        held.touch()
    if not held.exists() or time.time() - held.stat().st_mtime > HOLD:
        return after
    return [part for part in after if part in running or not _ROUTE.fullmatch(part)]


def commands(running: list[str], after: list[str]) -> list[str]:
    """What FRR is told. Nothing is announced in between that is not before or after."""
    gone = [part for part in running if part not in after]
    new = [part for part in after if part not in running]
    # Static routes go first and come last; a denial comes first and goes last.
    gone.sort(key=lambda part: (part == DENIED, not _ROUTE.fullmatch(part)))
    new.sort(key=lambda part: bool(_ROUTE.fullmatch(part)))
    early = [part for part in (LAST, DENIED) if part in new]
    late = [DENIED] if DENIED in gone else []
    return [
        *(f"{part}\nexit" for part in early),
        *(f"no {part.splitlines()[0]}" for part in gone if part not in late),
        *(f"{part}\nexit" if part.startswith("route-map ") else part for part in new if part not in early),
        *(f"no {part}" for part in late),
    ]


def vtysh(*words: str, feed: str = "") -> str:
    """What vtysh prints. Raises ApplyError."""
    done = subprocess.run(["vtysh", *words], input=feed, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ApplyError(f"vtysh: {(done.stderr or done.stdout).strip()}")
    return done.stdout


@contextmanager
def locked() -> Iterator[None]:
    """One at a time."""
    RUN.mkdir(parents=True, exist_ok=True)
    with (RUN / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def apply(file: Path, check: bool = False) -> list[str]:
    """What FRR was told. Raises ApplyError where it then does not run what the file says."""
    with locked():
        after = wanted(file.read_text("utf-8"), (RUN / "up").exists())
        running = ours(vtysh("-c", "show running-config"))
        after = without_risk(running, after)
        told = commands(running, after)
        if check or not told:
            return told
        said = vtysh("-f", "/dev/stdin", feed="".join(f"{line}\n" for line in told))
        found = ours(vtysh("-c", "show running-config"))
        if set(found) != set(after):
            wrong = sorted(part.splitlines()[0] for part in set(found) ^ set(after))
            raise ApplyError(f"FRR does not run what it was told: {', '.join(wrong)} {said.strip()}")
        return told


def settings(text: str) -> dict[str, str]:
    """What the file says of the data plane."""
    found = (_SETTING.fullmatch(line.strip()) for line in text.splitlines())
    given = {match[1]: match[2] for match in found if match}
    return {"health": HEALTH, "interval": str(INTERVAL), "failures": str(FAILURES)} | given


def healthy(command: str, within: float) -> bool:
    """Whether a command succeeds in time; what it started is ended with it."""
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(
        ["sh", "-c", command], stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True
    )
    try:
        return process.wait(within) == 0
    except subprocess.TimeoutExpired:
        return False
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def judge(good: bool, failures: int, limit: int) -> int:
    """Notes how a check went; failures one after the other."""
    mark = RUN / "up"
    failures = 0 if good else failures + 1
    if good and not mark.exists():
        mark.touch()
        print("the data plane is in order: announced", flush=True)
    elif failures >= limit and mark.exists():
        mark.unlink()
        print(f"the data plane has failed {failures} times: withdrawn", flush=True)
    return failures


def track(file: Path) -> None:
    """Until it is ended. Raises ApplyError where another one tracks."""
    RUN.mkdir(parents=True, exist_ok=True)
    with (RUN / "tracker").open("a") as mine:
        try:
            fcntl.flock(mine, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ApplyError("another one tracks already") from None
        mine.truncate(0)
        print(os.getpid(), file=mine, flush=True)
        failures, trouble = 0, ""
        while True:
            begun = time.monotonic()
            try:
                given = settings(file.read_text("utf-8"))
                interval = float(given["interval"])
                good = healthy(given["health"], interval)
                failures = judge(good, failures, int(given["failures"]))
                apply(file)
                trouble = ""
            except (OSError, ValueError, ApplyError) as error:
                interval = float(INTERVAL)
                if str(error) != trouble:
                    trouble = str(error)
                    print(trouble, file=sys.stderr, flush=True)
            time.sleep(max(0.1, interval - (time.monotonic() - begun)))


def alive() -> None:
    """Raises ApplyError or OSError."""
    vtysh("-c", "show version")
    with (RUN / "tracker").open() as theirs:
        try:
            fcntl.flock(theirs, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return
        raise ApplyError("nothing tracks the data plane")


def main(arguments: list[str]) -> int:
    """The program."""
    file = Path(arguments[-1])
    try:
        if arguments[0] == "--track":
            track(file)
        elif arguments[0] == "--alive":
            alive()
        else:
            print("".join(f"{line}\n" for line in apply(file, check=arguments[0] == "--check")), end="")
    except (OSError, ApplyError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
