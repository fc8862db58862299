# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A model of the command line of ACOS, with an operator's own configuration."""

from __future__ import annotations

FOREIGN = (
    "!Current configuration: 4242 bytes\n!Configuration last updated at 10:00:00 JST Tue Jun 11 2026\n"
    "hostname vThunder\n!\n"
    + "".join(f"class-list customers{n} ipv6\n  2001:db8:{n:x}::/48 lsn-lid 7\n!\n" for n in range(40))
    + "class-list ipv4aas ipv6\n  ::/0 lsn-lid 7\n!\n"
    + "class-list ipv4aas-hall9 dns\n  contains example.net\n!\n"
    + "".join(
        f"interface ethernet {n}\n  name ipv4aas-hall7\n  ip address 192.0.2.{n} /31\n  ipv6 nat inside\n!\n"
        for n in range(1, 40)
    )
    + "cgnv6 nat pool CGN 203.0.113.1 203.0.113.62 netmask /26 vrid 1\n!\n"
    "cgnv6 nat pool-group ALL\n  member CGN\n!\n"
    "cgnv6 lsn-lid 7\n  name my-ipv4aas-hall7\n  source-nat-pool CGN shared\n  respond-to-user-mac\n!\n"
    "cgnv6 nat64 icmp send-on-port-unavailable admin-filtered\n"
    "cgnv6 nat64 alg ftp xlat-no-trans-pasv enable\n"
    "cgnv6 nat64 prefix 2001:db8:9999::/96\n"
    "cgnv6 map encapsulation domain SHOWNET\n  description ipv4aas-hall7\n  basic-mapping-rule\n"
    "    prefix-rule ipv4aas-hall7\n      rule-ipv6-prefix 2001:db8::/48\n!\n"
    "slb server ipv4aas-hall7 192.0.2.1\n  port 80 tcp\n!\nend\n"
)
# How many words tell one line of a mode from another.
_WORDS = {"user-quota": 2, "member": 2, "prefix-rule": 2}


class A10CliDevice:
    """Lines in modes: a value replaces the old one, an object that is named by another one stays."""

    def __init__(self) -> None:
        self.tree: dict = {}
        self._enter(FOREIGN)

    def show(self) -> str:
        return "".join(
            f"{line}!\n" if not line.startswith("  ") else line for line in self._lines(self.tree, 0)
        )

    def apply(self, payload: str) -> None:
        self._enter(payload)

    def _lines(self, tree, depth):
        for text, below in tree.items():
            yield f"{'  ' * depth}{text}\n"
            yield from self._lines(below, depth + 1)

    def _enter(self, text):
        modes = [(-1, self.tree)]
        for line in text.splitlines():
            words = line.split()
            if not words or words[0].startswith("!") or words == ["end"]:
                continue
            indent = len(line) - len(line.lstrip())
            while modes[-1][0] >= indent:
                modes.pop()
            here = modes[-1][1]
            if words[0] == "no":
                self._delete(here, " ".join(words[1:]))
                continue
            modes.append((indent, self._set(here, words)))

    def _set(self, here, words):
        line = " ".join(words)
        if here is self.tree:
            if words[0] == "class-list":
                others = [old for old in here if old != line and old.split()[:2] == words[:2]]
                assert not others, f"a class list of another type: {others}"
            if line.startswith("cgnv6 nat pool "):
                start = " ".join(words[:4])
                assert line in here or not any(old.startswith(f"{start} ") for old in here), (
                    f"not modifiable: {line}"
                )
            for length in (
                (4,) if words[:3] in (["cgnv6", "nat64", "tcp"], ["cgnv6", "ds-lite", "tcp"]) else ()
            ):
                self._replace(here, " ".join(words[:length]), line)
            if words[2:4] == ["inside", "source"]:
                assert f"class-list {words[-1]} ipv6" in here, line
                self._replace(here, " ".join(words[:4]), line)
        elif "/" not in words[0]:
            if words[0] == "source-nat-pool":
                assert self._pool(words[1]), line
            self._replace(here, " ".join(words[: _WORDS.get(words[0], 1)]), line)
        else:
            self._replace(here, words[0], line)
        return here.setdefault(line, {})

    def _replace(self, here, start, line):
        for old in [old for old in here if old != line and old.startswith(f"{start} ")]:
            del here[old]

    def _pool(self, name):
        return any(line.split()[1:2] == ["nat"] and line.split()[3] == name for line in self.tree)

    def _delete(self, here, start):
        found = [line for line in here if line == start or line.startswith(f"{start} ")]
        assert len(found) == 1, f"nothing to delete, or too much: {start}"
        words = found[0].split()
        if words[0] == "class-list":
            assert not any(line.split()[-2:] == ["class-list", words[1]] for line in self.tree), start
        if found[0].startswith("cgnv6 nat pool"):
            members = [line.split() for below in self.tree.values() for line in below]
            named = [words[1] for words in members if words[0] in ("source-nat-pool", "member")]
            assert words[3] not in named, start
        del here[found[0]]
