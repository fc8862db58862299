# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NAPT tables that several CPUs work on at the same time: nothing has two owners, nothing is lost."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator
from functools import partial
from ipaddress import IPv4Address
from random import Random
from typing import Any

import pytest
from ansible_collections.ipv4aas.fleet.engine.node.fast.program import XDP
from ansible_collections.ipv4aas.fleet.engine.packet.ipv4 import UDP
from pair import ETHERNET, RETURNS
from session_pair import SessionPair
from session_samples import AFTR6, AFTR_SERVICE, NAT64_SERVICE, SERVER, in_prefix
from unit.packet import packetkit as kit
from unit.packet import translationkit as kit6

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one CPU: nothing is done at the same time"),
]

Flow = tuple[int, int]  # number of the subscriber, and its port
Ends = dict[Flow, tuple[str, int]]
FLOWS = [(number, 20000 + port) for port in range(100) for number in range(1, 41)]
ROUNDS = 8
PARTS = 20


class Gateway(SessionPair):
    """Its XDP program and tables, and what the daemon does with them; the core of the pair has no part."""

    def frame(self, flow: Flow) -> bytes:
        number, port = flow
        host = f"2001:db8:1:{number:x}00:0:c000:2:0"
        if self.fast.service.technique == "ds-lite":
            return ETHERNET[6] + kit.tunnel(host, AFTR6, kit.udp("192.168.1.10", port, SERVER, 53))
        return ETHERNET[6] + kit6.udp6(host, port, in_prefix(SERVER), 53)

    def begin(self, flows: list[Flow]) -> Ends:
        """The source that each flow has got; what was left to the core is not there."""
        found: Ends = {}
        for flow in flows:
            verdict, out, _taken = self.fast.program.run(self.frame(flow))
            assert RETURNS[XDP][verdict] != "drop"
            if RETURNS[XDP][verdict] != "pass":
                found[flow] = kit.field(out[14:], "src"), kit.field(out[14:], "sport")
        return found

    def end(self, times: int = 20) -> int:
        """Sessions that were over."""
        return sum(self.kernel.expire() for _time in range(times))

    def check(self, answers: list[Ends], flows: list[Flow]) -> None:
        """Each flow has one outside end, which is its own alone, and the tables say the same."""
        later = self.begin(flows)
        assert later.keys() == set(flows), "who was left to the core is served now"
        assert len(set(later.values())) == len(flows), "an outside end with two owners"
        for flow, ends in (item for each in answers for item in each.items()):
            assert later[flow] == ends
        views = self.kernel.sessions()
        there = {(str(IPv4Address(view.outside)), view.outside_port) for view in views}
        assert there == set(later.values())
        assert len({(view.realm, view.inside, view.inside_port) for view in views}) == len(flows)
        assert len(views) == len(self.kernel) == self.kernel.counts("ports")[UDP] == len(flows)


@pytest.fixture(params=[AFTR_SERVICE, NAT64_SERVICE], ids=lambda service: service.technique)
def gateway(request: pytest.FixtureRequest) -> Iterator[Gateway]:
    made = Gateway(request.param, XDP, sessions=2 * len(FLOWS))
    yield made
    made.close()


def at_once(*works: Callable[[], Any]) -> list[Any]:
    """What each gives, all begun together: processes on one CPU after the other, which share the tables."""
    context, cpus = multiprocessing.get_context("fork"), sorted(os.sched_getaffinity(0))
    ready = context.Barrier(len(works))

    def carry_out(work: Callable[[], Any], cpu: int, line: Any) -> None:
        os.sched_setaffinity(0, {cpu})
        ready.wait(30)
        line.send(work())

    begun = []
    for number, work in enumerate(works):
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=carry_out, args=(work, cpus[number % len(cpus)], theirs))
        process.start()
        theirs.close()
        begun.append((process, ours))
    results = [line.recv() for _process, line in begun]
    for process, _line in begun:
        process.join()
    return results


def test_the_same_flows_begin_on_two_cpus(gateway: Gateway) -> None:
    answers = []
    for first in range(PARTS):  # so that one does not run away from the other
        answers += at_once(*[partial(gateway.begin, FLOWS[first::PARTS])] * 2)
    gateway.check(answers, FLOWS)


def test_other_flows_of_the_same_subscribers_begin_on_two_cpus(gateway: Gateway) -> None:
    gateway.check(at_once(*(partial(gateway.begin, FLOWS[first::2]) for first in (0, 1))), FLOWS)


def test_sessions_end_on_one_cpu_while_they_begin_and_go_on_on_others(gateway: Gateway) -> None:
    """Only the daemon ends what is over; whatever that meets, no port is missing in the end."""
    rng, closed, now = Random(7), 0, 0.0
    for _round in range(ROUNDS):
        some = [rng.sample(FLOWS, len(FLOWS) // 2) for _cpu in range(2)]
        ended, *answers = at_once(gateway.end, *(partial(gateway.begin, part) for part in some))
        closed += ended
        for flow in answers[0].keys() & answers[1].keys():
            assert answers[0][flow] == answers[1][flow], flow
        # More than a session of UDP may be silent: all of this round are over in the next one.
        now += 1000.0
        gateway.kernel.set_time(1000.0 + now)
    assert closed > len(FLOWS), "what has ended in all rounds"
    for _time in range(2):
        gateway.end()
        now += 10_000.0
        gateway.kernel.set_time(1000.0 + now)
    gateway.end()
    kernel = gateway.kernel
    assert (kernel.sessions(), kernel.counts("ports")[UDP], kernel.counts("waiting")[UDP]) == ([], 0, 0)
    assert len(kernel) == 0
    gateway.check([], FLOWS)
