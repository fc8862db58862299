# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small model of FRR's reader: line by line, in the mode that the lines before led to."""

from __future__ import annotations

from ipaddress import ip_network


class FrrDevice:
    """The file, which is the collection's as a whole."""

    def __init__(self, empty: str) -> None:
        self._text = empty

    def show(self) -> str:
        return self._text

    def apply(self, payload: str) -> None:
        if payload:
            load(payload)
            self._text = payload


def load(text: str) -> None:
    """What vtysh -C -f does with a file, for the commands that are ours."""
    inside = False
    for line in text.splitlines():
        words = line.split()
        if not words or words[0].startswith(("#", "!")):
            continue
        match words:
            case ["route-map", _name, "permit" | "deny", number]:
                assert 1 <= int(number) <= 65535
                inside = True
                continue
            case ["match", "ip" | "ipv6", "address", "prefix-list", _name]:
                assert inside, f"{line} is not in a route map"
                continue
            case ["ip" | "ipv6" as word, "prefix-list", _name, "permit", prefix]:
                pass
            case ["ip" | "ipv6" as word, "route", prefix, "Null0", "tag", tag]:
                assert 1 <= int(tag) <= 4294967295
            case ["exit"]:
                assert inside
                inside = False
                continue
            case _:
                raise AssertionError(line)
        inside = False
        assert ip_network(prefix).version == {"ip": 4, "ipv6": 6}[word]
