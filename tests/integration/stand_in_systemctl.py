#!/usr/bin/env python3
# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands for systemctl, and for the parts of systemd that decide what a service may do.

systemd is not process 1 where tests run, so the kernel is asked for the same by hand: user and groups,
capabilities, no new privileges, seccomp (SystemCallFilter by the sets that systemd-analyze prints,
RestrictAddressFamilies, RestrictNamespaces, MemoryDenyWriteExecute by PR_SET_MDWE), a mount namespace
(ProtectSystem, ProtectHome, ProtectKernelTunables, ReadWritePaths, PrivateTmp), state and runtime folders,
readiness (Type=notify), ExecStartPost.

It is not systemd: nothing is restarted, no watchdog barks, there are no control groups (DeviceAllow,
IPAddressDeny), and of the directives in NOT_HERE nothing is done. An unknown directive is an error.

Runs with Debian's Python, as root; test_software_node_systemd.py puts it where systemctl is.
"""

from __future__ import annotations

import ctypes
import errno
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

UNITS = Path("/etc/systemd/system")
WANTED = UNITS / "multi-user.target.wants"
MEMORY = Path("/run/stand-in")

DONE = {
    "AmbientCapabilities",
    "CapabilityBoundingSet",
    "DynamicUser",
    "ExecStart",
    "ExecStartPost",
    "Group",
    "MemoryDenyWriteExecute",
    "NoNewPrivileges",
    "PrivateTmp",
    "ProtectHome",
    "ProtectKernelTunables",
    "ProtectSystem",
    "ReadWritePaths",
    "RestrictAddressFamilies",
    "RestrictNamespaces",
    "RuntimeDirectory",
    "RuntimeDirectoryMode",
    "RuntimeDirectoryPreserve",
    "StateDirectory",
    "StateDirectoryMode",
    "SupplementaryGroups",
    "SystemCallErrorNumber",
    "SystemCallFilter",
    "TimeoutStartSec",
    "TimeoutStopSec",
    "Type",
    "UMask",
    "User",
}
NOT_HERE = {
    "DeviceAllow",
    "DevicePolicy",
    "IPAddressAllow",
    "IPAddressDeny",
    "KeyringMode",
    "LimitMEMLOCK",
    "LockPersonality",
    "PrivateDevices",
    "PrivateIPC",
    "ProcSubset",
    "ProtectClock",
    "ProtectControlGroups",
    "ProtectHostname",
    "ProtectKernelLogs",
    "ProtectKernelModules",
    "ProtectProc",
    "RemoveIPC",
    "Restart",
    "RestartSec",
    "RestrictRealtime",
    "RestrictSUIDSGID",
    "SystemCallArchitectures",
    "WatchdogSec",
}

libc = ctypes.CDLL(None, use_errno=True)
# linux/mount.h, linux/sched.h, linux/prctl.h
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000
CLONE_NEWNS, CLONE_NEWNET, OTHER_NAMESPACES = 0x20000, 0x40000000, 0x3E020080
PR_SET_MDWE, MDWE_REFUSE_EXEC_GAIN = 65, 1
MOUNT_SETATTR, AT_RECURSIVE, AT_FDCWD, MOUNT_ATTR_RDONLY = 442, 0x8000, -100, 1
# seccomp.h of libseccomp
ALLOW, ERRNO, EQUAL, MASKED_EQ = 0x7FFF0000, 0x00050000, 4, 7


class Unit:
    """The directives of a service, in order."""

    def __init__(self, name: str) -> None:
        self.name = name if name.endswith(".service") else f"{name}.service"
        self.path = UNITS / self.name
        self._values: defaultdict[str, list[str]] = defaultdict(list)
        section = ""
        for line in self.path.read_text().splitlines():
            if line.startswith("["):
                section = line
            elif section == "[Service]" and "=" in line and not line.startswith("#"):
                key, _, value = line.partition("=")
                if key not in DONE | NOT_HERE:
                    raise SystemExit(f"{self.path}: {key} is not known here")
                self._values[key].append(value)

    def words(self, key: str) -> list[str]:
        """All words of all lines."""
        return " ".join(self._values[key]).split()

    def get(self, key: str, default: str = "") -> str:
        """The last line."""
        return (self._values[key] or [default])[-1]

    def is_on(self, key: str) -> bool:
        return self.get(key) in ("yes", "true", "strict")

    @property
    def user(self) -> tuple[int, int]:
        """Of a DynamicUser any that nobody else has."""
        if self.is_on("DynamicUser"):
            return 61184, 61184
        entry = pwd.getpwnam(self.get("User"))
        return entry.pw_uid, entry.pw_gid

    def folders(self) -> list[Path]:
        """Of the service's own; each is made and given to its user, with all that is in it."""
        found = []
        for kind, top in (("StateDirectory", "/var/lib"), ("RuntimeDirectory", "/run")):
            for name in self.words(kind):
                path = Path(top, name)
                path.mkdir(exist_ok=True)
                path.chmod(int(self.get(f"{kind}Mode", "0755"), 8))
                for each in (path, *path.rglob("*")):
                    os.lchown(each, *self.user)
                found.append(path)
        return found


