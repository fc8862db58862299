# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small model of a VRP8 device: views, what each takes, and what it refuses to take back."""

from __future__ import annotations

import re
from ipaddress import IPv6Address

_N = r"\d+"
_V6 = r"[0-9a-fA-F:]+"
_V4 = r"[0-9.]+"
_NAPT = (
    r"service-instance-group \S+",
    rf"@ mtu {_N}",
    rf"@ tcp adjust-mss {_N}",
    r"@ filter mode full-cone",
    rf"port-range {_N}(?: extended-port-range {_N} extended-times [1-3])?",
    rf"@ address-group \S+ group-id {_N}(?: {_V4} (?:mask )?\S+)?",
    r"@ outbound (?:any|\d+) address-group \S+",
    r"@ log \S+.*",
)
# What a line of the system view may be, and the lines that its view takes.
SYSTEM = {
    rf"br-ipv6-address \S+ ipv6-address {_V6} prefix-length {_N}": (),
    rf"dmr-prefix \S+ ipv6-prefix {_V6} prefix-length (?:32|40|48|56|64|96)": (),
    r"map rule \S+": (
        rf"rule-prefix {_V6} prefix-length {_N} ipv4-prefix {_V4} prefix-length {_N} ea-length {_N}"
        r"(?: psid-offset (?:[1-9]|1[0-6]))?",
    ),
    r"map-e instance \S+ id \d+": (
        r"br-ipv6-address \S+",
        r"map-rule \S+",
        rf"map mtu {_N}",
        rf"map tcp adjust-mss {_N}",
        r"map-version draft",
        rf"map traffic-class {_N}",
    ),
    r"map-t instance \S+ id \d+": (
        r"dmr-prefix \S+",
        r"map-rule \S+",
        rf"map mtu {_N}",
        rf"map tcp adjust-mss {_N}",
        r"map icmp-tranfer enable",
    ),
    r"ds-lite instance \S+ id \d+": (
        rf"local-ipv6 {_V6} prefix-length {_N}",
        rf"remote-ipv6 {_V6} prefix-length {_N}",
        rf"ds-lite tunnel prefix-length {_N}",
        rf"ds-lite port-limit (?:tcp|udp|icmp|total) {_N}",
        r"ds-lite port-limit enable",
        *(line.replace("@", "ds-lite") for line in _NAPT),
    ),
    r"nat64 instance \S+ id \d+": (
        rf"nat64 prefix {_V6} prefix-length (?:32|40|48|56|64|96) {_N}",
        *(line.replace("@", "nat64") for line in _NAPT),
    ),
}
GROUP = r"(?:ds-lite|nat64) address-group \S+ group-id \d+"
SECTION = (rf"section (?:\d|1[0-5]) {_V4} (?:mask (?:2[2-9]|3[0-2])|{_V4})", r"section \d+ lock")
# A new value takes the place of the old one.
SINGLE = re.compile(r"(\S+ (?:mtu|tcp adjust-mss|port-limit \w+)|ds-lite tunnel prefix-length) \d+")
# Of these a view has one, and a second one is refused.
ALONE = ("rule-prefix", "br-ipv6-address", "dmr-prefix", "local-ipv6", "service-instance-group", "port-range")
# Lines of instances, and what they name in the system view.
REFERENCES = {"map-rule": "map rule", "br-ipv6-address": "br-ipv6-address", "dmr-prefix": "dmr-prefix"}
DEFAULTS = re.compile(
    r"\S+ mtu 1500|ds-lite port-limit (?:(?:tcp|udp) 10240|icmp 512|total 20992)"
    r"|ds-lite tunnel prefix-length 128"
)

FOREIGN = (
    "sysname ipv4aas-hall7\n#\nvsm on-board-mode disable\n#\nlicense\n active nat64 vsuf slot 1\n"
    " active ds-lite vsuf slot 1\n#\nservice-location 1\n location slot 1\n#\n"
    "service-instance-group 1\n service-location 1\n#\n"
    + "".join(f"vlan {n}\n description map rule ipv4aas-hall7\n#\n" for n in range(100, 150))
    + "br-ipv6-address OPERATOR ipv6-address 2001:DB8:1124::1 prefix-length 96\n#\n"
    "dmr-prefix ipv4aas ipv6-prefix 2001:DB8:3:: prefix-length 96\n#\n"
    "map rule OPERATOR\n rule-prefix 2001:DB8:1:: prefix-length 48 ipv4-prefix 192.0.2.0 prefix-length 24"
    " ea-length 16 psid-offset 4\n#\n"
    "map-e instance OPERATOR id 2\n br-ipv6-address OPERATOR\n map-rule OPERATOR\n#\n"
    "ds-lite instance cgn1 id 3\n service-instance-group 1\n"
    " ds-lite address-group ipv4aas-hall7 group-id 1 192.0.2.128 192.0.2.159\n"
    " ds-lite outbound 3000 address-group ipv4aas-hall7\n local-ipv6 2001:DB8::1 prefix-length 128\n"
    " remote-ipv6 2001:DB8:2:: prefix-length 64\n ds-lite log session enable\n#\n"
    "nat64 instance ipv4aas id 4\n service-instance-group 1\n"
    " nat64 address-group g1 group-id 1\n  section 1 192.0.2.160 192.0.2.175\n"
    " nat64 outbound any address-group g1\n nat64 prefix 64:FF9B:1:: prefix-length 96 1\n#\n"
    "acl ipv6 number 3500\n rule 5 permit ipv6 source 2001:DB8:2::/64 destination 2001:DB8::1/128\n#\n"
    "traffic classifier ipv4aas-hall7 operator or\n if-match ipv6 acl 3500 precedence 1\n#\n"
    "traffic behavior ipv4aas-hall7\n ds-lite bind instance cgn1\n#\n"
    "traffic policy ipv4aas-hall7\n share-mode\n"
    " classifier ipv4aas-hall7 behavior ipv4aas-hall7 precedence 1\n#\n"
    + "".join(
        f"interface GigabitEthernet0/2/{n}\n description br-ipv6-address ipv4aas-hall7\n undo shutdown\n"
        f" ip address 10.0.{n}.1 255.255.255.0\n#\n"
        for n in range(40)
    )
    + "ipv6 pool pool1 bas delegation\n prefix pre1\n option-s46 br-ipv6-address OPERATOR\n#\n"
    + "".join(f"ip route-static 172.16.{n}.0 255.255.255.0 NULL0\n" for n in range(100))
    + "#\n"
)


