# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""UNIVERGE IX: an interface is shut down or not; one IPv4 address at a time."""

from __future__ import annotations

import re
from typing import ClassVar

from .blocks_device import BlocksDevice

_TUNNEL = re.compile(
    r"description \S+|tunnel mode (4-over-6|map-e( ocn)?|ipsec)|tunnel destination \S+|ip unnumbered \S+"
    r"|ip address (map-e|[\d./]+)|ip mtu \d+|ip tcp adjust-mss (auto|\d+)|ip napt (enable|hairpinning)"
    r"|ip filter \S+ \d+ (in|out)|ip napt static .*|ipsec policy .*"
)


class NecIxDevice(BlocksDevice):
    OPENS = r"interface \S+|ipv6 dhcp client-profile \S+|ppp profile \S+"
    INDENT = "  "
    SINGLE: ClassVar = ("description", "tunnel mode", "tunnel destination", "ip mtu", "ip tcp adjust-mss")
    HEAD = "! NEC Portable Internetwork Core Operating System Software\n! Current time Nov 26-Thu-2026\n!\n"
    FOREIGN = (
        "hostname ix\ntimezone +09 00\nip ufs-cache enable\nip route default Tunnel0.0\n"
        + "".join(f"ip access-list ipv4aas-hall7 permit ip src any dest 10.{n}.0.0/16\n" for n in range(80))
        + "ipv6 dhcp client-profile ipv4aas-hall7\n  information-request\n  option-request dns-servers\n!\n"
        + "interface GigaEthernet0.0\n  no ip address\n  ipv6 enable\n  no shutdown\n!\n"
        + "interface GigaEthernet1.0\n  description ipv4aas-hall7\n  ip address 192.168.1.1/24\n"
        + "  no shutdown\n!\n"
        + "interface Tunnel0.0\n  description To CLoud\n  tunnel mode ipsec\n"
        + "  ip unnumbered GigaEthernet1.0\n"
        + "  ipsec policy tunnel ipsec-mgmt out\n  no shutdown\n!\n"
        + "interface Tunnel1.0\n  description ipv4aas\n  tunnel mode 4-over-6\n"
        + "  tunnel destination 2001:db8::1\n  no shutdown\n!\n"
        # What the operator has prepared for our tunnel.
        + "interface Tunnel7.0\n  ip filter user_acl 10 in\n  ip napt static 192.168.1.9 tcp 80\n!\n"
    )

    def enter(self, mode: str, lines: list[str], line: str) -> None:
        if line in ("shutdown", "no shutdown"):
            for old in [item for item in lines if item.endswith("shutdown")]:
                lines.remove(old)
            lines += [line] if line.startswith("no ") else []
        elif line == "no ip address" and not any(item.startswith("ip address") for item in lines):
            lines.append(line)
        else:
            tunnel = mode.startswith("interface Tunnel")
            assert line.startswith("no ") or not tunnel or _TUNNEL.fullmatch(line) or "To CLoud" in line, line
            if re.match(r"ip (unnumbered|address) ", line):
                assert not any(re.match(r"ip (unnumbered|address) ", item) for item in lines), "one address"
            super().enter(mode, lines, line)
