# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""IOS XE: each line acts at once, and is refused where what it refers to is not there, or is in use."""

from __future__ import annotations

import re
from ipaddress import ip_interface
from itertools import count

# A command with another value replaces the old one; the group is what makes two of them one.
SINGLE = re.compile(
    r"(default-mapping-rule|border-relay-address|ipv6-prefix|ipv4-prefix|local-ipv4-prefix|port-parameters"
    r"|port-set-id|description|ip address|ip mtu|ip tcp adjust-mss|tunnel mode|tunnel source"
    r"|tunnel destination|hostname|nat64 prefix stateful|event manager environment \S+|nat64 v4 pool \S+) .*"
)
# "no" takes these without the value.
SHORT = re.compile(r"event manager environment \S+|description")
MODES = re.compile(
    r"interface \S+|nat64 map-[te] domain \d+|basic-mapping-rule|ipv6 access-list \S+|ip access-list .*"
    r"|router bgp .*|address-family .*|archive|line .*|event manager applet .*"
)
FOREIGN = (
    "version 17.15\nhostname edge1\n"
    "archive\n path bootflash:backup\n!\n"
    + "".join(
        f"interface GigabitEthernet0/0/{n}\n description nat64 map-t domain {n}\n"
        f" ip address 10.0.{n}.1 255.255.255.0\n ipv6 address 2001:DB8:{n:X}::1/64\n!\n"
        for n in range(24)
    )
    + "interface GigabitEthernet0/0/24\n ip tcp adjust-mss 1400\n nat64 enable\n!\n"
    + "interface Loopback0\n description ipv4aas-hall7\n ip address 192.0.2.1 255.255.255.255\n!\n"
    + "interface Tunnel7\n description IPV4AAS ipv4aas-hall7\n ip address 192.0.0.2 255.255.255.248\n"
    + " tunnel mode ipv6\n tunnel source Loopback0\n tunnel destination 2001:DB8::9\n!\n"
    + "".join(f"ip route 10.{n}.0.0 255.255.0.0 10.0.1.254\n" for n in range(60))
    + "ip route 198.51.100.0 255.255.255.0 Tunnel7\n"
    + "ipv6 access-list IPV4AAS-hall7\n sequence 10 permit ipv6 2001:DB8::/32 any\n!\n"
    + "nat64 v4 pool OPERATOR 203.0.113.1 203.0.113.9\n"
    + "nat64 map-t domain 7\n default-mapping-rule 2001:DB8:FFFF::/64\n basic-mapping-rule\n"
    + "  ipv6-prefix 2001:DB8::/48\n  ipv4-prefix 192.0.2.0/24\n"
    + "  port-parameters share-ratio 64 start-port 1024\n!\n"
    + "event manager environment _email_to noc@example.net\n"
    + "event manager environment _ipv4aas_map_t_8 OPERATOR\n"
)
BANNER = "banner motd ^C\nevent manager environment _ipv4aas_map_t_7 ipv4aas-hall7\n^C\n"