def check(result: int, what: str) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def bind(path: Path) -> None:
    name = str(path).encode()
    check(libc.mount(name, name, None, MS_BIND | MS_REC, None), f"bind {path}")


def writable(path: Path, yes: bool) -> None:
    """All mounts from there on."""
    setting = (ctypes.c_uint64 * 4)(0, MOUNT_ATTR_RDONLY, 0, 0) if yes else (ctypes.c_uint64 * 4)(1, 0, 0, 0)
    name = str(path).encode()
    check(
        libc.syscall(MOUNT_SETATTR, AT_FDCWD, name, AT_RECURSIVE, ctypes.byref(setting), 32),
        f"remount {path}",
    )


def see_only_its_own(unit: Unit, folders: list[Path]) -> None:
    """The mount namespace of the service."""
    check(libc.unshare(CLONE_NEWNS), "unshare")
    check(libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None), "private")
    if unit.get("ProtectSystem") != "strict":
        return
    kept = [*folders]
    for word in unit.words("ReadWritePaths"):
        path = Path(word.removeprefix("-"))
        if path.exists() or not word.startswith("-"):
            kept.append(path)
    hidden = ["/tmp", "/var/tmp"] if unit.is_on("PrivateTmp") else []
    hidden += ["/home", "/root"] if unit.is_on("ProtectHome") else []
    for path in kept:
        bind(path)
    for name in ("/proc/sys",) if unit.is_on("ProtectKernelTunables") else ():
        bind(Path(name))
        for path in kept:  # what is below it is covered now
            if path.is_relative_to(name):
                bind(path)
    for name in hidden:
        mode = b"mode=1777" if "tmp" in name else b"mode=0000"
        check(libc.mount(b"tmpfs", name.encode(), b"tmpfs", 0, mode), f"tmpfs on {name}")
    writable(Path("/"), False)
    tunables = unit.is_on("ProtectKernelTunables")
    open_ones = [Path("/dev"), *(() if tunables else (Path("/proc"), Path("/sys")))]
    for path in [*open_ones, *kept, *map(Path, hidden[: 2 * unit.is_on("PrivateTmp")])]:
        writable(path, True)


def system_calls(words: list[str]) -> set[str]:
    """Names that a list of names and @sets allows; ~ takes away."""
    allowed: set[str] = set()
    for line in words:
        away = line.startswith("~")
        found: set[str] = set()
        for word in line.removeprefix("~").split():
            found |= members(word)
        allowed = allowed - found if away else allowed | found
    return allowed | members("@default")


def members(word: str) -> set[str]:
    if not word.startswith("@"):
        return {word}
    text = subprocess.run(
        ["/usr/bin/systemd-analyze", "syscall-filter", word], capture_output=True, text=True, check=True
    ).stdout
    lines = [line.strip() for line in text.splitlines()[1:]]
    return set().union(*(members(line) for line in lines if line and not line.startswith("#")))


