# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small models of SR OS: what its two command lines take, what they refuse, and what they show."""

from __future__ import annotations

import re

_ROUTER = r'(?:router "Base"|service vprn "[^"]+")'
_N, _V6, _V4 = r"\d+", r"[0-9a-f:]+", r"[0-9.]+"
_POLICY = r'service nat nat-policy "[^"]{1,32}"'
_POOL = rf'{_ROUTER} nat outside pool "[^"]{{1,32}}"'
_INSIDE = rf"{_ROUTER} nat inside large-scale"
_DOMAIN = r'service nat map-t domain "[^"]{1,32}"'
_RULE = rf'{_DOMAIN} mapping-rule "[^"]{{1,32}}"'
_STATE = "admin-state (?:enable|disable)"
# Values that the model has; a leaf, with its value last, or an entry of a list.
LEAVES = (
    rf"{_POOL} (?:type large-scale|nat-group [1-4]|port-reservation ports {_N}|{_STATE})",
    rf"{_POOL} (?:port-forwarding range-end {_N}|watermarks (?:high|low) {_N})",
    rf'{_POLICY} (?:pool router-instance "[^"]+"|pool name "[^"]+"|block-limit {_N}|tcp mss-adjust {_N})',
    rf"{_POLICY} (?:filtering (?:endpoint-independent|address-and-port-dependent)|timeouts udp normal {_N})",
    rf'{_INSIDE} nat-policy "[^"]+"',
    rf"{_INSIDE} dual-stack-lite (?:subscriber-prefix-length {_N}|{_STATE})",
    rf"{_INSIDE} dual-stack-lite endpoint {_V6} (?:tunnel-mtu {_N}|ip-fragmentation \S+|reassembly \S+)",
    rf"{_INSIDE} nat64 (?:prefix {_V6}/{_N}|ipv6-mtu {_N}|ip-fragmentation \S+|{_STATE})",
    rf"{_INSIDE} nat64 (?:subscriber-prefix-length {_N}|drop-zero-ipv4-checksum (?:true|false))",
    rf"{_DOMAIN} (?:dmr-prefix {_V6}/{_N}|mtu {_N}|tcp-mss-adjust {_N}|fpe {_N}|map-t-group {_N}|{_STATE})",
    rf"{_RULE} (?:rule-prefix {_V6}/{_N}|ipv4-prefix {_V4}/{_N}|ea-length {_N}|psid-offset {_N}|{_STATE})",
    rf"{_RULE} statistics-collection (?:true|false)",
)
ENTRIES = (
    rf"{_POOL} address-range {_V4} end {_V4}",
    rf'{_ROUTER} nat map map-domain "[^"]+"',
)
# What has to be there where a thing is enabled.
NEEDED = {"nat outside pool": "nat-group", "mapping-rule": "rule-prefix", "map-t": "dmr-prefix"}
IMMUTABLE = re.compile(rf"{_POOL} (?:type|nat-group)")

FOREIGN = (
    'system name "ipv4aas-hall7"',
    *(f'router "Base" interface "to-{n}" ipv4 primary address 10.0.{n}.1' for n in range(60)),
    *(f'router "Base" static-routes route 172.16.{n}.0/24 route-type unicast blackhole' for n in range(60)),
    "isa nat-group 1 admin-state enable",
    "isa nat-group 1 redundancy active-mda-limit 1",
    'service nat nat-policy "OPERATOR" pool router-instance "9999"',
    'service nat nat-policy "OPERATOR" pool name "ipv4aas"',
    'service nat nat-policy "OPERATOR" block-limit 4',
    'service nat nat-policy "ipv4aas" timeouts udp normal 120',
    'service nat map-t domain "OPERATOR" dmr-prefix 2001:db8:9::/64',
    'service nat map-t domain "OPERATOR" mapping-rule "ipv4aas-hall7" rule-prefix 2001:db8:6000::/56',
    'service nat map-t domain "OPERATOR" mapping-rule "ipv4aas-hall7" admin-state disable',
    'service vprn "9999" customer "1"',
    'service vprn "9999" nat outside pool "ipv4aas" type large-scale',
    'service vprn "9999" nat outside pool "ipv4aas" nat-group 1',
    'service vprn "9999" nat outside pool "ipv4aas" address-range 192.0.2.100 end 192.0.2.110',
    'service vprn "9999" nat outside pool "ipv4aas" admin-state enable',
    'service vprn "10001" customer "1"',
    'service vprn "10001" nat inside large-scale nat-policy "OPERATOR"',
    'service vprn "10001" nat inside large-scale dual-stack-lite endpoint 2001:db8::1 tunnel-mtu 1460',
    'service vprn "10001" nat inside large-scale dual-stack-lite admin-state enable',
    'service vprn "10001" nat map map-domain "OPERATOR"',
    'service vprn "10001" description "nat inside large-scale nat-policy ipv4aas-hall7"',
)


