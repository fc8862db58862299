# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checksums, offload, encapsulation and port choice, judged by independent code (packetkit)."""

from __future__ import annotations

import json
import re
from ipaddress import IPv6Address
from pathlib import Path
from random import Random

import pytest
from ansible_collections.ipv4aas.fleet.engine.mapping.portset import PortSet
from ansible_collections.ipv4aas.fleet.engine.node import gateway
from ansible_collections.ipv4aas.fleet.engine.node.core import build_node
from ansible_collections.ipv4aas.fleet.engine.node.reasons import REASONS
from ansible_collections.ipv4aas.fleet.engine.packet import checksum, napt
from ansible_collections.ipv4aas.fleet.engine.packet.allocation import PortSetAllocator
from ansible_collections.ipv4aas.fleet.engine.packet.buffer import GSO_TCP4, Offload
from ansible_collections.ipv4aas.fleet.engine.packet.carriage import Encapsulation
from ansible_collections.ipv4aas.fleet.engine.packet.ipv4 import Datagram
from ansible_collections.ipv4aas.fleet.engine.packet.verdict import Drop
from hypothesis import given
from hypothesis import strategies as st
from unit.packet import packetkit as kit

VECTORS = Path(__file__).parents[2] / "vectors"
WORD = st.integers(0, 0xFFFF)


@given(st.binary(max_size=200))
def test_checksum_is_that_of_rfc_1071(data: bytes) -> None:
    assert checksum.checksum(data) == kit.slow_sum(data) ^ 0xFFFF


@given(st.lists(WORD, min_size=2, max_size=20).filter(any), WORD.filter(bool), st.data())
def test_adjust_equals_summing_again(words: list[int], value: int, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(words) - 1))
    before = checksum.checksum(b"".join(w.to_bytes(2, "big") for w in words))
    after = [*words[:at], value, *words[at + 1 :]]
    again = checksum.checksum(b"".join(w.to_bytes(2, "big") for w in after))
    assert checksum.adjust(before, value - words[at]) == again


@given(st.integers(0, 0xFFFFFFFF), WORD, st.sampled_from([6, 17, 1]), st.binary(max_size=40), st.booleans())
def test_rewriting_keeps_all_checksums(
    address: int, port: int, proto: int, data: bytes, partial: bool
) -> None:
    source, target = kit.OWN4, kit.SERVER
    packet = {
        6: lambda: kit.tcp(source, 1, target, 2, data=data),
        17: lambda: kit.udp(source, 1, target, 2, data),
        1: lambda: kit.icmp(source, target, 0, 0, 1, data),
    }[proto]()
    made = kit.partial(packet) if partial and proto != 1 else kit.Packet(packet)
    d = Datagram(made.data, made.offload)
    d.set_source(address, port)
    d.set_destination(address ^ 5, port ^ 3)
    d.set_ident(port)
    d.hop()
    assert kit.checksums(kit.finished(kit.Packet(bytes(d.buf), d.offload))) == []


def test_offload_is_a_virtio_header() -> None:
    todo = Offload(True, 20, 16, GSO_TCP4, 1400, 40)
    assert todo.pack() == bytes([1, 1, 40, 0, 0x78, 5, 20, 0, 16, 0])
    assert Offload.unpack(todo.pack()) == todo
    assert Offload.unpack(bytes(10)) is None
    assert todo.moved(40) == Offload(True, 60, 16, GSO_TCP4, 1400, 80)


def test_dslite_vector_is_plain_encapsulation() -> None:
    vectors = json.loads((VECTORS / "packets.json").read_text())["vectors"]
    (vector,) = [v for v in vectors if v["id"] == "dslite-b4"]
    carriage = Encapsulation(1500, cut_inner=False, rng=Random(1))
    wanted = bytes.fromhex(vector["expect"]["hex"])
    ends = (int(IPv6Address(wanted[8:24])), int(IPv6Address(wanted[24:40])))
    (out,) = carriage.wrap(Datagram(bytes.fromhex(vector["input"]["hex"])), *ends)
    assert out.data == wanted


@pytest.mark.parametrize(
    "todo",
    [
        Offload(True, 0, 10),
        Offload(True, 20, 65000),
        Offload(True, 20, 16, GSO_TCP4, 0),
        Offload(True, 20, 16, GSO_TCP4 + 3, 100),
    ],
)
def test_offload_that_does_not_fit_is_refused(todo: Offload) -> None:
    with pytest.raises(Drop, match="drop_offload_invalid"):
        Datagram(kit.tcp(kit.OWN4, 1, kit.SERVER, 2), todo)


def test_every_reason_in_the_code_is_in_the_table_and_back() -> None:
    folders = [Path(gateway.__file__).parent, Path(checksum.__file__).parent]
    files = [f for folder in folders for f in folder.glob("*.py") if f.name != "reasons.py"]
    text = "".join(f.read_text() for f in files)
    used = set(re.findall(r'"(drop_\w+)"', text))
    assert used <= set(REASONS)
    assert {name for name in REASONS if name.startswith("drop_")} <= used


def test_ports_are_random_but_repeatable() -> None:
    ports = PortSet(6, 8, 0x34)
    picks = [
        [PortSetAllocator([1], ports, Random(seed)).take(17, 0, 1, wanted, 0.0)[1] for wanted in (5000, 5001)]
        for seed in (1, 1, 2)
    ]
    assert picks[0] == picks[1] != picks[2]
    assert all(a % 2 == 0 and b % 2 == 1 for a, b in picks)


def test_realms_keep_equal_inside_addresses_apart() -> None:
    table = napt.Napt(PortSetAllocator([1], PortSet(6, 8, 0x34), Random(1)), limit=9)
    ports = []
    for realm in (11, 22):
        d = Datagram(kit.udp("10.0.0.1", 5000, kit.SERVER, 53))
        table.outbound(d, 0.0, realm)
        assert d.ports is not None
        ports.append(d.ports[0])
    assert ports[0] != ports[1]
    for realm, port in zip((11, 22), ports, strict=True):
        assert table.inbound(Datagram(kit.udp(kit.SERVER, 53, "0.0.0.1", port)), 0.0) == realm


def test_nodes_without_an_engine_are_refused() -> None:
    with pytest.raises(ValueError, match="no gateway for dslite"):
        build_node(kit.service("gateway", technique="dslite"), rng=Random(1))
