# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A data plane of others, prepared by the role service_host and changed by the transport of files."""

from __future__ import annotations

import shutil
from dataclasses import replace
from ipaddress import IPv6Network

import pytest
from ansible_collections.ipv4aas.fleet.engine.platforms.registry import driver
from ansible_collections.ipv4aas.fleet.engine.transport.connect import daemon_of
from ansible_collections.ipv4aas.fleet.engine.transport.daemon import DaemonSession
from ansible_collections.ipv4aas.fleet.engine.transport.deploy import deploy
from ansible_collections.ipv4aas.fleet.engine.transport.session import TransportError
from platform_cases import CASES
from platform_cases.nftables import OWN
from platform_cases.services import shownet

ABSENT = [name for name in ("nft", "conntrack") if shutil.which(name) is None]

pytestmark = [
    pytest.mark.root,
    pytest.mark.servers,
    pytest.mark.skipif(bool(ABSENT), reason=f"needs {', '.join(ABSENT)}: make packages"),
]


def roll_out(host, platform, *services, text=""):
    case = CASES[platform]
    dialect = case.features.dialects[0]
    with DaemonSession(host.run, daemon_of(platform, dialect), lock_patience=1) as session:
        wanted = text or case.rendered(dialect, *services)
        return deploy(session, driver(platform), case.node(*services), wanted, dialect)


def test_prefix_translator(helper):
    host = helper("pt")
    host.role(service_host_platform="nftables")
    assert "changed=0" in host.role(service_host_platform="nftables")
    wanted = shownet("sa46t-pt", "gateway", end_user_prefix=OWN)
    host.on("nft", "add", "table", "inet", "operator")
    assert roll_out(host, "nftables", wanted).changed
    assert not roll_out(host, "nftables", wanted).changed
    assert "dnat prefix to 2001:db8:1:1:0:9::/96" in host.on("nft", "list", "ruleset")
    other = replace(wanted, end_user_prefix=IPv6Network("2001:db8:1:8::/64"))
    roll_out(host, "nftables", other)
    assert "2001:db8:1:7:" not in host.on("nft", "list", "ruleset")
    broken = CASES["nftables"].rendered("conf", wanted).replace("dnat prefix", "dnat suffix")
    with pytest.raises(TransportError, match="syntax error"):
        roll_out(host, "nftables", wanted, text=broken)
    assert "table inet operator" in host.on("nft", "list", "tables")
    # A boot, and what the unit does then.
    host.on("nft", "flush", "ruleset")
    host.role(service_host_platform="nftables")
    host.on("sh", "-c", daemon_of("nftables", "conf").start.split(" && ")[0])
    assert "2001:db8:1:8:0:9::/96" in host.on("nft", "list", "ruleset")
