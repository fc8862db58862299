#!/usr/bin/env python3
# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ShowNet laboratory in network namespaces of its own: ``lab.py up | down | exec HOST COMMAND``.

Every host has a network namespace ``<prefix><host>`` and a mount namespace with private state
folders. Hosts of the inventory run an ordinary sshd on a management network (IPv6 ULA) that
the machine itself is on; routers run FRR.
"""

from __future__ import annotations

import argparse
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from ipaddress import ip_interface
from pathlib import Path

from topology import MANAGEMENT, ROOT, Link, Node, Topology, topology

# Two laboratories on one machine: another prefix, and another network namespace to log in from.
PREFIX = os.environ.get("IPV4AAS_LAB_PREFIX", "sn-")
# Hosts must not share what a node keeps on a real host.
PRIVATE = ("/run/ipv4aas", "/var/lib/ipv4aas", "/opt/ipv4aas", "/run/frr", "/run/sshd")
# What a host with daemons of Debian packages writes to.
LAYERED = ("/etc", "/var")
MANAGEMENT_PREFIX = 64
CONTROLLER = "fd5e:2013::1"
FRR = Path("/usr/lib/frr")
SYSCTLS = {
    "net.ipv6.conf.all.accept_dad": 0,
    "net.ipv6.conf.default.accept_dad": 0,
    "net.ipv6.conf.all.accept_ra": 0,
    "net.ipv6.conf.default.accept_ra": 0,
    "net.ipv4.conf.all.rp_filter": 0,
    "net.ipv4.conf.default.rp_filter": 0,
}
FORWARDING = {"net.ipv4.ip_forward": 1, "net.ipv6.conf.all.forwarding": 1}


class LabError(Exception):
    """The laboratory cannot be built; says what is missing or did not come up."""


def run(*argv: str, feed: str | None = None, check: bool = True) -> str:
    """Run a command; its standard output. Raises LabError with its standard error."""
    done = subprocess.run(argv, input=feed, text=True, capture_output=True, check=False)
    if check and done.returncode:
        raise LabError(f"{' '.join(argv)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


class Lab:
    """One laboratory; its files are under ``folder``, its namespaces begin with ``prefix``."""

    def __init__(
        self,
        plan: Topology,
        *,
        prefix: str = PREFIX,
        folder: Path = ROOT / "build" / "lab",
        management: bool = True,
    ) -> None:
        self.plan, self.prefix, self.folder, self.management = plan, prefix, folder, management

    def namespace(self, host: str) -> str:
        """Name of a host's network namespace."""
        return self.prefix + host

    def enter(self, host: str, *argv: str) -> list[str]:
        """The command line that runs ``argv`` on a host, in both its namespaces."""
        return ["nsenter", "-t", self._pid_file(host).read_text().strip(), "-m", "-n", "--", *argv]

    def on(self, host: str, *argv: str, feed: str | None = None, check: bool = True) -> str:
        """Run a command on a host; its standard output. Raises LabError."""
        return run(*self.enter(host, *argv), feed=feed, check=check)

    # -- up ---------------------------------------------------------------------------------

    def up(self) -> None:
        """Build everything; returns when BGP sessions stand and every sshd listens."""
        self._need_tools()
        self.down()
        self.folder.mkdir(parents=True)
        for path in PRIVATE:
            Path(path).mkdir(parents=True, exist_ok=True)
        self._namespaces()
        self._links()
        for node in self.plan.nodes.values():
            self._configure(node)
        self._hold()
        if self.management:
            self._start_sshd()
        routers = [node for node in self.plan.nodes.values() if node.routing]
        for node in routers:
            self._start_routing(node)
        self._await("BGP sessions", lambda: all(self._established(node.name) for node in routers))

    def _need_tools(self) -> None:
        absent = [
            f"{name} (Debian package {package})"
            for name, package in (
                ("ip", "iproute2"),
                ("nsenter", "util-linux"),
                ("/usr/sbin/sshd", "openssh-server"),
            )
            if shutil.which(name) is None
        ]
        if not (FRR / "bgpd").exists():
            absent.append("FRR (Debian package frr)")
        if os.geteuid():
            absent.append("root")
        if absent:
            raise LabError("the laboratory needs " + ", ".join(absent))

    def _all(self) -> list[str]:
        return [*self.plan.nodes, *([MANAGEMENT] if self.management else [])]

    def _namespaces(self) -> None:
        run("ip", "-batch", "-", feed="".join(f"netns add {self.namespace(name)}\n" for name in self._all()))
        for name in self._all():
            node = self.plan.nodes.get(name)
            wanted = SYSCTLS | (FORWARDING if node and node.forwards else {})
            run(
                *("ip", "netns", "exec", self.namespace(name), "sysctl", "-qw"),
                *(f"{key}={value}" for key, value in wanted.items()),
            )

    def _links(self) -> None:
        lines = [self._cable(link) for link in self.plan.links]
        if self.management:
            hub = self.namespace(MANAGEMENT)
            lines += [
                f"link add {MANAGEMENT} netns {self.namespace(node.name)} type veth "
                f"peer name {node.name} netns {hub}"
                for node in self.plan.nodes.values()
                if node.management
            ]
            lines.append(f"link add {self.namespace('ctl')} type veth peer name controller netns {hub}")
            lines.append(f"link set {self.namespace('ctl')} addrgenmode none")
            lines.append(f"addr add {CONTROLLER}/{MANAGEMENT_PREFIX} dev {self.namespace('ctl')} nodad")
            lines.append(f"link set {self.namespace('ctl')} up")
        run("ip", "-batch", "-", feed="\n".join(lines))
        if self.management:
            ports = [node.name for node in self.plan.nodes.values() if node.management] + ["controller"]
            feed = "link add hub type bridge forward_delay 0\nlink set hub up\n"
            feed += "".join(f"link set {port} master hub up\n" for port in ports)
            run("ip", "-n", self.namespace(MANAGEMENT), "-batch", "-", feed=feed)

    def _cable(self, link: Link) -> str:
        left, right = self.namespace(link.left), self.namespace(link.right)
        return (
            f"link add {link.right} mtu {link.mtu} netns {left} type veth "
            f"peer name {link.left} mtu {link.mtu} netns {right}"
        )

    def _configure(self, node: Node) -> None:
        interfaces = [link.right for link in self.plan.links if link.left == node.name]
        interfaces += [link.left for link in self.plan.links if link.right == node.name]
        lines = ["link set lo up", *(f"link set {interface} up" for interface in interfaces)]
        addresses = list(node.addresses)
        if self.management and node.management:
            lines.append(f"link set {MANAGEMENT} up")
            addresses.append((MANAGEMENT, f"{node.management}/{MANAGEMENT_PREFIX}"))
        for interface, address in addresses:
            nodad = " nodad" if ip_interface(address).version == 6 else ""
            lines.append(f"addr add {address} dev {interface}{nodad}")
        lines += [f"route add {prefix} via {hop}" for prefix, hop in node.routes]
        run("ip", "-n", self.namespace(node.name), "-batch", "-", feed="\n".join(lines))

    def _hold(self) -> None:
        """A process per host that keeps its mount namespace, with private state folders."""
        mounts = " && ".join(f"mount -t tmpfs -o mode=755 tmpfs {path}" for path in PRIVATE)
        for name, node in self.plan.nodes.items():
            own = self._layers(name) if node.daemons else ""
            script = f"{own}{mounts} && echo $$ >$0.new && mv $0.new $0 && exec sleep infinity"
            argv = ["unshare", "-m", "sh", "-c", script, str(self._pid_file(name))]
            subprocess.Popen(
                ["ip", "netns", "exec", self.namespace(name), *argv],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
        self._await("namespaces", lambda: all(self._pid_file(name).exists() for name in self.plan.nodes))

    def _layers(self, host: str) -> str:
        """Folders that look as on this machine, but what is written there is the host's own."""
        # An overlay cannot lie on another one, which the folder may be on; memory can hold it.
        memory = self.folder / f"{host}.layers"
        memory.mkdir()
        lines = [f"mount -t tmpfs tmpfs {memory}"]
        for path in LAYERED:
            upper, work = (f"{memory}/{path.strip('/')}-{kind}" for kind in ("new", "work"))
            lines += [
                f"mkdir {upper} {work}",
                f"mount -t overlay overlay -o lowerdir={path},upperdir={upper},workdir={work} {path}",
            ]
        lines += ["mount -t tmpfs -o mode=755 tmpfs /run", f"mkdir -p {' '.join(PRIVATE)}"]
        return "".join(f"{line} && " for line in lines)

    def _pid_file(self, host: str) -> Path:
        return self.folder / f"{host}.pid"

    def _start_sshd(self) -> None:
        for name in ("host_key", "client_key"):
            run(
                "ssh-keygen",
                "-q",
                "-t",
                "ed25519",
                "-N",
                "",
                "-C",
                "ipv4aas lab",
                "-f",
                str(self.folder / name),
            )
        host_key = (self.folder / "host_key.pub").read_text().rsplit(None, 2)[0]
        nodes = [node for node in self.plan.nodes.values() if node.management]
        known = "".join(f"{node.management} {host_key}\n" for node in nodes)
        (self.folder / "known_hosts").write_text(known)
        for node in nodes:
            config = self.folder / f"{node.name}.sshd_config"
            config.write_text(self._sshd_config(node))
            self.on(
                node.name,
                "/usr/sbin/sshd",
                "-f",
                str(config),
                "-E",
                str(self.folder / f"{node.name}.sshd.log"),
            )

    def _sshd_config(self, node: Node) -> str:
        # Nodes are started by ssh: FAST_PATH=off has to reach them.
        fast_path = os.environ.get("FAST_PATH")
        # StrictModes: the checkout may lie where others can write. UsePAM: login must not wait for it.
        return (
            f"ListenAddress [{node.management}]:22\n"
            f"HostKey {self.folder}/host_key\n"
            f"AuthorizedKeysFile {self.folder}/client_key.pub\n"
            f"PidFile /run/sshd/{node.name}.pid\n"
            "PermitRootLogin prohibit-password\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n"
            "UsePAM no\nStrictModes no\nPrintMotd no\nUseDNS no\nMaxStartups 100\nMaxSessions 50\n"
            "Subsystem sftp internal-sftp\n" + (f"SetEnv FAST_PATH={fast_path}\n" if fast_path else "")
        )

    def _start_routing(self, node: Node) -> None:
        owner = pwd.getpwnam("frr")
        self.on(node.name, "chown", f"{owner.pw_uid}:{owner.pw_gid}", "/run/frr")
        for daemon, configuration in (("zebra", ""), ("bgpd", node.routing)):
            path = f"/run/frr/{daemon}.conf"
            self.on(node.name, "tee", path, feed=f"log file /run/frr/{daemon}.log\n{configuration}")
            self.on(node.name, str(FRR / daemon), "-d", "-f", path)

    def _established(self, host: str) -> bool:
        text = self.on(host, "vtysh", "-c", "show bgp summary json", check=False)
        try:
            families = [family for family in json.loads(text).values() if isinstance(family, dict)]
        except ValueError:
            return False
        peers = [peer for family in families for peer in family.get("peers", {}).values()]
        return bool(peers) and all(peer["state"] == "Established" for peer in peers)

    def _await(self, what: str, ready: object, within: float = 120.0) -> None:
        assert callable(ready)
        deadline = time.monotonic() + within
        while not ready():
            if time.monotonic() > deadline:
                raise LabError(f"{what} did not come up within {within:.0f} s; see {self.folder}")
            time.sleep(0.1)

    # -- down -------------------------------------------------------------------------------

    def down(self) -> None:
        """Remove all of it, also what a crash left: processes in our namespaces, namespaces, files."""
        mine = [line.split()[0] for line in run("ip", "netns", "list").splitlines() if line]
        mine = [name for name in mine if name.startswith(self.prefix)]
        self._end_processes(mine)
        run("ip", "link", "del", self.namespace("ctl"), check=False)
        for name in mine:
            run("ip", "netns", "del", name)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _end_processes(self, namespaces: list[str]) -> None:
        for number, patience in ((signal.SIGTERM, 2.0), (signal.SIGKILL, 2.0)):
            deadline = time.monotonic() + patience
            sent: set[int] = set()
            while pids := self._pids(namespaces):
                for pid in pids - sent:
                    try:
                        os.kill(pid, number)
                    except ProcessLookupError:
                        continue
                sent |= pids
                if time.monotonic() > deadline:
                    break
                time.sleep(0.05)

    @staticmethod
    def _pids(namespaces: list[str]) -> set[int]:
        inodes = {os.stat(f"/run/netns/{name}").st_ino for name in namespaces}
        found = set()
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                if os.stat(entry / "ns" / "net").st_ino in inodes:
                    found.add(int(entry.name))
            except OSError:  # gone meanwhile, or not ours to see
                continue
        return found


def main(argv: list[str]) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--prefix", default=PREFIX, help="how names of namespaces begin (default %(default)s)"
    )
    parser.add_argument("--folder", type=Path, help="where keys and pid files lie (default build/lab)")
    parser.add_argument("--no-management", action="store_true", help="no management network, no sshd")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="build it, after removing what is left of an older one")
    commands.add_parser("down", help="remove it")
    execute = commands.add_parser("exec", help="run a command on a host")
    execute.add_argument("host")
    execute.add_argument("argv", nargs=argparse.REMAINDER)
    options = parser.parse_args(argv)
    lab = Lab(
        topology(),
        prefix=options.prefix,
        folder=options.folder
        or ROOT / "build" / ("lab" if options.prefix == PREFIX else options.prefix + "lab"),
        management=not options.no_management,
    )
    try:
        if options.command == "up":
            lab.up()
        elif options.command == "down":
            lab.down()
        else:
            return subprocess.run(lab.enter(options.host, *options.argv), check=False).returncode
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
