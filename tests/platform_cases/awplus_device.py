# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AlliedWare Plus: rules need method static first, and their grammar is that of the command reference."""

from __future__ import annotations

import re
from typing import ClassVar

from .blocks_device import BlocksDevice

_ADDRESS6 = r"[0-9a-f:]+"
_RULE = re.compile(
    rf"rule (\d+) ipv4-prefix [\d.]+/\d+ ipv6-prefix {_ADDRESS6}/\d+"
    r"(?: ea-length (\d+)| psid-length (\d+)(?: psid \S+)?)?(?: offset (\d+))?(?: forwarding)?"
)


class AwPlusDevice(BlocksDevice):
    OPENS = r"(interface|softwire-configuration|vlan|map-rules) \S+"
    SINGLE: ClassVar = ("method", "br-address", "ip address", "description", "map-version")
    HEAD = "!\nservice password-encryption\n!\n"
    FOREIGN = (
        "hostname ipv4aas-hall7\n"
        + "".join(
            f"interface port1.0.{n}\n description ipv4aas-hall7\n switchport\n!\n" for n in range(1, 60)
        )
        + "interface eth1\n ipv6 enable\n ipv6 address autoconfig\n!\n"
        + "interface tunnel0\n description ipv4aas-hall7\n tunnel mode map-e\n!\n"
        + "softwire-configuration ipv4aas\n method static\n br-address 2001:db8::1\n"
        + " rule 10 ipv4-prefix 192.0.2.0/24 ipv6-prefix 2001:db8::/40 ea-length 16 offset 4\n!\n"
        + "softwire-configuration V6P\n method static\n br-address 2001:db8::2\n"
        + " rule 5 ipv4-prefix 192.0.2.1/32 ipv6-prefix 2001:db8:1::/64 psid-length 8 psid 0x34\n!\n"
        + "map-rules ipv4aas-hall7\n map-version draft3\n method proprietary\n!\n"
        + "ip route 0.0.0.0/0 tunnel0\nip route 198.51.100.0/24 192.168.1.254\n"
    )

    def enter_top(self, line: str) -> None:
        if line.startswith("no softwire-configuration "):
            del self.blocks[line[3:]]
        else:
            super().enter_top(line)

    def enter(self, mode: str, lines: list[str], line: str) -> None:
        if not mode.startswith("softwire-configuration ") or line.startswith("no "):
            super().enter(mode, lines, line)
            return
        if line.startswith("rule "):
            match = _RULE.fullmatch(line)
            assert match, f"% Invalid input: {line}"
            assert "method static" in lines, "method static comes first"
            assert int(match[1]) <= 65535 and int(match[2] or 0) <= 48 and int(match[4] or 0) <= 16, line
            assert not any(item.startswith(f"rule {match[1]} ") for item in lines), f"rule {match[1]} exists"
        else:
            assert re.fullmatch(rf"method static|br-address {_ADDRESS6}", line), line
        super().enter(mode, lines, line)
