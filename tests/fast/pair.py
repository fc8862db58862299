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

from ansible_collections.ipv4aas.fleet.engine.node.core import Link, build_node
from ansible_collections.ipv4aas.fleet.engine.node.fast.program import TC, ServiceProgram
from ansible_collections.ipv4aas.fleet.engine.node.plane import PlaneNode
from ansible_collections.ipv4aas.fleet.engine.packet.buffer import Packet
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
            assert not (is_plain(data) and len(sent) == 1 and set(events) <= DONE), self._told(
                "punt", data, events
            )
            return
        assert verdict != "drop", self._told(verdict, data, events)
        assert [out[14:].hex()] == [packet.hex() for packet, _ in sent], self._told(verdict, data, events)
        version = 4 if sent[0][1] is Link.NATIVE else 6
        assert out[12:14] == ETHERNET[version][12:]
        if verdict == "redirect":
            assert out[:12].hex() == MAC + OUR_MAC

    def _told(self, verdict: str, data: bytes, events: list[str]) -> str:
        return (
            f"{verdict}, the core: {events}; {self.fast.counters()}; {data[:120].hex()}, {len(data)} octets"
        )

    def close(self) -> None:
        self.fast.close()


def is_plain(data: bytes) -> bool:
    """A whole packet of TCP or UDP with nothing special, native, in a tunnel or translated."""
    if len(data) < 28:
        return False
    if data[0] >> 4 == 6:
        if data[6] == 4:
            return is_plain(data[40:])
        return data[6] == 6 or (data[6] == 17 and data[46:48] != b"\0\0")
    if data[0] != 0x45 or data[9] not in (6, 17) or data[8] <= 1:
        return False
    return not (data[6] & 0x3F or data[7])
