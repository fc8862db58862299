# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The units of the software node: what systemd thinks of them, and what their grants are good for.

On a host that systemd has booted (node_host.py).
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Address, IPv6Network
from pathlib import Path

import jinja2
import pytest
import yaml
from ansible_collections.ipv4aas.fleet.engine.codec import encode
from ansible_collections.ipv4aas.fleet.engine.mapping.rule import MapRule
from ansible_collections.ipv4aas.fleet.engine.techniques.service import GATEWAY, NodeConfiguration, Service
from node_host import TESTS, SystemdHost

pytestmark = pytest.mark.root

ROOT = TESTS.parents[1]
ROLE = ROOT / "roles" / "software_node"
UNITS = Path("/etc/systemd/system")
NODE, EXPORTER = "ipv4aas-node.service", "ipv4aas-exporter.service"
SERVICE = Service(
    name="hall7",
    technique="map-e",
    role=GATEWAY,
    gateway_address=IPv6Address("2001:3e8:0:2900::1"),
    rules=(MapRule(IPv6Network("2001:3e8:6000::/56"), IPv4Network("130.129.255.92/30"), 8, 4),),
)
# What a loader of eBPF programs needs: a callback in C (libbpf says what is wrong by one), a program with an
# offset that is not constant, a pin. struct bpf_insn is opcode, registers, offset, constant.
LOADER = """
import ctypes, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
order = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)(lambda one, other: 0)
libc.qsort((ctypes.c_int * 2)(2, 1), 2, 4, order)
lines = [
    (0x61, 0x12, 76, 0), (0x61, 0x13, 80, 0),                      # r2 = data, r3 = data_end
    (0xBF, 0x24, 0, 0), (0x07, 4, 0, 14), (0x2D, 0x34, 7, 0),      # 14 octets, or the end
    (0x71, 0x20, 0, 0), (0x57, 0, 0, 7), (0x0F, 0x02, 0, 0),       # r2 += octet & 7
    (0xBF, 0x24, 0, 0), (0x07, 4, 0, 1), (0x2D, 0x34, 1, 0), (0x71, 0x20, 0, 0),
    (0xB7, 0, 0, 0), (0x95, 0, 0, 0),
]
code = ctypes.create_string_buffer(b"".join(struct.pack("<BBhi", *line) for line in lines))
licence = ctypes.create_string_buffer(b"GPL")
path = ctypes.create_string_buffer(b"/sys/fs/bpf/ipv4aas/program")

def bpf(command, attributes):
    buffer = ctypes.create_string_buffer(attributes, 144)
    found = libc.syscall(321, command, buffer, 144)
    if found < 0:
        sys.exit(f"bpf command {command}: error {ctypes.get_errno()}")
    return found

program = bpf(5, struct.pack("<IIQQ", 3, len(lines), ctypes.addressof(code), ctypes.addressof(licence)))
bpf(6, struct.pack("<QI", ctypes.addressof(path), program))
print("loaded and pinned", flush=True)
"""


def unit(name: str, **variables: object) -> str:
    """A unit as the role writes it."""
    given = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text()) | variables
    environment = jinja2.Environment(trim_blocks=True, undefined=jinja2.StrictUndefined, autoescape=False)
    template = (ROLE / "templates" / f"{name}.j2").read_text()
    return environment.from_string(template).render(ansible_managed="managed", **given)


