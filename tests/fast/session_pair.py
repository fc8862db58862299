# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A session gateway in the core and as a program: what the program chose is checked, the core chooses alike.

A packet that the program leaves to the core asks the kernel's tables, as the core does where both run: so
both have the same sessions, and each answer is compared with what the core's own tables say.
"""

from __future__ import annotations

import struct
from collections import Counter, deque
from random import Random
from typing import Any

import pytest
from ansible_collections.ipv4aas.fleet.engine.node.core import Limits, Link, build_node
from ansible_collections.ipv4aas.fleet.engine.node.fast.program import TC, ServiceProgram
from ansible_collections.ipv4aas.fleet.engine.node.fast.sessions import Answer, KernelSessions
from ansible_collections.ipv4aas.fleet.engine.packet.allocation import PoolAllocator
from ansible_collections.ipv4aas.fleet.engine.packet.buffer import Packet
from ansible_collections.ipv4aas.fleet.engine.packet.ipv4 import ICMP, OFFSET, TCP, Datagram
from ansible_collections.ipv4aas.fleet.engine.packet.napt import PROTOCOLS, Napt, StaticBinding
from ansible_collections.ipv4aas.fleet.engine.packet.supply import Blocks
from ansible_collections.ipv4aas.fleet.engine.packet.verdict import Drop
from ansible_collections.ipv4aas.fleet.engine.techniques import TECHNIQUES
from ansible_collections.ipv4aas.fleet.engine.techniques.service import Service
from fuzz_seats import Seat
from fuzz_traffic import damaged
from pair import DEVICE, DONE, ETHERNET, LONGEST, MAC, OUR_MAC, RETURNS, before_the_hop, is_plain
from test_fuzz import talk
from unit.packet import packetkit as kit

START = 1000.0


class Scripted(PoolAllocator):
    """Gives what the program gave, after a look whether its own rules allow that."""

    script: tuple[int, int] | None = None

    def take(self, protocol: int, realm: int, inside: int, wanted: int, now: float) -> tuple[int, int]:
        self._wanted_parity = wanted & 1
        return super().take(protocol, realm, inside, wanted, now)

    def _place(self, realm: int, protocol: int) -> int:
        if self._arithmetic is not None:
            return super()._place(realm, protocol)
        if self.script is None:
            raise self.refused("drop_ports_exhausted")
        outside = self.script[0]
        assert self._supplies[-1].room(outside, protocol), "an address without room was chosen"
        return outside

    def _draw(self, subscriber: Any, protocol: int, realm: int, wanted: int, now: float) -> int:
        if self.script is None:
            return 0
        outside, port = self.script
        assert outside == subscriber.outside, "paired pooling"
        supply = self._supply(subscriber, outside, port)
        assert supply is not None, f"port {port} is nobody's"
        low = self._low is not None and supply is self._low
        assert not low or (wanted < 1024 and protocol != ICMP), f"port {port} for {wanted}"
        if isinstance(supply, Blocks):
            holder = supply._holders.get(subscriber.key)
            block = None if holder is None else holder.first(protocol)
            number = (port - supply._ports[0]) // supply._size
            assert block is None or number in [b.number for b in holder.blocks if b is not None], (
                "an own block"
            )
        assert supply.claim(subscriber, protocol, outside, port), f"port {port} is taken"
        if protocol != ICMP and (port ^ wanted) & 1 and not isinstance(supply, Blocks):
            # RFC 4787 REQ-4: the other parity only where there is no port of the same one.
            span = supply._of(outside) if hasattr(supply, "_of") else supply._spans[subscriber.key]
            bits = span._of(protocol)
            own = (wanted & 1) ^ (span.ports[0] & 1)
            assert not (bits._odd if own else bits._even), f"port {port} for {wanted}"
        return port


class Mirrored(Napt):
    """Asks the kernel what it would do wherever the program has not done it."""

    kernel: KernelSessions
    taken = False

    def outbound(self, d: Datagram, now: float, realm: int = 0) -> None:
        if self.taken or d.ports is None or d.protocol not in PROTOCOLS:
            super().outbound(d, now, realm)
            return
        remote = d.destination, 0 if d.protocol == ICMP else d.ports[1]
        answer = self.kernel.outbound(
            d.protocol,
            realm,
            (d.source, d.ports[0]),
            remote,
            flags=_flags(d),
            later=bool(d.fragment & OFFSET),
        )
        self.allocator.script = (answer.address, answer.port) if answer.verdict == "GO_ON" else None
        try:
            super().outbound(d, now, realm)
        except Drop as drop:
            _same_refusal(answer, drop)
            raise
        assert answer.verdict == "GO_ON", answer
        assert (d.source, d.ports[0]) == (answer.address, answer.port)

    def inbound(self, d: Datagram, now: float, *, hairpin: bool = False) -> int:
        if self.taken or d.ports is None or d.protocol not in PROTOCOLS:
            return super().inbound(d, now, hairpin=hairpin)
        remote = d.source, 0 if d.protocol == ICMP else d.ports[0]
        answer = self.kernel.inbound(
            d.protocol,
            (d.destination, d.ports[1]),
            remote,
            flags=_flags(d),
            later=bool(d.fragment & OFFSET),
            hairpin=hairpin,
        )
        try:
            realm = super().inbound(d, now, hairpin=hairpin)
        except Drop as drop:
            _same_refusal(answer, drop)
            raise
        assert (answer.verdict, answer.realm) == ("GO_ON", realm)
        assert (d.destination, d.ports[1]) == (answer.address, answer.port)
        return realm


def _flags(d: Datagram) -> int:
    if d.fragment & OFFSET:
        return 0
    return d.buf[d.header + 13] if d.protocol == TCP else d.buf[d.header] if d.protocol == ICMP else 0


def _same_refusal(answer: Answer, drop: Drop) -> None:
    assert answer.verdict.replace("punt_", "drop_") == drop.reason, answer


class SessionPair:
    """A service in both; `redirect` as in pair.py."""

    def __init__(
        self,
        service: Service,
        hook: str,
        *,
        redirect: bool = True,
        sessions: int = 200,
        logs: bool = False,
        walks_every: float = 0.0,
    ) -> None:
        redirect = self._redirect = redirect or hook != TC
        static = self._static(service)
        self.kernel = KernelSessions(service, limit=sessions, own_clock=True, logs=logs, static=static)
        self.fast = ServiceProgram(service, hook, redirect=redirect, sessions=self.kernel)
        self.records: list[Any] = []
        log = (lambda _, record: self.records.append(record)) if logs else None
        limits = Limits(sessions=sessions, fragment_packets=50, fragment_octets=15_000, fragment_seconds=2.0)
        self.core: Any = build_node(service, rng=Random(7), decrement_ttl=redirect, limits=limits, log=log)
        allocator = self._allocator(service, logs)
        self.napt = Mirrored(
            allocator,
            limit=sessions,
            endpoint_independent_filtering=service.filtering == "endpoint-independent",
            static=static,
        )
        self.napt.kernel, self.allocator = self.kernel, allocator
        self.core._napt, self.core._allocator = self.napt, allocator
        self._translates = TECHNIQUES[service.technique].carriage == "translation"
        self.hook, self.seen, self.events = hook, Counter[str](), Counter[str]()
        self._expired = 0
        self._walks_every, self._walk_due = walks_every, 0.0
        hop = self.fast.layouts.struct("next_hop").pack(
            device=DEVICE, mtu=65535, destination=bytes.fromhex(MAC), source=bytes.fromhex(OUR_MAC)
        )
        for version in (4, 6):
            key = self.fast.layouts.struct(f"route{version}").pack(length=0, address=0)
            self.fast.maps[f"routes{version}"].update(key, hop)
        self.at(0.0)

    def _static(self, service: Service) -> list[StaticBinding]:
        return []

    def _allocator(self, service: Service, logs: bool) -> Any:
        assert service.pool is not None
        return Scripted(service.pool, Random(7), log=self.records.append if logs else None)

    def _source(self, data: bytes) -> tuple[int, int] | None:
        return _source(data)

    def at(self, now: float) -> float:
        """Let time be so; from time to time what is over is ended, as the core does before every packet."""
        self.kernel.set_time(START + now)
        if now >= self._walk_due:
            self._walk_due = now + self._walks_every
            self.kernel.expire()
            self.allocator.expire(START + now)
        return START + now

    def send(self, data: bytes, link: Link, now: float = 0.0) -> list[tuple[bytes, Link]]:
        """What the core sends, after it was found to be what the program made, if that took the packet."""
        time = self.at(now)
        runs = (20 if data[0] >> 4 == 4 else 40) <= len(data) <= LONGEST
        verdict, out = self._run(data) if runs else ("pass", b"")
        self.napt.taken = verdict != "pass"
        if self.napt.taken:
            self.allocator.script = self._source(out[14:])
        outputs, events = self.core.process(Packet(data), link, time)
        self.events.update(events)
        sent = [(kit.finished(packet), departure) for packet, departure in outputs]
        if runs:
            self._compare(verdict, out, data, sent, events)
        return sent

    def _run(self, data: bytes) -> tuple[str, bytes]:
        frame = ETHERNET.get(data[0] >> 4, ETHERNET[4]) + data
        result, out, _ = self.fast.program.run(frame)
        verdict = RETURNS[self.hook][struct.unpack("i", struct.pack("I", result))[0]]
        self.seen[verdict] += 1
        assert verdict != "pass" or out == frame, "a packet that was not taken is as it was"
        return verdict, out

    def _compare(
        self, verdict: str, out: bytes, data: bytes, sent: list[tuple[bytes, Link]], events: list[str]
    ) -> None:
        def told() -> str:
            seen = f"{verdict}, the core: {events}; {self.fast.counters()}"
            return f"{seen}; {data[:120].hex()}, {len(data)} octets"

        if verdict == "pass":
            whole = len(sent) == 1 and is_plain(data) and is_plain(sent[0][0])
            plain = whole and set(events) <= DONE | {"session_expired"}
            assert not plain or self._was_expired(), told()
            return
        assert verdict != "drop", told()
        assert len(sent) == 1, told()
        made, wanted = before_the_hop(out[14:]) if verdict == "stack" else out[14:], sent[0][0]
        if self._translates or not may_not_be_cut(wanted):
            made, wanted = comparable(made), comparable(wanted)
        assert made.hex() == wanted.hex(), told()
        version = 4 if sent[0][1] is Link.NATIVE else 6
        assert out[12:14] == ETHERNET[version][12:]
        if verdict == "redirect":
            assert out[:12].hex() == MAC + OUR_MAC

    def fuzz(self, seat: Seat, rng: Random, count: int) -> None:
        """So many packets of the fuzzer, and silences: the same sessions all the time."""
        seen: deque[tuple[bytes, Link]] = deque(maxlen=50)
        now, done = 0.0, 0
        while done < count:
            for data, link in talk(rng, seat, seen):
                done += 1
                now += rng.random() * 0.05
                packet = damaged(rng, data) if rng.random() < 0.1 else data
                if packet and packet[0] >> 4 == (4 if link is Link.NATIVE else 6):
                    seen += self.send(packet, link, now)
            if rng.random() < 0.002:
                now += rng.choice([5, 61, 241, 301, 8000])
                self.core.expire(self.at(now))
                assert self.views() == self.core_views()
        assert self.seen["redirect" if self._redirect else "stack"] > count / 100, self.seen
        assert self.seen["pass"] > count / 50, self.seen
        assert self.views() == self.core_views()

    def _was_expired(self) -> bool:
        """Whether the last punt was of a session that nobody had ended yet."""
        before, self._expired = self._expired, self.fast.counters().get("punt_expired", (0, 0))[0]
        return self._expired > before

    def views(self) -> dict[tuple[Any, ...], Any]:
        """When sessions of the kernel end."""
        return {_without_end(view): view.expires for view in self.kernel.sessions()}

    def core_views(self) -> dict[tuple[Any, ...], Any]:
        """When sessions of the core end, about: it reckons in floats, the kernel in nanoseconds."""
        return {_without_end(view): pytest.approx(view.expires, abs=1e-6) for view in self.napt.sessions()}

    def close(self) -> None:
        self.fast.close()
        self.kernel.close()


def _without_end(view: Any) -> tuple[Any, ...]:
    return tuple(getattr(view, name) for name in view.__slots__ if name != "expires")


def _source(data: bytes) -> tuple[int, int]:
    """Source address and port, or identifier, of what left; inside a tunnel, or of a /96 where it is IPv6."""
    if data[0] >> 4 == 6 and data[6] != 4:
        return int.from_bytes(data[20:24], "big"), int.from_bytes(data[40:42], "big")
    if data[0] >> 4 == 6:
        data = data[40:]
    at = 24 if data[9] == ICMP else 20
    return int.from_bytes(data[12:16], "big"), int.from_bytes(data[at : at + 2], "big")


def may_not_be_cut(data: bytes) -> bool:
    """Whether DF is set, inside a tunnel too."""
    return bool(data[46 if data[0] >> 4 == 6 else 6] & 0x40)


def comparable(data: bytes) -> bytes:
    """A packet whose header is right, without the Identification: both sides count by themselves."""
    start = 40 if data[0] >> 4 == 6 and data[6] == 4 else 0
    if data[start] >> 4 != 4:
        return data
    assert "header" not in kit.checksums(data[start:])
    return data[: start + 4] + bytes(2) + data[start + 6 : start + 10] + bytes(2) + data[start + 12 :]
