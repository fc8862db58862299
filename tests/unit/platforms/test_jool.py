# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jool: the documentation's own example, other spellings, what is refused, and what a reload does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import fields, replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path

import pytest
from ansible_collections.ipv4aas.fleet.engine.mapping.eam import Eam, EamTable
from ansible_collections.ipv4aas.fleet.engine.mapping.rfc6052 import Embedding
from ansible_collections.ipv4aas.fleet.engine.plan.build import build_plan
from ansible_collections.ipv4aas.fleet.engine.platforms.driver import ParseError
from ansible_collections.ipv4aas.fleet.engine.platforms.registry import all_features, driver
from ansible_collections.ipv4aas.fleet.engine.platforms.render import render
from ansible_collections.ipv4aas.fleet.engine.problem import Refused
from ansible_collections.ipv4aas.fleet.engine.techniques.service import StaticBinding
from ansible_collections.ipv4aas.fleet.engine.transport.connect import daemon_of
from ansible_collections.ipv4aas.fleet.engine.transport.daemon import DaemonSession
from ansible_collections.ipv4aas.fleet.engine.transport.deploy import deploy
from platform_cases import CASES
from platform_cases.case import TEMPLATES
from platform_cases.jool import FORWARD
from platform_cases.services import POOL, shownet

PLAT, CLAT = driver("jool"), driver("jool_siit")
GATEWAY, EDGE = shownet("464xlat", "gateway"), shownet("464xlat", "edge")


def plat(*services):
    return CASES["jool"].rendered("json", *services)


def clat(*services):
    return CASES["jool_siit"].rendered("json", *services)


LOWER = IPv4Network("198.51.100.0/26")

# Jool's documentation, "Atomic Configuration", full example of a NAT64, with our names and prefixes.
DOCUMENTED = """{
  "comment": {"description": "Sample full NAT64 configuration.", "service": "hall7"},
  "instance": "ipv4aas",
  "framework": "netfilter",
  "comment": "Comments may be several.",
  "global": {
    "manually-enabled": true, "pool6": "64:FF9B:0::/96", "lowest-ipv6-mtu": 1280, "logging-debug": false,
    "zeroize-traffic-class": false, "override-tos": false, "tos": 0,
    "mtu-plateaus": [65535, 32000, 17914, 8166, 4352, 2002, 1492, 1006, 508, 296, 68],
    "address-dependent-filtering": true, "drop-externally-initiated-tcp": false, "drop-icmpv6-info": false,
    "source-icmpv6-errors-better": true, "f-args": 11, "handle-rst-during-fin-rcv": false,
    "tcp-est-timeout": "2:00:00", "tcp-trans-timeout": "0:04:00", "udp-timeout": "0:05:00",
    "icmp-timeout": "0:01:00", "logging-bib": false, "logging-session": false,
    "maximum-simultaneous-opens": 10, "ss-enabled": false, "ss-flush-deadline": 2000, "ss-capacity": 512,
    "ss-max-payload": 1452, "ss-max-sessions-per-packet": 10
  },
  "bib": [{"Protocol": "tcp", "IPv6 address": "2001:3e8:6000:45:00c0:a801:1000::#443",
           "ipv4 address": "198.51.100.65#8443"}],
  "pool4": [
    {"comment": "mark and max-iterations are optional", "protocol": "ICMP", "prefix": "198.51.100.64/26",
     "port range": "1024-65535", "mark": 0, "max-iterations": 1500},
    {"protocol": "UDP", "prefix": "198.51.100.64/26", "port range": "1024-65535"},
    {"protocol": "TCP", "prefix": "198.51.100.64/26", "port range": "1024-65535"}
  ]
}"""


def test_documented_example_means_the_service():
    wanted = replace(GATEWAY, static_bindings=(FORWARD,))
    assert PLAT.parse(DOCUMENTED, "json", (wanted,)) == (wanted,)


@pytest.mark.parametrize(
    ("old", "new", "field", "value"),
    [
        ("64:ff9b::/96", "2001:db8:64::/96", "translation_prefix", IPv6Network("2001:db8:64::/96")),
        ('"lowest-ipv6-mtu": 1280', '"lowest-ipv6-mtu": 1480', "lowest_ipv6_mtu", 1480),
        (
            '"address-dependent-filtering": true',
            '"address-dependent-filtering": false',
            "filtering",
            "endpoint-independent",
        ),
        (
            "198.51.100.64/26",
            "198.51.100.0/26",
            "pool",
            replace(POOL, ipv4=(IPv4Network("198.51.100.0/26"),)),
        ),
        ("1024-65535", "2048-65535", "pool", replace(POOL, first_port=2048)),
        ("#8443", "#8444", "static_bindings", (replace(FORWARD, outside_port=8444),)),
        ("#443", "#444", "static_bindings", (replace(FORWARD, inside_port=444),)),
        (
            '"TCP",\n      "ipv6',
            '"UDP",\n      "ipv6',
            "static_bindings",
            (replace(FORWARD, protocol="udp"),),
        ),
    ],
)
def test_each_change_by_hand_is_seen(old, new, field, value):
    wanted = replace(GATEWAY, static_bindings=(FORWARD,))
    text = plat(wanted)
    assert old in text
    assert PLAT.parse(text.replace(old, new), "json", (wanted,)) == (replace(wanted, **{field: value}),)
    assert PLAT.change(text.replace(old, new), text, "json").payload == text


