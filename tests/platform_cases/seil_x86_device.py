# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A person with an editor and the configuration of a SEIL: takes lines out and puts lines in."""

from __future__ import annotations

import re

_FOREIGN = {
    "cli": (
        'hostname "ipv4aas-hall7"\n'
        'interface lan0 description "ipv4aas-hall7"\ninterface lan0 add 192.168.0.1/24\n'
        'interface tunnel0 description "To HQ"\ninterface tunnel0 tunnel 2001:db8::1 2001:db8::2\n'
        "interface tunnel0 unnumbered\n"
        "interface tunnel1 description ipv4aas\ninterface tunnel1 tunnel dslite gw.example.jp\n"
        "interface tunnel7 tx-tos-set copy\n"
        "route add default tunnel0\n"
        + "".join(f"filter add F{n} interface tunnel7 direction in action pass\n" for n in range(90))
    ),
    "recipe": (
        "hostname: ipv4aas-hall7\n"
        'interface.ge0.description: "ipv4aas-hall7"\ninterface.ge1.ipv4.address: 192.168.0.1/24\n'
        'interface.tunnel0.description: "To HQ"\ninterface.tunnel0.ipv6.source: 2001:db8::1\n'
        "interface.tunnel1.description: ipv4aas\ninterface.tunnel1.ipv6.dslite.aftr: gw.example.jp\n"
        "interface.tunnel7.tx-tos-set: copy\n"
        "route.ipv4.100.destination: default\nroute.ipv4.100.gateway: tunnel0\n"
        + "".join(f"filter.ipv4.{n}00.interface: tunnel7\n" for n in range(1, 90))
    ),
}
_LINES = {
    "cli": re.compile(
        r"interface tunnel\d+ (tunnel dslite [\w.:-]+|unnumbered|mtu \d+|tcp-mss \d+|description \S+)"
    ),
    "recipe": re.compile(
        r"interface\.tunnel\d+\.(ipv6\.dslite\.aftr: [\w.:-]+|ipv4\.address: ge\d|mtu: \d+"
        r"|ipv4\.tcp-mss: (\d+|none)|description: \S+)"
    ),
}


class SeilEditor:
    def __init__(self, dialect: str) -> None:
        self.dialect = dialect
        self.lines = _FOREIGN[dialect].splitlines()

    def show(self) -> str:
        return "".join(f"{line}\n" for line in sorted(self.lines))

    def apply(self, payload: str) -> None:
        for edit in payload.splitlines():
            sign, line = edit[:2], edit[2:]
            assert _LINES[self.dialect].fullmatch(line), line
            if sign == "- ":
                self.lines.remove(line)
            else:
                assert sign == "+ "
                key = re.match(r"interface tunnel\d+ [\w-]+|[\w.-]+:", line)[0]
                assert not any(old.startswith(key) for old in self.lines), f"{key} is there already"
                self.lines.append(line)