class IosXe:
    """A tree of modes by the lines that open them."""

    def __init__(self) -> None:
        self.tree: dict = {}
        self.in_service = False
        self.apply(FOREIGN)
        self.in_service = True

    def show(self) -> str:
        body = "".join(self._lines(self.tree, 0))
        return (
            "Building configuration...\n\nCurrent configuration : 4242 bytes\n!\n"
            f"! Last configuration change at 10:00:00 JST Tue Jun 11 2026\n!\n{body}{BANNER}end\n"
        )

    def _lines(self, tree, depth, above=""):
        numbers = count(10, 10)
        for text, below in tree.items():
            shown = text
            if above.startswith("ipv6 access-list"):
                shown = f"sequence {next(numbers)} {text}"
            yield f"{' ' * depth}{shown}\n"
            yield from self._lines(below, depth + 1, text)
            if not depth and MODES.fullmatch(text):
                yield "!\n"

    def apply(self, payload: str) -> None:
        path = [(-1, "", self.tree)]
        for line in payload.splitlines():
            words = " ".join(self._shown(word) for word in line.split())
            if not words or words.startswith("!"):
                continue
            indent = len(line) - len(line.lstrip())
            while path[-1][0] >= indent:
                path.pop()
            _, above, here = path[-1]
            assert indent == 0 or MODES.fullmatch(above), f"{above}: has no mode"
            words = re.sub(r"^sequence \d+ ", "", words)
            if words.startswith("no "):
                self._take_away(here, words.removeprefix("no "))
            else:
                self._set(here, above, words)
                path.append((indent, words, here[words]))

    @staticmethod
    def _shown(word):
        """IPv6 as IOS shows it."""
        try:
            parsed = ip_interface(word)
        except ValueError:
            return word
        if parsed.version == 4:
            return word
        return (parsed.with_prefixlen if "/" in word else str(parsed.ip)).upper()

    def _set(self, here, above, words):
        self._refuse(here, above, words)
        single = SINGLE.fullmatch(words)
        old = next((t for t in here if single and (m := SINGLE.fullmatch(t)) and m[1] == single[1]), None)
        if old is not None and old != words:
            # In the place of the old one.
            items = [(words if text == old else text, below) for text, below in here.items()]
            here.clear()
            here.update(items)
        here.setdefault(words, {})

    def _refuse(self, here, above, words):
        top = self.tree
        first = words.split()
        if words.startswith("port-set-id"):
            ports = next((t for t in here if t.startswith("port-parameters")), "share-ratio 1")
            assert int(first[1]) < int(re.search(r"share-ratio (\d+)", ports)[1]), "PSID and sharing ratio"
        if words.startswith("port-parameters"):
            assert len(first) <= 5, "three-way forms are rejected"
            assert not any(t.startswith("port-set-id") for t in here), "PSID of another sharing ratio"
        if words.startswith("tunnel destination"):
            assert "tunnel mode ipv6" in here, "destination of another family"
        if words.startswith("nat64 v6v4 list"):
            assert f"ipv6 access-list {first[3]}" in top, "no such list"
            assert any(t.startswith(f"nat64 v4 pool {first[5]} ") for t in top), "no such pool"
            assert any(t.startswith("nat64 prefix stateful") for t in top), "no stateful prefix"
        if words.startswith("nat64 v4 pool"):
            assert words in top or self._not_in_use(first[3])
        if words.startswith("nat64 prefix stateful") and words not in top:
            assert not any(t.startswith("nat64 prefix stateful") for t in top), "there is one already"
        if match := re.fullmatch(r"ip route \S+ \S+ (Tunnel\d+)", words):
            assert f"interface {match[1]}" in top, "no such interface"
        if words.startswith("interface ") and not re.match(r"interface (Tunnel|Loopback)\d", words):
            assert words in top or not self.in_service, "no such interface"

    def _not_in_use(self, pool):
        used = any(re.fullmatch(rf"nat64 v6v4 list \S+ pool {re.escape(pool)}( .*)?", t) for t in self.tree)
        assert not used, "pool in use"
        return True

    def _take_away(self, here, words):
        if SHORT.fullmatch(words):
            words = next(text for text in here if text.startswith(f"{words} "))
        if words.startswith("nat64 v4 pool"):
            self._not_in_use(words.split()[3])
        if words.startswith("ipv6 access-list"):
            assert not any(f" list {words.split()[2]} " in text for text in here), "list in use"
        del here[words]  # a KeyError is a command that the device would refuse
        if match := re.fullmatch(r"interface (Tunnel\d+)", words):
            assert not any(re.fullmatch(rf"ip route .* {match[1]}", t) for t in here), "routes go with it"


def facts(text: str, dialect: str) -> list[str]:
    """What it shows, without the numbers that it gives itself."""
    return text.splitlines()