def test_what_is_missing_has_its_default():
    """Jool takes omitted keys as its defaults, not as what was before."""
    document = json.loads(plat(GATEWAY))
    del document["global"]["lowest-ipv6-mtu"], document["global"]["address-dependent-filtering"]
    for entry in document["pool4"]:
        del entry["port range"]
    [found] = PLAT.parse(json.dumps(document), "json", (GATEWAY,))
    assert (found.lowest_ipv6_mtu, found.filtering) == (1280, "endpoint-independent")
    assert found.pool.first_port == 61001


@pytest.mark.parametrize(
    ("old", "new", "wrong"),
    [
        ('"pool4"', '"pool5"', "the file: pool5 is not understood"),
        ('"pool6"', '"pool7"', "global: pool7 is not understood"),
        ("64:ff9b::/96", "64:ff9b::/129", "global.pool6: is no IPv6 prefix"),
        ('"ipv4aas"', '"plat"', "instance: 'plat' is not ipv4aas"),
        ('"service": "hall7"', '"by": "me"', "does not say the service"),
        ('"ICMP"', '"TCP"', "TCP, UDP and ICMP do not have the same"),
        ("1024-65535", "1024-2000", r"pool4\[0\]: port range 1024-2000 is not N-65535"),
        ("1280", "900", "global.lowest-ipv6-mtu: 900 is not a number of at least 1280"),
        ("#8443", "#x", r"bib\[0\]: invalid literal"),
        ("{", "", "line 2"),
    ],
)
def test_nonsense(old, new, wrong):
    text = plat(replace(GATEWAY, static_bindings=(FORWARD,)))
    assert old in text
    with pytest.raises(ParseError, match=wrong):
        PLAT.parse(text.replace(old, new, 1 if old == "{" else -1), "json", (GATEWAY,))


def test_paused_is_no_service():
    document = json.loads(plat(GATEWAY))
    document["global"]["manually-enabled"] = False
    assert PLAT.parse(json.dumps(document), "json", (GATEWAY,)) == ()


def test_refused():
    blocks = replace(GATEWAY, pool=replace(POOL, block_size=512))
    with pytest.raises(Refused) as error:
        plat(blocks, replace(GATEWAY, name="other", translation_prefix=None, pool=None))
    said = str(error.value)
    for words in (
        "one instance",
        "hall7.sharing.allocation: Jool gives ports one by one",
        "other.gateway.translation_prefix: missing",
        "other.ipv4_pools: missing",
    ):
        assert words in said


@pytest.mark.parametrize("length", [32, 40, 48, 56, 64, 96])
def test_networks_of_a_clat_where_octet_u_is(length):
    """Every host of the LAN gets the address that RFC 6052 gives it."""
    wanted = replace(
        EDGE,
        end_user_prefix=IPv6Network((int(IPv6Address("2001:db8:1:200::")), length), strict=False),
        inside=(IPv4Network("192.168.1.0/28"), IPv4Network("10.1.2.3/32")),
    )
    text = clat(wanted)
    assert CLAT.parse(text, "json", (wanted,)) == (wanted,)
    table = EamTable(
        Eam(IPv4Network(e["ipv4 prefix"]), IPv6Network(e["ipv6 prefix"])) for e in json.loads(text)["eamt"]
    )
    own = Embedding(wanted.clat_prefix)
    for host in (*wanted.inside[0], IPv4Address("10.1.2.3")):
        assert table.to6(int(host)) == own.embed(int(host))


def test_clat_of_another_prefix_is_seen():
    [found] = CLAT.parse(clat(EDGE).replace("2001:3e8:6000:45:", "2001:3e8:6000:46:"), "json", (EDGE,))
    assert found == replace(EDGE, end_user_prefix=IPv6Network("2001:3e8:6000:46::/64"))
    longer = replace(EDGE, end_user_prefix=IPv6Network("2001:3e8:6000:40::/60"))
    assert CLAT.parse(clat(longer), "json", (longer,)) == (longer,)


def test_clat_refused():
    wide = replace(
        EDGE,
        end_user_prefix=IPv6Network("2001:db8::/40"),
        inside=(IPv4Network("10.0.0.0/8"),),
        udp_zero_checksum="forward",
        eam=(Eam(IPv4Network("10.0.0.1/32"), IPv6Network("2001:db8::1/128")),),
    )
    for service, words in (
        (wide, ("octet u", "forwards no UDP checksum of zero", "10.0.0.1/32 is inside")),
        (replace(EDGE, inside=()), ("give ipv4aas_lan",)),
    ):
        with pytest.raises(Refused) as error:
            clat(service)
        assert all(word in str(error.value) for word in words)


