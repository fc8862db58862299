# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One packet through the core and through a program of the fast path: equal octets, or a punt."""

from __future__ import annotations

import struct
import time
from collections import Counter
from collections.abc import Mapping
from random import Random
from types import MappingProxyType
from typing import Any

from ansible_collections.ipv4aas.fleet.engine.mapping.rfc6052 import Embedding
from ansible_collections.ipv4aas.fleet.engine.node.clat import Clat
from ansible_collections.ipv4aas.fleet.engine.node.core import Link, build_node
from ansible_collections.ipv4aas.fleet.engine.node.fast.program import TC, ServiceProgram
from ansible_collections.ipv4aas.fleet.engine.node.plane import PlaneNode
from ansible_collections.ipv4aas.fleet.engine.packet.buffer import Packet
from ansible_collections.ipv4aas.fleet.engine.techniques import TECHNIQUES
from ansible_collections.ipv4aas.fleet.engine.techniques.service import Service
from unit.packet import packetkit as kit

ETHERNET = {4: bytes(12) + b"\x08\0", 6: bytes(12) + b"\x86\xdd"}
DEVICE, MAC, OUR_MAC = 1, "020000000001", "020000000002"  # the loopback: nothing is ever sent
LONGEST = 3000  # octets that a test run takes, less some
DONE = {"encapsulated", "decapsulated", "hairpinned", "forwarded", "mss_clamped", "prefix_rewritten"}
RETURNS = {
    "tc": {-1: "pass", 0: "stack", 2: "drop", 7: "redirect"},
    "xdp": {1: "drop", 2: "pass", 3: "redirect", 4: "redirect"},
}


class Pair:
    """A service in both; `redirect` on tc: the program counts the hop and sends by itself, as XDP does."""

    def __init__(
        self,
        service: Service,
        hook: str,
        *,
        redirect: bool = True,
        settings: Mapping[str, Any] = MappingProxyType({}),
        **limits: Any,
    ) -> None:
        redirect = redirect or hook != TC
        self.fast = ServiceProgram(service, hook, redirect=redirect, **settings)
        # The kernel counts the hop of a packet that it gets back.
        self.core = build_node(service, rng=Random(7), decrement_ttl=redirect, **limits)
        if isinstance(self.core, PlaneNode):
            self.core.tell_paths(self.fast.narrow)
        self.hook, self.seen = hook, Counter[str]()
        self._start = time.monotonic()  # the clock of the programs
        self._translated = TECHNIQUES[service.technique].carriage == "translation"
        hop = self.fast.layouts.struct("next_hop").pack(
            device=DEVICE, mtu=65535, destination=bytes.fromhex(MAC), source=bytes.fromhex(OUR_MAC)
        )
        for version in (4, 6):
            key = self.fast.layouts.struct(f"route{version}").pack(length=0, address=0)
            self.fast.maps[f"routes{version}"].update(key, hop)

    def send(self, data: bytes, link: Link, now: float = 0.0) -> list[tuple[bytes, Link]]:
        """What the core sends, after it was found to be what the program made, if that took the packet."""
        outputs, events = self.core.process(Packet(data), link, self._start + now)
        sent = [(kit.finished(packet), departure) for packet, departure in outputs]
        if (20 if data[0] >> 4 == 4 else 40) <= len(data) <= LONGEST:
            self.compare(data, sent, events)
        return sent

    def compare(self, data: bytes, sent: list[tuple[bytes, Link]], events: list[str]) -> None:
        frame = ETHERNET.get(data[0] >> 4, ETHERNET[4]) + data
        result, out, _ = self.fast.program.run(frame)
        verdict = RETURNS[self.hook][struct.unpack("i", struct.pack("I", result))[0]]
        self.seen[verdict] += 1
        if verdict == "pass":
            assert out == frame, "a packet that was not taken is as it was"
            plain = is_plain(data) and not self._may_be_native(data)
            assert not (plain and len(sent) == 1 and set(events) <= DONE), self._told("punt", data, events)
            return
        assert verdict != "drop", self._told(verdict, data, events)
        made, wanted = [out[14:]], [packet for packet, _ in sent]
        if verdict == "stack" and "prefix_rewritten" not in events:
            made = [before_the_hop(out[14:])]
        if self._translated and out[12:14] == ETHERNET[4][12:]:
            assert kit.slow_sum(out[14:34]) == 0xFFFF, self._told(verdict, data, events)
            made, wanted = _without_identification(made), _without_identification(wanted)
        assert made == wanted, self._told(verdict, data, events)
        version = 4 if sent[0][1] is Link.NATIVE else 6
        assert out[12:14] == ETHERNET[version][12:]
        if verdict == "redirect":
            assert out[:12].hex() == MAC + OUR_MAC

    def _may_be_native(self, data: bytes) -> bool:
        """Whether it is for an address of a CLAT's prefix that no CLAT writes: of an IPv6 host perhaps."""
        if not isinstance(self.core, Clat) or data[0] >> 4 == 4:
            return False
        own, target = Embedding(self.core.service.clat_prefix), int.from_bytes(data[24:40], "big")
        return target in own and own.embed(own.extract(target)) != target

    def _told(self, verdict: str, data: bytes, events: list[str]) -> str:
        return (
            f"{verdict}, the core: {events}; {self.fast.counters()}; {data[:120].hex()}, {len(data)} octets"
        )

    def close(self) -> None:
        self.fast.close()


def _without_identification(packets: list[bytes]) -> list[bytes]:
    """A translator makes one up (RFC 7915 section 5.1); the sum of the header goes with it."""
    return [packet[:4] + bytes(2) + packet[6:10] + bytes(2) + packet[12:] for packet in packets]


def before_the_hop(data: bytes) -> bytes:
    """What is sent through a tunnel, before the hop that the core behind a kernel does not count."""
    if data[0] >> 4 == 4 or data[6] != 4:
        return data
    checksum = int.from_bytes(data[50:52], "big") - 0x100
    sealed = (checksum + (checksum < 0) * 0xFFFF).to_bytes(2, "big")
    return data[:48] + bytes((data[48] + 1,)) + data[49:50] + sealed + data[52:]


def is_plain(data: bytes) -> bool:
    """A whole packet of TCP or UDP, or an echo, with nothing special, native, in a tunnel or translated."""
    if len(data) < 28:
        return False
    if data[0] >> 4 == 6:
        if data[6] == 4:
            return is_plain(data[40:])
        return len(data) >= 48 and data[7] > 1 and _is_plain_transport(data[6], data[40:], (128, 129))
    if data[0] != 0x45 or data[8] <= 1 or data[6] & 0x3F or data[7]:
        return False
    return _is_plain_transport(data[9], data[20:], (8, 0))


def _is_plain_transport(protocol: int, body: bytes, echoes: tuple[int, int]) -> bool:
    if protocol in (1, 58):
        return body[0] in echoes and not body[1] and body[4:6] != bytes(2)
    return protocol == 6 or (protocol == 17 and body[6:8] != bytes(2))