class MdCli:
    """The model-driven command line: lines of a candidate, checked as a whole."""

    def __init__(self) -> None:
        self.lines = list(FOREIGN)

    def show(self) -> str:
        head = "# TiMOS-B-25.10.R1 both/x86_64 Nokia 7750 SR\n# Configuration format version 25.10\n\n"
        return head + "".join(f"    /configure {line}\n" for line in sorted(self.lines))

    def apply(self, payload: str) -> None:
        before = list(self.lines)
        for line in payload.splitlines():
            if line.startswith("delete /configure "):
                self._delete(line.removeprefix("delete /configure "))
            else:
                assert line.startswith("/configure "), line
                self._set(line.removeprefix("/configure "))
        self._check(before)

    def _delete(self, path: str) -> None:
        kept = [line for line in self.lines if line != path and not line.startswith(f"{path} ")]
        assert len(kept) < len(self.lines), f"nothing to delete: {path}"
        self.lines = kept

    def _set(self, line: str) -> None:
        entry = any(re.fullmatch(form, line) for form in ENTRIES)
        assert entry or any(re.fullmatch(form, line) for form in LEAVES), f"unknown: {line}"
        if not entry:
            start = line.rsplit(" ", 1)[0]
            self.lines = [old for old in self.lines if old.rsplit(" ", 1)[0] != start]
        if line not in self.lines:
            self.lines.append(line)

    def _check(self, before: list[str]) -> None:
        """What a commit refuses: references to nothing, things that lack what they need."""
        for line in self.lines:
            for form, target in (
                (rf'{_INSIDE} nat-policy ("[^"]+")', "service nat nat-policy {} "),
                (rf'{_ROUTER} nat map map-domain ("[^"]+")', "service nat map-t domain {} "),
                (rf'{_POLICY} pool name ("[^"]+")', "nat outside pool {} type"),
            ):
                match = re.fullmatch(form, line)
                found = match and [old for old in self.lines if target.format(match[1]) in old]
                assert match is None or found, f"refers to nothing: {line}"
            match = re.fullmatch(rf"({_RULE}|{_DOMAIN}|{_POOL}) admin-state enable", line)
            if match:
                words = {
                    "nat outside pool": "nat-group",
                    "mapping-rule": "rule-prefix",
                    "map-t": "dmr-prefix",
                }
                word = next(value for key, value in words.items() if key in match[1])
                assert any(old.startswith(f"{match[1]} {word} ") for old in self.lines), f"no {word}: {line}"
        for line in before:
            start = line.rsplit(" ", 1)[0]
            if IMMUTABLE.fullmatch(start):
                changed = [new for new in self.lines if new.startswith(f"{start} ") and new != line]
                assert not changed, f"cannot change: {line}"


