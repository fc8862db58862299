# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small model of a host with Jool's file: refuses what ``jool file handle`` refuses (src/usr/nl/file.c)."""

from __future__ import annotations

import json
from ipaddress import IPv4Network, IPv6Address, IPv6Network

GLOBAL = {"manually-enabled": bool, "pool6": str, "lowest-ipv6-mtu": int}
KINDS = {
    "jool": {
        "settings": GLOBAL | {"address-dependent-filtering": bool},
        "tables": {
            "pool4": {"protocol", "prefix", "port range"},
            "bib": {"protocol", "ipv6 address", "ipv4 address"},
        },
    },
    "jool_siit": {
        "settings": GLOBAL | {"amend-udp-checksum-zero": bool},
        "tables": {"eamt": {"ipv6 prefix", "ipv4 prefix"}},
    },
}


class JoolDevice:
    """The file, which is the collection's as a whole."""

    def __init__(self, kind: str, empty: str) -> None:
        self._kind = KINDS[kind]
        self.apply(empty)

    def show(self) -> str:
        return self._text

    def apply(self, payload: str) -> None:
        if not payload:
            return
        found = json.loads(payload)
        assert set(found) <= {"comment", "instance", "framework", "global", *self._kind["tables"]}, (
            "Unknown tag"
        )
        assert len(found["instance"].encode()) <= 15 and found["framework"] == "netfilter"
        for name, value in found["global"].items():
            assert type(value) is self._kind["settings"][name], name
        prefix = found["global"].get("pool6")
        assert prefix is None or IPv6Network(prefix).prefixlen in (32, 40, 48, 56, 64, 96)
        for name, keys in self._kind["tables"].items():
            for entry in found.get(name, ()):
                assert set(entry) == keys
                for key, value in entry.items():
                    self._check(key, value)
        self._text = payload

    @staticmethod
    def _check(key: str, value: str) -> None:
        if key in ("prefix", "ipv4 prefix"):
            IPv4Network(value)
        elif key == "ipv6 prefix":
            IPv6Network(value)
        elif key == "ipv6 address":
            address, port = value.split("#")
            IPv6Address(address)
            assert 0 < int(port) < 65536
        elif key == "port range":
            first, last = map(int, value.split("-"))
            assert 0 <= first <= last <= 65535
        elif key == "protocol":
            assert value in ("TCP", "UDP", "ICMP")
