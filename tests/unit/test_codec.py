# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documents of a node: there and back, and what is refused."""

from __future__ import annotations

import dataclasses
import json
import sys
import threading
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


def test_threads_decode_side_by_side() -> None:
    """A type that nobody has decoded yet, by several threads at once: each round has a new one."""
    names = [f"field{number}" for number in range(40)]
    document = dict.fromkeys(names, 1)
    failed: list[Exception] = []

    def meet(cls: type[Any], together: threading.Barrier) -> None:
        together.wait(10)
        try:
            assert decode(cls, document) == cls(**document)
        except Exception as error:
            failed.append(error)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _round in range(50):
            cls = dataclasses.make_dataclass("Made", [(name, int) for name in names])
            together = threading.Barrier(4)
            threads = [threading.Thread(target=meet, args=(cls, together)) for _thread in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    finally:
        sys.setswitchinterval(before)
    assert failed == []