CLASSIC_FOREIGN = """\
system
    name "ipv4aas-hall7"
exit
router Base
{interfaces}
    nat
        outside
            mtu 1500
        exit
    exit
exit
service
    customer 1 create
        description "router nat inside nat-policy ipv4aas-hall7"
    exit
    nat
        nat-policy "OPERATOR" create
            pool "ipv4aas" router 9999
            block-limit 4
        exit
        nat-policy "ipv4aas" create
            block-limit 2
        exit
        map-domain "OPERATOR" create
            dmr-prefix 2001:db8:9::/64
            mapping-rule "ipv4aas-hall7" create
                rule-prefix 2001:db8:6000::/56
                shutdown
            exit
        exit
    exit
    vprn 9999 name "9999" customer 1 create
        nat
            outside
                pool "ipv4aas" nat-group 1 type large-scale create
                    address-range 192.0.2.100 192.0.2.110 create
                    exit
                    no shutdown
                exit
            exit
        exit
    exit
    vprn 10001 name "10001" customer 1 create
        nat
            inside
                nat-policy "OPERATOR"
                dual-stack-lite
                    address 2001:db8::1
                        tunnel-mtu 1460
                    exit
                    no shutdown
                exit
            exit
            map
                map-domain "OPERATOR"
            exit
        exit
    exit
exit
""".format(
    interfaces="\n".join(
        f'    interface "to-{n}"\n        address 10.0.{n}.1/24\n        no shutdown\n    exit'
        for n in range(60)
    )
)
_BANNER = "#" + "-" * 50 + '\necho "{} Configuration"\n#' + "-" * 50 + "\n"
# Lines that open views, by the views around them.
_VIEWS = {
    "": (r"router(?: Base)?", r"service"),
    "router": ("nat",),
    "service": ("nat", r"vprn \d+"),
    "vprn": ("nat",),
    "nat": ("outside", "inside", "map", r'(?:nat-policy|map-domain) "[^"]{1,32}"(?: create)?'),
    "outside": (r'pool "[^"]{1,32}"(?: nat-group \d type large-scale create)?',),
    "pool": (rf"address-range {_V4} {_V4}(?: create)?",),
    "inside": ("dual-stack-lite", "nat64"),
    "dual-stack-lite": (rf"address {_V6}",),
    "map-domain": (r'mapping-rule "[^"]{1,32}"(?: create)?',),
}
# Views that are always there; an empty one is not shown.
_PERMANENT = ("router", "service", "nat", "outside", "inside", "map", "dual-stack-lite")
_COMMANDS = {
    "pool": rf"port-reservation ports {_N}|port-forwarding-range {_N}|watermarks high {_N} low {_N}",
    "nat-policy": rf'pool "\S+" router \S+|filtering \S+|block-limit {_N}|tcp-mss-adjust {_N}',
    "inside": r'nat-policy "\S+"',
    "dual-stack-lite": rf"subscriber-prefix-length {_N}",
    "address": rf"tunnel-mtu {_N}|ip-fragmentation \S+|reassembly",
    "nat64": rf"prefix {_V6}/{_N}|ipv6-mtu {_N}|ip-fragmentation \S+|subscriber-prefix-length {_N}"
    r"|drop-zero-ipv4-checksum",
    "map-domain": rf"dmr-prefix {_V6}/{_N}|mtu {_N}|tcp-mss-adjust {_N}",
    "mapping-rule": rf"rule-prefix {_V6}/{_N}|ipv4-prefix {_V4}/{_N}|ea-length {_N}|psid-offset {_N}",
    "map": r'map-domain "\S+"',
}
_DOWN_ONLY = {
    "pool": ("port-reservation", "port-forwarding-range"),
    "dual-stack-lite": ("subscriber-prefix-length",),
    "nat64": (
        "prefix",
        "ipv6-mtu",
        "ip-fragmentation",
        "subscriber-prefix-length",
        "drop-zero-ipv4-checksum",
    ),
    "map-domain": ("dmr-prefix",),
    "mapping-rule": ("rule-prefix", "ipv4-prefix", "ea-length", "psid-offset"),
}
_SWITCHED = ("pool", "dual-stack-lite", "nat64", "map-domain", "mapping-rule")
_MADE = " made"  # under this key a view has the words that were added where it was made
_UP = "no shutdown"


