# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes x DF x UDP and ICMP x direction, in order and out of order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...techniques import TECHNIQUES
from .control import NoAnswer
from .endpoint import WHOLE, Shipment
from .model import Assignment, Verdict, ipv4_mtu, judged
from .pair import IN, OUT, Outcome, Pair

SMALL_PIECE = 420  # octets: pieces that fit anywhere
SIZES_IN_PIECES = ((1000, SMALL_PIECE), (3000, WHOLE), (8000, WHOLE))


def cases(mtu: int) -> Iterator[Shipment]:
    """All that is sent one way, for a path of ``mtu`` octets."""
    for protocol in ("udp", "icmp"):
        for df in (False, True):
            for length in (1000, mtu, WHOLE):
                yield Shipment(protocol, length, df)
            for length, piece in SIZES_IN_PIECES:
                for backwards in (False, True):
                    yield Shipment(protocol, length, df, piece, backwards)


def fits(shipment: Shipment, mtu: int) -> bool:
    """Whether it has to arrive: no DF, or no piece is too big (RFC 2473 section 7.2)."""
    return not shipment.df or min(shipment.length, shipment.piece) <= mtu


def label(shipment: Shipment) -> str:
    """The row of the matrix."""
    cut = "whole"
    if shipment.length > shipment.piece:
        cut = f"pieces of {shipment.piece} {'last first' if shipment.backwards else 'in order'}"
    return f"{shipment.protocol} {shipment.length} {'DF' if shipment.df else '--'} {cut}"


def wrong(shipment: Shipment, outcome: Outcome, mtu: int) -> str:
    """What is wrong with an outcome; empty where it is right."""
    if fits(shipment, mtu):
        return "" if outcome.receipt is not None else f"{outcome.text}, not delivered"
    if outcome.receipt is not None:
        return f"delivered, though DF is set and the path carries {mtu}"
    return "" if outcome.too_big == mtu else f"{outcome.text}, not too big with MTU {mtu}"


async def check(task: Assignment) -> Verdict:
    """The whole matrix."""
    mtu = ipv4_mtu(task.service, TECHNIQUES[task.service.technique])
    matrix: dict[str, dict[str, str]] = {}
    causes: list[str] = []
    async with Pair(task) as pair:
        for direction in (OUT, IN):
            for shipment in cases(mtu):
                row = label(shipment)
                try:
                    outcome = await pair.ship(direction, shipment, fits=fits(shipment, mtu))
                except NoAnswer as error:
                    matrix.setdefault(row, {})[direction] = "no answer"
                    causes.append(f"{row} {direction}: {error}")
                    continue
                matrix.setdefault(row, {})[direction] = outcome.text
                if fault := wrong(shipment, outcome, mtu):
                    causes.append(f"{row} {direction}: {fault}")
    details: dict[str, Any] = {"ipv4_mtu": mtu, "cases": sum(map(len, matrix.values())), "matrix": matrix}
    return judged("fragments", _pattern(causes), details)


def _pattern(causes: list[str]) -> list[str]:
    """The causes, with what they have in common said first."""
    if len(causes) < 2:
        return causes
    for word, meaning in (
        ("icmp", "only ICMP is concerned: some box does not carry ICMP in pieces"),
        ("last first", "only pieces out of order are concerned"),
        (" in: ", "only packets from the internet are concerned"),
        (" out: ", "only packets to the internet are concerned"),
    ):
        if all(word in cause for cause in causes):
            return [meaning, *causes]
    return causes