class Comparison(ctypes.Structure):
    """struct scmp_arg_cmp."""

    _fields_ = (
        ("arg", ctypes.c_uint),
        ("op", ctypes.c_int),
        ("a", ctypes.c_uint64),
        ("b", ctypes.c_uint64),
    )


def filter_system_calls(unit: Unit) -> None:
    """Install the filter for this process and all that come of it."""
    library = ctypes.CDLL("libseccomp.so.2")
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_init.argtypes = [ctypes.c_uint32]
    library.seccomp_rule_add_array.argtypes = [
        *(ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint, ctypes.POINTER(Comparison))
    ]
    library.seccomp_load.argtypes = [ctypes.c_void_p]
    refuse = ERRNO | getattr(errno, unit.get("SystemCallErrorNumber", "EPERM"))
    context = library.seccomp_init(refuse)

    def allow(name: str, *comparisons: Comparison, action: int = ALLOW) -> None:
        number = library.seccomp_syscall_resolve_name(name.encode())
        if number >= 0:  # others are of other machines
            array = (Comparison * len(comparisons))(*comparisons)
            if library.seccomp_rule_add_array(context, action, number, len(comparisons), array):
                raise SystemExit(f"seccomp: no rule for {name}")

    names = system_calls(unit._values["SystemCallFilter"])
    special = {"socket"}
    spaces = unit.get("RestrictNamespaces")
    if spaces:
        special |= {"setns", "unshare", "clone", "clone3"}
    for name in names - special:
        allow(name)
    for family in unit.words("RestrictAddressFamilies"):
        allow("socket", Comparison(0, EQUAL, getattr(socket, family), 0))
    if spaces:
        # As systemd does: clone3 cannot be looked into, and glibc does without; the others by their flags.
        allow("clone3", action=ERRNO | errno.ENOSYS)
        forbidden = OTHER_NAMESPACES | CLONE_NEWNS | (0 if spaces == "net" else CLONE_NEWNET)
        allow("clone", Comparison(0, MASKED_EQ, forbidden, 0))
        allow("unshare", Comparison(0, MASKED_EQ, forbidden, 0))
        if spaces == "net":
            allow("setns", Comparison(1, EQUAL, CLONE_NEWNET, 0))
    if library.seccomp_load(context):
        raise SystemExit("seccomp: the filter was not taken")


def become(unit: Unit, argv: list[str]) -> None:
    """What is left of root goes; this program goes on in `confined`."""
    uid, gid = unit.user
    given = [word.removeprefix("CAP_").lower() for word in unit.words("AmbientCapabilities")]
    bounding = [word.removeprefix("CAP_").lower() for word in unit.words("CapabilityBoundingSet")]
    groups = ",".join(unit.words("SupplementaryGroups"))
    words = ["-all", *(f"+{name}" for name in given)]
    command = [
        "/usr/bin/setpriv",
        f"--reuid={uid}",
        f"--regid={gid}",
        f"--groups={groups}" if groups else "--clear-groups",
        f"--inh-caps={','.join(words)}",
        f"--ambient-caps={','.join(words)}",
        f"--bounding-set={','.join(['-all', *(f'+{name}' for name in bounding)])}",
        *(["--no-new-privs"] if unit.is_on("NoNewPrivileges") else []),
    ]
    os.umask(int(unit.get("UMask", "0022"), 8))
    # Debian's Python: any user may run it.
    os.execv(command[0], [*command, "/usr/bin/python3", __file__, "confined", unit.name, *argv])


def confined(unit: Unit, argv: list[str]) -> None:
    """The last step, with nothing more than the service has."""
    if unit.is_on("MemoryDenyWriteExecute"):
        check(libc.prctl(PR_SET_MDWE, MDWE_REFUSE_EXEC_GAIN, 0, 0, 0), "PR_SET_MDWE")
    filter_system_calls(unit)
    os.execv(argv[0], argv)