class Classic:
    """The classic command line: each line at once; what is up cannot go, nor change in some respects."""

    def __init__(self) -> None:
        self.tree: dict = {}
        self._load(CLASSIC_FOREIGN)

    def show(self) -> str:
        parts = [
            _BANNER.format(top) + "".join(self._shown({top: below}, 1)) for top, below in self.tree.items()
        ]
        return "# TiMOS-C-16.0.R5\n\nexit all\nconfigure\n" + "".join(parts) + "\nexit all\n"

    def apply(self, payload: str) -> None:
        views: list[tuple[str, dict]] = [("", self.tree)]
        indents = [-1]
        for raw in payload.splitlines():
            indent, line = len(raw) - len(raw.lstrip()), raw.strip()
            while indents[-1] >= indent:
                indents.pop()
            indents.append(indent)
            assert len(indents) - 2 < len(views), f"in no view: {raw}"
            del views[len(indents) - 1 :]
            kind, here = views[-1][0].partition(" ")[0], views[-1][1]
            if line in (_UP, "shutdown"):
                assert kind in _SWITCHED, line
                self._switch(kind, here, line)
            elif line.startswith("no "):
                self._remove(views, kind, line.removeprefix("no "))
            elif any(re.fullmatch(form, line) for form in _VIEWS.get(kind, ())):
                views.append(self._view(views, line))
            else:
                assert re.fullmatch(_COMMANDS[kind], line), f"unknown in {kind}: {line}"
                self._set(views, kind, line)

    def _view(self, views, line):
        """Enters a view, which is made where ``create`` says so or where it is always there."""
        name, made = _opened(line)
        here = views[-1][1]
        found = next((old for old in here if old == name or old.startswith(f"{name} name ")), None)
        if found is None:
            assert made or name.split()[0] in (*_PERMANENT, "nat64", "address"), f"does not exist: {line}"
            here[name] = {_MADE: made}
            found = name
        return found, here[found]

    def _set(self, views, kind, line):
        here, word = views[-1][1], line.split()[0]
        self._must_be_down(views, kind, word)
        if kind == "inside":
            assert line in self.tree["service"]["nat"], f"refers to nothing: {line}"
        if kind == "map":
            assert line in self.tree["service"]["nat"], f"refers to nothing: {line}"
            here[line] = {}
            return
        if kind == "nat-policy" and word == "pool":
            name, router = line.split()[1], line.split()[3]
            assert self._pool(name, router) is not None, f"refers to nothing: {line}"
        for old in [old for old in here if old.split()[:1] == [word] and here[old] == {}]:
            del here[old]
        here[line] = {}

    def _must_be_down(self, views, kind, word):
        if word in _DOWN_ONLY.get(kind, ()):
            assert _UP not in views[-1][1], f"{views[-1][0]} is up: {word}"

    def _switch(self, kind, here, line):
        here.pop(_UP, None)
        if line == _UP:
            words = {old.split()[0] for old in here if old != _MADE}
            needed = {"map-domain": "dmr-prefix", "mapping-rule": "rule-prefix"}.get(kind)
            assert needed is None or needed in words, f"no {needed}"
            here[_UP] = {}

    def _remove(self, views, kind, what):
        here = views[-1][1]
        found = [old for old in here if old == what or old.startswith(f"{what} ")]
        assert len(found) == 1, f"nothing to remove in {views[-1][0]}: {what}"
        [name] = found
        word = name.split()[0]
        self._must_be_down(views, kind, word)
        if word in _SWITCHED:
            assert _UP not in here[name], f"is up: {name}"
        if word == "pool":
            ranges = [line for line in here[name] if line.startswith("address-range")]
            assert not ranges, f"{name} has {ranges}"
            text = "\n".join(self._shown(self.tree["service"]["nat"], 0))
            assert f"{name} router" not in text, f"{name} is used by a policy"
        if word == "address-range":
            assert _UP not in here, f"{views[-1][0]} is up: {name}"
        if kind == "nat" and word in ("nat-policy", "map-domain"):
            assert f"{name}\n" not in self._routers(), f"is in use: {name}"
        if kind == "inside" and word == "nat-policy":
            assert not any(_UP in here.get(part, {}) for part in ("dual-stack-lite", "nat64")), "inside is up"
        del here[name]

    def _pool(self, name, router):
        places = [self.tree["router Base"]] if router == "Base" else []
        places += [v for k, v in self.tree["service"].items() if k.startswith(f"vprn {router} ")]
        for place in places:
            found = place.get("nat", {}).get("outside", {}).get(f"pool {name}")
            if found is not None:
                return found
        return None

    def _routers(self):
        """What routers have, as text without indentation."""
        vprns = {k: v for k, v in self.tree["service"].items() if k.startswith("vprn")}
        text = "".join(self._shown({"router Base": self.tree["router Base"], **vprns}, 0))
        return "".join(f"{line.strip()}\n" for line in text.splitlines())

    def _load(self, text):
        stack = [self.tree]
        lines = [line for line in text.splitlines() if line.strip() != "exit"]
        for raw, following in zip(lines, [*lines[1:], ""], strict=True):
            depth = _depth(raw)
            del stack[depth + 1 :]
            name, made = _opened(raw.strip())
            view = made or _depth(following) > depth
            stack.append(stack[depth].setdefault(name, {_MADE: made} if view else {}))

    def _shown(self, tree, depth):
        pad = "    " * depth
        for key, below in tree.items():
            if key == _MADE:
                continue
            lines = list(self._shown(below, depth + 1))
            if _MADE not in below:
                yield f"{pad}{key}\n"
            elif lines or key.split()[0] not in _PERMANENT:
                yield from (f"{pad}{key}{below[_MADE]}\n", *lines, f"{pad}exit\n")


def _depth(line: str) -> int:
    return (len(line) - len(line.lstrip())) // 4


def _opened(line: str) -> tuple[str, str]:
    """The name of what a line opens, and the words that make it."""
    match = re.fullmatch(r'(pool "[^"]+"|vprn \d+ .*|.*?)((?: nat-group \d type \S+)?(?: create)?)', line)
    name, made = match.groups()
    return ("router Base" if name == "router" else name), made