INVENTORY = {
    "ipv4aas_services": {
        "hall7": {
            "technique": "464xlat",
            "customers": {"ipv6": "2001:3e8:6000::/56", "prefix_length": 64},
            "ipv4_pools": ["198.51.100.64/26"],
            "sharing": {"customers_per_address": 4, "allocation": "dynamic"},
            "gateway": {"translation_prefix": "2001:db8:64::/96"},
            "backbone_mtu": 1500,
        }
    },
    "ipv4aas_carries": ["hall7"],
}


def test_from_an_inventory():
    plan = build_plan(
        {
            "plat1": INVENTORY | {"ipv4aas_role": "gateway", "ipv4aas_platform": "jool"},
            "clat1": INVENTORY
            | {
                "ipv4aas_role": "edge",
                "ipv4aas_platform": "jool_siit",
                "ipv4aas_customer_prefix": "2001:3e8:6000:45::/64",
                "ipv4aas_lan": ["192.168.1.0/24"],
                "ipv4aas_port_forwards": [
                    {
                        "protocol": "tcp",
                        "outside_port": 8443,
                        "inside_address": "192.168.1.16",
                        "inside_port": 443,
                    }
                ],
            },
        },
        all_features(),
    )
    for name in ("plat1", "clat1"):
        node = plan.nodes[name]
        text = render(node, TEMPLATES)
        assert driver(node.platform).parse(text, node.dialect, node.services) == node.services
    [entry] = json.loads(render(plan.nodes["plat1"], TEMPLATES))["bib"]
    assert entry["ipv6 address"] == "2001:3e8:6000:45:c0:a801:1000:0#443"


class Host:
    """Runs the commands of features.yml here; jool is fake_jool.py, and ``unshare --net`` another state."""

    def __init__(self, folder: Path) -> None:
        self.state, self.folder = folder / "state", folder
        programs = folder / "bin"
        programs.mkdir()
        fake = Path(__file__).with_name("fake_jool.py")
        self._program(programs / "jool", f'exec {sys.executable} {fake} "$@"')
        self._program(
            programs / "unshare",
            f'shift; JOOL_STATE={folder}/other; export JOOL_STATE; "$@" || exit; rm $JOOL_STATE',
        )
        self.path = f"{programs}:{os.environ['PATH']}"
        real = daemon_of("jool", "json")
        self.file = folder / "jool.conf"
        here = {
            f.name: getattr(real, f.name).replace(real.file, str(self.file))
            for f in fields(real)
            if isinstance(getattr(real, f.name), str)
        }
        self.daemon = replace(real, **here)
        self.file.write_text(PLAT.change("x", "", "json").payload)
        assert self(["jool", "file", "handle", str(self.file)])[0] == 0

    @staticmethod
    def _program(path: Path, body: str) -> None:
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)

    def __call__(self, argv, feed=""):
        env = os.environ | {"PATH": self.path, "JOOL_STATE": str(self.state)}
        done = subprocess.run(
            argv, input=feed, text=True, capture_output=True, check=False, timeout=60, env=env
        )
        return done.returncode, done.stdout, done.stderr

    def deploy(self, *services):
        with DaemonSession(self, self.daemon, lock_patience=0, folder=str(self.folder / "work")) as session:
            return deploy(session, PLAT, CASES["jool"].node(*services), plat(*services), "json")

    @property
    def running(self):
        return json.loads(self.state.read_text())

    def has_sessions(self) -> None:
        """Marks the instance, to see whether it is still the same one."""
        self.state.write_text(json.dumps(self.running | {"sessions": 5}))


def test_reload_keeps_sessions_unless_the_prefix_is_another(tmp_path):
    host = Host(tmp_path)
    assert host.deploy(GATEWAY).changed
    host.has_sessions()
    other = StaticBinding(
        protocol="udp",
        outside_address=IPv4Address("198.51.100.66"),
        outside_port=5060,
        subscriber=IPv6Address("2001:db8::1"),
        inside_port=5060,
    )
    host.deploy(replace(GATEWAY, static_bindings=(FORWARD, other)))
    entries = [entry[:1] + entry[2:3] for entry in host.running["bib"]]
    assert entries == [["TCP", "198.51.100.65#8443"], ["UDP", "198.51.100.66#5060"]]
    host.deploy(replace(GATEWAY, static_bindings=(other,)))
    assert [entry[0] for entry in host.running["bib"]] == ["UDP"]
    assert host.running["sessions"] == 5
    assert not host.deploy(replace(GATEWAY, static_bindings=(other,))).changed
    host.deploy(replace(GATEWAY, translation_prefix=IPv6Network("2001:db8:64::/96")))
    assert (host.running["pool6"], host.running["sessions"]) == ("2001:db8:64::/96", 0)
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("name", ["jool", "jool_siit"])
def test_role_writes_the_file_without_services(name):
    text = (TEMPLATES.parent / "roles" / "service_host" / "files" / f"{name}.json").read_text()
    assert driver(name).change("x", "", "json").payload == text