class Vrp:
    """The running configuration as nested views; commands take effect at once, as after a commit."""

    def __init__(self) -> None:
        self.tree: dict = {}
        self._load(FOREIGN)

    def show(self) -> str:
        head = "!Software Version V800R012C10\n!Last configuration was updated at 2026-06-11 10:00:00\n#\n"
        return head + "".join(self._shown(self.tree, 0)) + "return\n"

    def apply(self, payload: str) -> None:
        views: list[tuple[str, dict]] = [("", self.tree)]
        for raw in payload.splitlines():
            line, depth = raw.strip(), len(raw) - len(raw.lstrip())
            assert depth < len(views), f"in no view: {raw}"
            del views[depth + 1 :]
            if line.startswith("undo "):
                self._undo(views, line.removeprefix("undo "))
            else:
                self._enter(views, line)

    def _enter(self, views, line):
        allowed = self._allowed(views)
        assert any(re.fullmatch(form, line) for form in allowed), f"unknown in view {views[-1][0]}: {line}"
        here = views[-1][1]
        opens = (len(views) == 1 and self._children(line)) or re.fullmatch(GROUP, line)
        if opens and line in here:
            views.append((line, here[line]))
            return
        if len(views) == 1:
            kind, name = re.match(r"(.*? instance|map rule|\S+) (\S+)", line).groups()
            same = [old for old in here if re.match(rf"{kind} {re.escape(name)}(?: |$)", old)]
            assert not same, f"is there already: {same}"
            number = re.search(r" instance \S+( id \d+)$", line)
            same = [old for old in here if number and old.startswith(kind) and old.endswith(number[1])]
            assert not same, f"number is in use: {same}"
        elif SINGLE.fullmatch(line):
            start = SINGLE.fullmatch(line)[1]
            for old in [old for old in here if old.startswith(f"{start} ")]:
                del here[old]
        else:
            for word in ALONE:
                assert not (line.startswith(f"{word} ") and any(o.startswith(f"{word} ") for o in here)), line
            self._exists(views, line)
        here[line] = {}
        if opens:
            views.append((line, here[line]))

    def _exists(self, views, line):
        """What a line of an instance refers to is there."""
        for word, start in REFERENCES.items():
            if line.startswith(f"{word} "):
                name = line.split()[1]
                assert any(f"{top} ".startswith(f"{start} {name} ") for top in self.tree), line
        if " outbound " in line:
            group = line.rsplit(" ", 1)[1]
            assert any(f" address-group {group} group-id" in old for old in views[-1][1]), line

    def _undo(self, views, start):
        here = views[-1][1]
        found = [old for old in here if old == start or old.startswith(f"{start} ")]
        nat64 = re.fullmatch(r"nat64 prefix (\d+)", start)
        if nat64:
            found = [old for old in here if re.fullmatch(rf"nat64 prefix .* {nat64[1]}", old)]
        assert len(found) == 1, f"nothing to undo in view {views[-1][0]}: {start}"
        [line] = found
        if len(views) == 1:
            self._free(line)
        if line.startswith("section "):
            group = views[-1][0].split()[2]
            assert not any(f"address-group {group}" in o for o in views[-2][1] if " outbound " in o), line
        if " address-group " in line and " outbound " not in line:
            group = line.split()[2]
            assert not any(o.endswith(f" address-group {group}") for o in here if " outbound " in o), line
        if line.startswith("rule-prefix"):
            self._free(views[-1][0])
        del here[line]

    def _free(self, line):
        """Nothing refers to a rule, an address or a prefix of the system view."""
        for word, kind in REFERENCES.items():
            if line.startswith(f"{kind} "):
                name = line.removeprefix(f"{kind} ").split()[0]
                used = [top for top, below in self.tree.items() if f"{word} {name}" in below]
                assert not used, f"{line} is in use: {used}"

    def _allowed(self, views):
        if len(views) == 1:
            return tuple(SYSTEM)
        if len(views) == 2:
            return self._children(views[1][0])
        return SECTION

    def _children(self, line):
        return next((below for form, below in SYSTEM.items() if re.fullmatch(form, line)), ())

    def _load(self, text):
        views = [self.tree]
        for line in text.splitlines():
            if line == "#":
                continue
            depth = len(line) - len(line.lstrip())
            del views[depth + 1 :]
            views.append(views[depth].setdefault(line.strip(), {}))

    def _shown(self, tree, depth):
        for line, below in tree.items():
            if not DEFAULTS.fullmatch(line):
                yield f"{' ' * depth}{' '.join(_upper(word) for word in line.split())}\n"
            yield from self._shown(below, depth + 1)
            if depth == 0:
                yield "#\n"


def _upper(word: str) -> str:
    try:
        return str(IPv6Address(word)).upper() if ":" in word else word
    except ValueError:
        return word