class ServiceHost(SystemdHost):
    """A host with the node's user, and the zipapp in place of a release."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        program = folder / "ipv4aas-node"
        builder = ROOT / "plugins" / "plugin_utils" / "bundle.py"
        subprocess.run([sys.executable, str(builder), "node", str(program)], check=True, capture_output=True)
        self.run("mkdir", "-p", "/opt/ipv4aas/current/bin")
        for name in ("ipv4aas-node", "ipv4aas-exporter"):  # the latter for systemd-analyze to find
            self.run("install", "-m", "755", str(program), f"/opt/ipv4aas/current/bin/{name}")
        self.run("useradd", "--system", "--user-group", "--shell", "/usr/sbin/nologin", "ipv4aas")
        places = (ROLE / "templates" / "ipv4aas.tmpfiles.j2").read_text()
        self.run("tee", "/etc/tmpfiles.d/ipv4aas.conf", feed=places)
        self.run("systemd-tmpfiles", "--create", "/etc/tmpfiles.d/ipv4aas.conf")

    def describe(self, text: str, name: str = NODE) -> None:
        self.run("tee", str(UNITS / name), feed=text)
        self.run("systemctl", "daemon-reload")

    def systemctl(self, *words: str) -> str:
        """What it complains of."""
        return self.run("systemctl", *words, check=False).stderr

    def configure(self, service: Service) -> str:
        """Propose and apply for good; what the node says against it."""
        document = encode(NodeConfiguration(node="br1", services=(service,)))
        self.node("propose", feed=json.dumps(document))
        return self.run("/opt/ipv4aas/current/bin/ipv4aas-node", "apply", check=False).stderr


@pytest.fixture
def host(tmp_path: Path) -> Iterator[ServiceHost]:
    made = ServiceHost(tmp_path)
    yield made
    made.end()


VARIANTS = [
    (name, fast, spaces)
    for name in (NODE, EXPORTER)
    for fast in (True, False)
    for spaces in (True, False)
    if name == NODE or (fast and not spaces)
]


@pytest.mark.parametrize("address", ["127.0.0.1", "2001:db8::1"])
@pytest.mark.parametrize(("name", "fast", "spaces"), VARIANTS)
def test_systemd_understands_them(host, name, fast, spaces, address):
    host.describe(
        unit(
            name,
            software_node_fast_path=fast,
            software_node_namespaces=spaces,
            software_node_exporter_address=address,
        ),
        name,
    )
    done = host.run("systemd-analyze", "verify", "--man=no", str(UNITS / name), check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("name", "variables", "most"),
    [
        (NODE, {"software_node_fast_path": False}, 19),
        (NODE, {}, 20),
        (NODE, {"software_node_namespaces": True}, 24),
        (EXPORTER, {}, 13),
    ],
)
def test_exposure(tmp_path, name, variables, most):
    """Tenths of systemd's points, from 0 (the service may do nothing) to 10 (everything)."""
    path = tmp_path / name
    path.write_text(unit(name, **variables))
    command = [
        "systemd-analyze",
        "security",
        "--offline=true",
        f"--threshold={most}",
        "--no-pager",
        str(path),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_a_node_with_what_its_unit_grants(host):
    host.describe(unit(NODE))
    assert host.systemctl("start", NODE) == ""
    assert host.configure(SERVICE) == ""
    assert host.node("health")["services"] == ["hall7"]
    routes = host.run("ip", "route").stdout
    assert "130.129.255.92/30 dev ipv4aas0 proto 46" in routes
    assert host.run("cat", "/proc/sys/net/ipv4/ip_forward").stdout == "1\n"
    # What it did to the host is taken back; what it runs is kept.
    assert host.systemctl("stop", NODE) == ""
    assert host.run("cat", "/proc/sys/net/ipv4/ip_forward").stdout == "0\n"
    assert "ipv4aas0" not in host.run("ip", "route").stdout
    assert host.systemctl("start", NODE) == ""
    assert host.node("health")["services"] == ["hall7"]


def test_a_folder_of_root_is_taken_over(host):
    """As version 0.3 left it, which ran as root."""
    host.run("/opt/ipv4aas/current/bin/ipv4aas-node", "start")
    assert host.configure(SERVICE) == ""
    host.run("/opt/ipv4aas/current/bin/ipv4aas-node", "stop")
    host.describe(unit(NODE))
    assert host.systemctl("start", NODE) == ""
    assert host.node("health")["services"] == ["hall7"]


def test_without_the_capability(host):
    """Nothing can be forwarded, and it says why; a node that was configured before does not start."""
    text = unit(NODE, software_node_fast_path=False).replace("=CAP_NET_ADMIN\n", "=\n")
    host.describe(text)
    assert host.systemctl("start", NODE) == ""
    said = "device ipv4aas0: Operation not permitted; the node needs CAP_NET_ADMIN"
    assert said in host.configure(SERVICE)
    host.systemctl("stop", NODE)
    host.describe(unit(NODE))
    assert host.systemctl("start", NODE) == ""
    assert host.configure(SERVICE) == ""
    host.systemctl("stop", NODE)
    host.describe(text)
    host.describe(text.replace("Restart=on-failure", "Restart=no"))
    assert "failed" in host.systemctl("start", NODE)
    assert host.show(NODE, "ActiveState", "Result") == ["failed", "exit-code"]
    assert said in host.journal(NODE)


def test_without_the_device(host):
    host.run("chmod", "600", "/dev/net/tun")
    host.describe(unit(NODE))
    assert host.systemctl("start", NODE) == ""
    assert "/dev/net/tun: Permission denied; the node's user may not open it" in host.configure(SERVICE)


def test_it_comes_back(host):
    """After a kill, and where it gives no sign of life, with what it ran; not after a stop."""
    host.describe(unit(NODE).replace("WatchdogSec=60", "WatchdogSec=10"))
    assert host.systemctl("start", NODE) == ""
    assert host.configure(SERVICE) == ""
    for number, signal in enumerate(("KILL", "STOP"), 1):
        before = host.show(NODE, "MainPID")[0]
        host.run("kill", f"-{signal}", before)
        deadline = time.monotonic() + 120
        while host.show(NODE, "NRestarts", "ActiveState") != [str(number), "active"]:
            assert time.monotonic() < deadline, host.journal(NODE)
            time.sleep(0.2)
        assert host.show(NODE, "MainPID")[0] != before
        assert host.node("health")["services"] == ["hall7"]
    host.node("stop")
    time.sleep(2)
    assert host.show(NODE, "ActiveState", "Result") == ["inactive", "success"]


def test_services_in_namespaces(host):
    """Only where the variable says so; also in one that was made after the start."""
    plane = "plane"
    host.run("ip", "netns", "add", plane)
    service = replace(SERVICE, namespace=plane)
    host.describe(unit(NODE))
    assert host.systemctl("start", NODE) == ""
    refused = f"network namespace {plane}: Operation not permitted; to enter it the node needs CAP_SYS_ADMIN"
    assert refused in host.configure(service)
    host.describe(unit(NODE, software_node_namespaces=True))
    assert host.systemctl("restart", NODE) == ""
    for name in (plane, "later"):
        host.run("ip", "netns", "add", "later", check=False)
        assert host.configure(replace(service, namespace=name)) == ""
        assert host.node("health")["services"] == ["hall7"]
        routes = host.run("ip", "-n", name, "route").stdout
        assert "130.129.255.92/30 dev ipv4aas0 proto 46" in routes
        forwarding = host.run("ip", "netns", "exec", name, "cat", "/proc/sys/net/ipv4/ip_forward").stdout
        assert forwarding == "1\n"


@pytest.mark.parametrize("fast", [True, False])
def test_programs_in_the_kernel(host, fast):
    """Loaded and pinned by the user of the node, with what the unit grants; refused without."""
    host.run("tee", "/opt/loader.py", feed=LOADER)
    text = unit(NODE, software_node_fast_path=fast)
    gone = "ExecStart", "Type=", "Restart", "WatchdogSec="
    lines = [line for line in text.splitlines() if not line.startswith(gone)]
    where = lines.index("[Service]") + 1
    lines[where:where] = ["Type=oneshot", "ExecStart=/usr/bin/python3 /opt/loader.py"]
    host.describe("\n".join(lines))
    said = host.systemctl("start", NODE)
    log, pinned = host.journal(NODE), host.run("ls", "/sys/fs/bpf/ipv4aas").stdout
    if fast:
        assert (said, "loaded and pinned" in log, pinned) == ("", True, "program\n")
    else:
        assert ("failed" in said, "bpf command 5: error 1" in log, pinned) == (True, True, "")
