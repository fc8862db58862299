# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plugin of pytest: each packet that a test gives to a node goes through the fast path's programs too.

`python -m pytest -p shadow tests/unit/node` makes a comparison of every vector and case there. Nodes whose
programs keep sessions are left out: theirs would be other ports (test_session_programs.py has them).
"""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import pytest
from ansible_collections.ipv4aas.fleet.engine.node.base import Node
from ansible_collections.ipv4aas.fleet.engine.node.core import Link
from ansible_collections.ipv4aas.fleet.engine.node.fast.program import TC, XDP, problem
from ansible_collections.ipv4aas.fleet.engine.node.plane import PlaneNode
from ansible_collections.ipv4aas.fleet.engine.packet.buffer import Packet
from ansible_collections.ipv4aas.fleet.engine.techniques import TECHNIQUES
from ansible_collections.ipv4aas.fleet.engine.techniques.service import Service
from pair import LONGEST, Pair
from unit.packet import packetkit as kit

_pairs: dict[tuple[Service, str, bool], Pair | None] = {}
_taken: Counter[str] = Counter()
_core = Node.process
MOST = 100  # pairs at a time: a program has some 40 maps


def _pair(service: Service, hook: str, redirect: bool) -> Pair | None:
    key = service, hook, redirect
    if key not in _pairs:
        if len(_pairs) >= MOST:
            _close(next(iter(_pairs)))
        _pairs[key] = None if problem(service, hook) else Pair(service, hook, redirect=redirect)
    return _pairs[key]


def _close(key: tuple[Service, str, bool]) -> None:
    """Keep what a pair has seen."""
    pair = _pairs.pop(key)
    if pair is not None:
        _taken.update({f"{pair.hook} {verdict}": n for verdict, n in pair.seen.items()})
        pair.close()


def _has_sessions(service: Service) -> bool:
    """Where the NAPT of the technique is, at the node of the service."""
    return TECHNIQUES[service.technique].napt == service.role


def _process(self: Node, packet: Packet, arrival: Link, now: float) -> Any:
    outcome = _core(self, packet, arrival, now)
    data, outputs = packet.data, outcome[0]
    version, header = (4, 20) if arrival is Link.NATIVE else (6, 40)
    if packet.offload is not None or not header <= len(data) <= LONGEST or data[0] >> 4 != version:
        return outcome
    if _has_sessions(self.service):
        return outcome
    sent = [(kit.finished(out), departure) for out, departure in outputs]
    for hook in (TC, XDP) if self.decrement_ttl else (TC,):
        pair = _pair(self.service, hook, self.decrement_ttl)
        if pair is not None:
            _compare(self, pair, data, sent, outcome[1])
    return outcome


def _compare(node: Node, pair: Pair, data: bytes, sent: list[tuple[bytes, Link]], events: list[str]) -> None:
    """With the narrow paths that the node knows; the next one has others."""
    narrow: list[tuple[int, int, float]] = []
    if isinstance(node, PlaneNode):
        node.tell_paths(lambda *path: narrow.append(path))
        node.tell_paths(None)
    for far, mtu, _ in narrow:
        pair.fast.narrow(far, mtu, time.monotonic() + 60)
    pair.compare(data, sent, events)
    for far, _, _ in narrow:
        pair.fast.narrow(far, 0, 0.0)


def pytest_configure(config: pytest.Config) -> None:
    Node.process = _process  # type: ignore[method-assign]


def pytest_terminal_summary(terminalreporter: Any) -> None:
    for key in list(_pairs):
        _close(key)
    terminalreporter.write_line(f"shadow: {dict(sorted(_taken.items()))}")
