# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documents of a node: there and back, and what is refused."""

from __future__ import annotations

import json
from ipaddress import IPv4Address
from typing import Any

import pytest
from ansible_collections.ipv4aas.fleet.engine.codec import CodecError, decode, encode
from ansible_collections.ipv4aas.fleet.engine.techniques.service import (
    NodeConfiguration,
    PortForward,
    Service,
)
from unit.packet import packetkit as kit

FORWARD = PortForward("tcp", kit.OWN_PORT, IPv4Address("192.168.1.5"), 80)


def test_there_and_back() -> None:
    services = (kit.service("gateway"), kit.service("edge", port_forwards=(FORWARD,)))
    configuration = NodeConfiguration(node="n", services=services)
    assert decode(NodeConfiguration, json.loads(json.dumps(encode(configuration)))) == configuration


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"gateway_address": 5}, "gateway_address: expected an address as text, got 5"),
        ({"gateway_address": True}, "gateway_address: expected an address as text"),
        ({"gateway_address": "192.0.2.1"}, "gateway_address: .*192.0.2.1"),
        ({"ipv6_mtu": "1500"}, "ipv6_mtu: expected int"),
        ({"ipv6_mtu": True}, "ipv6_mtu: expected int"),
        ({"strict_iid": 1}, "strict_iid: expected bool"),
        ({"rules": {}}, "rules: expected a list"),
        ({"rules": [[]]}, r"rules\[0\]: expected a mapping"),
        ({"rules": [{"ea_len": 1}]}, r"rules\[0\]: missing ipv6_prefix, ipv4_prefix"),
        ({"colour": "red"}, "Service: unknown colour"),
    ],
)
def test_what_does_not_fit_is_named(change: dict[str, Any], text: str) -> None:
    document = encode(kit.service("gateway")) | change
    with pytest.raises(CodecError, match=text):
        decode(Service, document)


def test_an_impossible_rule_is_named_with_its_place() -> None:
    document = encode(kit.service("gateway"))
    document["rules"][0]["ea_len"] = 49
    with pytest.raises(CodecError, match=r"Service.rules\[0\]: EA-bits length 49 is outside"):
        decode(Service, document)
