# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Yamaha RTX: tunnels are disabled until they are enabled; a default route replaces the one before."""

from __future__ import annotations

import re
from typing import ClassVar

from .blocks_device import BlocksDevice

_TUNNEL = re.compile(
    r"tunnel name \S+|description tunnel \S+|tunnel encapsulation (ipip|map-e|ipsec)"
    r"|tunnel endpoint (address [0-9a-f:]+( [0-9a-f:]+)?|name \S+)|tunnel map-e type (ocn|v6plus)"
    r"|ip tunnel (mtu \d+|tcp mss limit (auto|\d+)|nat descriptor \d+|secure filter (in|out) .*)"
    r"|ipsec tunnel \d+"
)


class YamahaRtxDevice(BlocksDevice):
    OPENS = r"(tunnel|pp) select \d+"
    SINGLE: ClassVar = (
        "ip route default",
        r"nat descriptor type \d+",
        r"nat descriptor address outer \d+",
        "description tunnel",
        "tunnel encapsulation",
        "tunnel endpoint address",
        "tunnel map-e type",
        "ip tunnel mtu",
        "ip tunnel tcp mss limit",
        "ip tunnel nat descriptor",
    )
    HEAD = "# RTX1210 Rev.14.01.40\n# MAC Address : 00:a0:de:00:00:01\n# ipv4aas-hall7\n"
    CLOSE = ""
    FOREIGN = (
        "ip route default gateway pp 1\nip lan1 address 192.168.100.1/24\n"
        "description lan2 ipv4aas-hall7\nngn type lan2 ntt\n"
        + "".join(f"ip filter 2000{n} pass * 192.168.{n}.0/24 icmp * *\n" for n in range(10, 90))
        + "nat descriptor type 1000 masquerade\nnat descriptor address outer 1000 ipcp\n"
        + "nat descriptor type 1001 masquerade\nnat descriptor address outer 1001 map-e\n"
        # What the operator has prepared for our NAT descriptor and our tunnel.
        + "nat descriptor masquerade static 2000 1 192.168.100.2 tcp www\n"
        + "pp select 1\n description pp ipv4aas-hall7\n pppoe use lan2\n ip pp nat descriptor 1000\n"
        + "tunnel select 1\n tunnel name ipv4aas-hall7\n description tunnel ShrewVPN\n ipsec tunnel 1\n"
        + " tunnel enable 1\n"
        + "tunnel select 2\n description tunnel ipv4aas\n tunnel encapsulation map-e\n"
        + " tunnel map-e type ocn\n ip tunnel nat descriptor 1001\n tunnel enable 2\n"
        + "tunnel select 7\n ip tunnel secure filter in 200010 200039\n"
    )

    def enter(self, mode: str, lines: list[str], line: str) -> None:
        if line.removeprefix("no ").startswith("nat descriptor "):
            self.enter_top(line)  # wherever one is
            return
        number = mode.split()[-1]
        if line == f"tunnel disable {number}":
            lines.remove(f"tunnel enable {number}")
            return
        if mode.startswith("tunnel") and not line.startswith("no "):
            assert line == f"tunnel enable {number}" or _TUNNEL.fullmatch(line), line
        super().enter(mode, lines, line)

    def remove(self, lines: list[str], start: str) -> None:
        assert not start.startswith(("tunnel enable", "tunnel select")), f"no such command: no {start}"
        super().remove(lines, start)
