# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes x DF x UDP and ICMP x direction, in order and out of order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from . import wire4
from .control import NoAnswer
from .endpoint import Shipment
from .label import LINK_MTU
from .model import Assignment, Verdict, judged
from .pair import IN, OUT, Outcome, Pair
from .wire import Wire

SMALL_PIECE = 420  # octets: pieces that fit anywhere
FRAGMENT_HEADER = 8  # octets of IPv6 that a piece needs when it is translated (RFC 7915 section 4.1)


def cases(mtu: int, whole: int = LINK_MTU) -> Iterator[Shipment]:
    """All that is sent one way, for a path of ``mtu`` octets; ``whole`` is what the sender's link carries."""
    in_pieces = ((1000, SMALL_PIECE), (3000, whole), (8000, whole))
    for protocol in ("udp", "icmp"):
        for df in (False, True):
            for length in dict.fromkeys((1000, mtu, whole)):
                yield Shipment(protocol, length, df)
            for length, piece in in_pieces:
                for backwards in (False, True):
                    yield Shipment(protocol, length, df, piece, backwards)


def sent_from(wire: Wire, mtu: int) -> Iterator[Shipment]:
    """Those that a host of an IP version can send: in IPv6 nobody but the host cuts."""
    return (case for case in cases(mtu, wire.WHOLE) if wire.VERSION == 4 or case.df)


class Path:
    """What the path of a service does with a packet."""

    def __init__(self, task: Assignment, sender: Wire = wire4) -> None:
        self.mtu, self._carried = task.ipv4_mtu, task.row.ipv4_mtu(task.service.ipv6_mtu)
        self._translated, self._uncut = task.row.carriage == "translation", task.largest_uncut
        # An IPv6 host has reckoned with it already.
        self._header = FRAGMENT_HEADER if self._translated and sender.VERSION == 4 else 0

    def limit(self, shipment: Shipment) -> int:
        """Octets of the largest piece that passes with DF."""
        header = self._header if shipment.length > shipment.piece else 0
        return min(self._carried - header, LINK_MTU)

    def fits(self, shipment: Shipment) -> bool:
        """Whether it has to arrive: no DF, or no piece is too big (RFC 2473 section 7.2)."""
        return not shipment.df or min(shipment.length, shipment.piece) <= self.limit(shipment)

    def may_be_lost(self, shipment: Shipment) -> bool:
        """Whether a translator gets it in pieces and cannot compute its checksum (RFC 7915 section 1.2)."""
        in_pieces = min(shipment.piece, self.mtu if shipment.df else self._uncut)
        return self._translated and shipment.protocol == "icmp" and shipment.length > in_pieces

    def wrong(self, shipment: Shipment, outcome: Outcome) -> str:
        """What is wrong with an outcome; empty where it is right."""
        if self.fits(shipment):
            return "" if outcome.receipt is not None else f"{outcome.text}, not delivered"
        limit = self.limit(shipment)
        if outcome.receipt is not None:
            return f"delivered, though DF is set and the path carries {limit}"
        return "" if outcome.too_big == limit else f"{outcome.text}, not too big with MTU {limit}"


def row_of(shipment: Shipment) -> str:
    """The row of the matrix."""
    cut = "whole"
    if shipment.length > shipment.piece:
        cut = f"pieces of {shipment.piece} {'last first' if shipment.backwards else 'in order'}"
    return f"{shipment.protocol} {shipment.length} {'DF' if shipment.df else '--'} {cut}"


async def check(task: Assignment, enough: int | None = None) -> Verdict:
    """The whole matrix, or as much of it as finds ``enough`` faults.

    What a translator may lose is shown, and not judged.
    """
    matrix: dict[str, dict[str, str]] = {}
    causes: list[str] = []
    async with Pair(task) as pair:
        for direction, sender in ((OUT, pair.endpoint.wire), (IN, wire4)):
            path = Path(task, sender)
            for shipment in sent_from(sender, path.mtu):
                if len(causes) == enough:
                    break
                row = row_of(shipment)
                unjudged = path.may_be_lost(shipment)
                try:
                    outcome = await pair.ship(
                        direction, shipment, fits=path.fits(shipment) and not unjudged, once=unjudged
                    )
                except NoAnswer as error:
                    matrix.setdefault(row, {})[direction] = "no answer"
                    causes.append(f"{row} {direction}: {error}")
                    continue
                matrix.setdefault(row, {})[direction] = outcome.text
                if not unjudged and (fault := path.wrong(shipment, outcome)):
                    causes.append(f"{row} {direction}: {fault}")
    details: dict[str, Any] = {
        "ipv4_mtu": task.ipv4_mtu,
        "cases": sum(map(len, matrix.values())),
        "matrix": matrix,
    }
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