def spawn(unit: Unit, line: str, environment: dict[str, str], folders: list[Path]) -> int:
    """A process of the service."""
    MEMORY.mkdir(exist_ok=True)
    child = os.fork()
    if child:
        return child
    try:
        os.setsid()
        log = os.open(MEMORY / f"{unit.name}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.environ.clear()
        os.environ.update(environment, PATH="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        see_only_its_own(unit, folders)
        become(unit, line.split())
    except BaseException as error:
        print(f"{unit.name}: {error}", file=sys.stderr, flush=True)
    os._exit(203)


def started(unit: Unit, main: int, door: socket.socket | None) -> str:
    """Wait until it runs; why it does not, or nothing."""
    if unit.get("Type") == "oneshot":
        return "it failed" if os.waitpid(main, 0)[1] else ""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if os.waitpid(main, os.WNOHANG)[0]:
            return "the main process ended"
        if door is None:
            return ""
        try:
            if b"READY=1" in door.recv(4096).split(b"\n"):
                return ""
        except TimeoutError:
            pass
    return "it was not ready in time"


def start(unit: Unit) -> int:
    if running(unit):
        return 0
    folders, environment, door = unit.folders(), {}, None
    if unit.get("Type") == "notify":
        path = MEMORY / f"{unit.name}.notify"
        MEMORY.mkdir(exist_ok=True)
        path.unlink(missing_ok=True)
        door = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        door.settimeout(0.1)
        door.bind(str(path))
        path.chmod(0o666)
        environment["NOTIFY_SOCKET"] = str(path)
    main = spawn(unit, unit.get("ExecStart"), environment, folders)
    wrong = started(unit, main, door)
    if not wrong and unit.get("ExecStartPost"):
        post = spawn(unit, unit.get("ExecStartPost"), {}, folders)
        if os.waitpid(post, 0)[1]:
            wrong = "ExecStartPost failed"
    pid_file(unit).write_text(str(main))
    if wrong:
        stop(unit)
        log = (MEMORY / f"{unit.name}.log").read_text().splitlines()[-3:]
        print(f"Job for {unit.name} failed: {wrong}: {'; '.join(log)}", file=sys.stderr)
        return 1
    return 0


def pid_file(unit: Unit) -> Path:
    return MEMORY / f"{unit.name}.pid"


def running(unit: Unit) -> int:
    """Its process, 0 without one."""
    try:
        pid = int(pid_file(unit).read_text())
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return 0 if state in "ZX" else pid


def stop(unit: Unit) -> int:
    pid = running(unit)
    if pid:
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + 60
        while running(unit):
            if time.monotonic() > deadline:
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)
    pid_file(unit).unlink(missing_ok=True)
    if unit.get("RuntimeDirectoryPreserve", "no") == "no":
        for name in unit.words("RuntimeDirectory"):
            shutil.rmtree(f"/run/{name}", ignore_errors=True)
    return 0


def show(name: str) -> int:
    there = (UNITS / name).exists()
    active = there and running(Unit(name))
    print(f"Id={name}\nLoadState={'loaded' if there else 'not-found'}")
    print(f"ActiveState={'active' if active else 'inactive'}\nSubState={'running' if active else 'dead'}")
    return 0


def main(argv: list[str]) -> int:
    words = [word for word in argv if word != "-l"]
    if words[0] == "daemon-reload":
        return 0
    command, name, *rest = words
    if not name.endswith(".service"):
        name += ".service"
    link = WANTED / name
    if command == "show":
        return show(name)
    if command == "is-enabled":
        print("enabled" if link.is_symlink() else "disabled")
        return not link.is_symlink()
    unit = Unit(name)
    if command == "confined":
        confined(unit, rest)
    if command in ("enable", "disable"):
        link.unlink(missing_ok=True)
        if command == "enable":
            WANTED.mkdir(exist_ok=True)
            link.symlink_to(unit.path)
        return 0
    if command == "restart":
        stop(unit)
    return {"start": start, "restart": start, "stop": stop}[command](unit)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
