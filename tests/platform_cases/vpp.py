# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""FD.io VPP."""

from __future__ import annotations

import copy
import tempfile
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from pathlib import Path

from ansible_collections.ipv4aas.fleet.engine.mapping.binding import Binding
from ansible_collections.ipv4aas.fleet.engine.mapping.rule import MapRule
from ansible_collections.ipv4aas.fleet.engine.platforms.own_file import NOTHING
from ansible_collections.ipv4aas.fleet.engine.platforms.vpp.apply import Vpp, apply
from ansible_collections.ipv4aas.fleet.engine.techniques.service import Service, StaticBinding

from .case import Case
from .services import BINDINGS, shownet
from .vpp_device import OPERATOR, EmulatedVpp

OPTIONS = {
    "interfaces": ["GigabitEthernet0/8/0", "GigabitEthernet0/9/0"],
    "inside": ["GigabitEthernet0/8/0"],
    "outside": ["GigabitEthernet0/9/0"],
}
FORWARD = StaticBinding(
    protocol="tcp",
    outside_address=IPv4Address("198.51.100.65"),
    outside_port=8443,
    subscriber=IPv6Address("2001:db8::443"),
    inside_port=443,
)


PREFIX = IPv6Network("2001:db8:64::/96")  # the well-known one carries no address of a test


class Emulated(Vpp):
    """apply.Vpp before the model of a VPP."""

    def __init__(self) -> None:
        super().__init__()
        self.vpp = EmulatedVpp()
        for line in OPERATOR:
            assert self.vpp.ask(*line.split()) == ""

    def ask(self, *words: str) -> str:
        return self.vpp.ask(*words)


class VppDevice:
    """The file, and a VPP that the host's program makes run it; nothing of the operator's in it changes."""

    def __init__(self) -> None:
        self.emulated = Emulated()
        self._text, self._folder = NOTHING, tempfile.TemporaryDirectory()
        self._operator = copy.deepcopy(self.emulated.vpp.state["domains"])

    def show(self) -> str:
        return self._text

    def apply(self, payload: str) -> None:
        if payload:
            self._text = payload
            apply(payload, self.emulated, Path(self._folder.name) / "vpp.json")
        state = self.emulated.vpp.state
        assert state["domains"][: len(self._operator)] == self._operator
        assert "tap9" in state["map"] and "192.88.99.1" in state["dslite pool"]


def fit(service: Service) -> Service:
    """A DMR of /64, ports one by one, and for all services what VPP has once."""
    fields: dict = {"fragmentation": "outer", "mss_clamp": 1200, "interface_identifier": "rfc7597"}
    fields["rules"] = tuple(rule if rule.ea_len else _with_ea(rule) for rule in service.rules)
    if service.pool is not None:
        fields["pool"] = replace(service.pool, block_size=0)
    if service.technique == "map-t" and service.translation_prefix is not None:
        fields["translation_prefix"] = IPv6Network(
            (service.translation_prefix.network_address, 64), strict=False
        )
    return replace(service, **fields)


def _with_ea(rule: MapRule) -> MapRule:
    length = min(63, rule.ipv6_prefix.prefixlen)
    return replace(
        rule,
        ipv4_prefix=rule.ipv4_prefix.supernet(),
        ipv6_prefix=rule.ipv6_prefix.supernet(new_prefix=length),
        ea_len=1,
    )


CASE = Case(
    platform="vpp",
    options=OPTIONS,
    device=lambda dialect: VppDevice(),
    golden={
        "map-e": (shownet("map-e", "gateway", fragmentation="inner"),),
        "map-t": (shownet("map-t", "gateway", mss_clamp=1420),),
        "lw4o6": (
            shownet(
                "lw4o6",
                "gateway",
                bindings=(
                    *BINDINGS,
                    Binding(IPv6Address("2001:3e8:6000:40::1"), IPv4Address("130.129.255.94")),
                    Binding(IPv6Address("2001:3e8:6000:80::1"), IPv4Address("130.129.255.95"), 4, 6, 52),
                ),
            ),
        ),
        "ds-lite-gateway": (shownet("ds-lite", "gateway"),),
        "ds-lite-edge": (shownet("ds-lite", "edge"),),
        "nat64": (shownet("nat64", "gateway", translation_prefix=PREFIX),),
        "464xlat": (shownet("464xlat", "gateway", translation_prefix=PREFIX, static_bindings=(FORWARD,)),),
    },
    endings={"cli": "vpp"},
    fit=fit,
    facts=lambda text, dialect: [] if text == NOTHING else text.splitlines(),
    most_services=1,
)
