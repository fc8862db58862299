# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every rendered configuration means the plan: the same verdicts on packets, and every mutation is found."""

from __future__ import annotations

import re
from ipaddress import ip_interface

import pytest
from ansible_collections.ipv4aas.fleet.engine.node.core import has_node
from ansible_collections.ipv4aas.fleet.engine.platforms.driver import ParseError
from ansible_collections.ipv4aas.fleet.engine.platforms.registry import driver
from ansible_collections.ipv4aas.fleet.engine.techniques.service import (
    ANNOUNCER,
    PROVISIONER,
    RESOLVER,
    ROUTER,
)
from ansible_collections.ipv4aas.fleet.engine.verify.drift import compare
from platform_cases import CASES, GOLDENS
from twin_packets import conversation, verdicts

PACKETS = 1000
# Whoever has these roles tells others, and carries no packets itself.
TELLERS = {RESOLVER, PROVISIONER, ROUTER, ANNOUNCER}
CARRIERS = [
    (platform, dialect, name)
    for platform, dialect, name in GOLDENS
    if not TELLERS & {service.role for service in CASES[platform].golden[name]}
]


def test_a_role_carries_packets_or_tells():
    services = [service for case in CASES.values() for golden in case.golden.values() for service in golden]
    assert {one.role for one in services if not has_node(one.technique, one.role)} == TELLERS


@pytest.mark.parametrize(("platform", "dialect", "name"), CARRIERS)
def test_thousand_packets_have_the_same_verdict(platform, dialect, name):
    case = CASES[platform]
    planned = case.golden[name]
    parsed = driver(platform).parse(case.rendered(dialect, *planned), dialect, planned)
    for plan, device in zip(planned, parsed, strict=True):
        packets = conversation(plan, PACKETS)
        expected = verdicts(plan, packets)
        assert verdicts(device, packets) == expected
        passed = sum(1 for outputs, _events in expected if outputs)
        assert passed > PACKETS // 10, "hardly a packet gets through: they would tell nothing"


# A value: a number, an address or a prefix that stands for itself.
VALUE = re.compile(r"(?<![\w.:/-])(?:[0-9a-fA-F]*:[0-9a-fA-F:.]*|\d+(?:\.\d+){3}|\d+)(?:/\d+)?(?![\w.:-])")


def others(value):
    """Values of the same kind that mean something else."""
    if value.isdecimal():
        return [str(int(value) + 1), str(int(value) * 2 or 2)]
    try:
        interface = ip_interface(value)
    except ValueError:
        return []
    if "/" not in value:
        return [str(interface.ip + 1)]
    length = interface.network.prefixlen
    if not length:
        return [f"{interface.ip}/1"]  # bits behind a /0 mean nothing
    next_one = int(interface.ip) ^ 1 << (interface.max_prefixlen - length)
    return [f"{type(interface.ip)(next_one)}/{length}", f"{interface.ip}/{length - 1}"]


@pytest.mark.parametrize(("platform", "dialect", "name"), GOLDENS)
def test_every_mutation_is_drift(platform, dialect, name):
    """With a packet that shows it, or the word that no packet can; nonsense is named by its line.

    Of who carries no packets the word is all that there is.
    """
    case, box = CASES[platform], driver(platform)
    planned = case.golden[name]
    text = case.rendered(dialect, *planned)
    shown = told = 0
    for match in VALUE.finditer(text):
        for value in others(match[0]):
            other = f"{text[: match.start()]}{value}{text[match.end() :]}"
            at = f"{value} for {match[0]} in: {_line(text, match.start())}"
            report = _report(box, dialect, planned, other, text)
            if isinstance(report, ParseError):
                assert str(report).startswith("line "), at
                continue
            assert report, at
            for drift in report.services:
                if drift.packet is not None:
                    shown += 1
                elif drift.kind == "changed":
                    assert "no packet" in report.text(), at
                    told += 1
    # Where every value follows from others, each mutation is nonsense.
    by_packets = all(_shown_by_packets(case, service) for service in planned)
    assert shown or not told or not by_packets, "no packet shows one"


def _report(box, dialect, planned, other, text):
    """What drift tells of a device with another text, or why the text is not understood."""
    try:
        running = box.owned(other, dialect)
        found = box.parse(running, dialect, planned)
    except ParseError as error:
        return error
    return compare(planned, found, change=box.change(running, text, dialect))


def _shown_by_packets(case, service):
    """Not of what carries no packets, nor where the configuration does not say where packets go."""
    row = case.features.feature(service.technique, service.role)
    return has_node(service.technique, service.role) and "gateway_address" not in row.not_carried


def _line(text, at):
    return text[text.rfind("\n", 0, at) + 1 : text.find("\n", at)].strip()
