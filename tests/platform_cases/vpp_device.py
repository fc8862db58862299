# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small model of VPP's command line, written after src/plugins/map/map.c, nat64_cli.c and dslite_cli.c.

It keeps domains in a pool whose freed indices are given again, last freed first, and prints what the source
prints. As a program it stands for vppctl, with its state in the file that VPP_STATE names.
"""

from __future__ import annotations

import json
import os
import re
import sys
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

OPERATOR = [
    *(
        f"map add domain tag CUSTOMER-{n} ip4-pfx 192.0.{n}.0/24 ip6-pfx 2001:db8:{n}::/48"
        " ip6-src 2001:db8::1/128 ea-bits-len 16 psid-offset 6 psid-len 8 mtu 1500"
        for n in range(100)
    ),
    "map add domain tag ipv4aasX ip4-pfx 203.0.113.0/24 ip6-pfx 2001:db8:ffff::/48 ip6-src 2001:db8::1/128"
    " ea-bits-len 8 psid-offset 0 psid-len 0 mtu 1500",
    "map add domain ip4-pfx 198.18.0.1/32 ip6-pfx ::/0 ip6-src 2001:db8::2"
    " ea-bits-len 0 psid-offset 6 psid-len 6",
    "map add rule index 101 psid 5 ip6-dst 2001:db8:5::1",
    "map interface tap9",
    "dslite add pool address 192.88.99.1",
]
INTERFACES = {"GigabitEthernet0/8/0", "GigabitEthernet0/9/0", "tap9"}


class EmulatedVpp:
    """A running VPP."""

    def __init__(self, state: dict | None = None) -> None:
        self.state = state or {
            "pid": 1000,
            "domains": [],
            "free": [],
            "map": [],
            "map-t": [],
            "params": {},
            "nat64": None,
            "nat64 interfaces": [],
            "nat64 static": [],
            "nat64 pool": [],
            "dslite pool": [],
            "dslite": {},
            "given": 0,
        }

    def ask(self, *words: str) -> str:
        """What vppctl prints."""
        if words[0] == "exec":
            return "".join(self._line(line) for line in Path(words[1]).read_text().splitlines())
        return self._line(" ".join(words))

    def _line(self, line: str) -> str:
        self.state["given"] += not line.startswith("show ")
        for start, function in (
            ("map add domain ", self._add_domain),
            ("map del domain index ", self._del_domain),
            ("map add rule ", self._add_rule),
            ("map interface ", self._interface),
            ("map params ", self._params),
            ("nat64 plugin ", self._plugin),
            ("nat64 add prefix ", self._prefix),
            ("nat64 add pool address ", lambda rest: self._pool("nat64 pool", rest)),
            ("nat64 add static bib ", lambda rest: self._listed("nat64 static", rest)),
            ("set interface nat64 ", self._nat64_interface),
            ("dslite add pool address ", lambda rest: self._pool("dslite pool", rest)),
            ("dslite set ", self._dslite),
            ("show map domain", self._show),
            (
                "show version verbose",
                lambda rest: f"Version:   v26.06\nCurrent PID:              {self.state['pid']}\n",
            ),
        ):
            if line.startswith(start):
                return function(line.removeprefix(start))
        return f"unknown input `{line}'\n"

    def _add_domain(self, rest: str) -> str:
        words = rest.split()
        values = dict(zip(words[::2], words[1::2], strict=True))
        tag = values.pop("tag", None)
        unknown = values.keys() - {
            "ip4-pfx",
            "ip6-pfx",
            "ip6-src",
            "ea-bits-len",
            "psid-offset",
            "psid-len",
            "mtu",
        }
        if unknown:
            return f"unknown input `{unknown.pop()}'\n"
        if len(values) < 3:
            return "mandatory argument(s) missing\n"
        (ip4, len4), (ip6, len6) = (values[word].split("/") for word in ("ip4-pfx", "ip6-pfx"))
        src, _slash, src_len = values["ip6-src"].partition("/")
        ea, offset, psid_len, mtu = (
            int(values.get(word, 0)) for word in ("ea-bits-len", "psid-offset", "psid-len", "mtu")
        )
        suffix = ea if int(len4) + ea < 32 else 32 - int(len4)
        if ea > 0 and (int(len6) + ea > 64 or int(len6) + suffix + psid_len > 64):
            return ""  # a warning in the log, and no domain
        domain = {
            "tag": tag,
            "ip4": f"{IPv4Address(ip4)}/{int(len4)}",
            "ip6": f"{IPv6Address(ip6)}/{int(len6)}",
            "src": f"{IPv6Address(src)}/{src_len or 128}",
            "numbers": [ea, offset, psid_len, mtu],
            "prefix": int(len4) + ea < 32,
            "rules": {},
        }
        assert all(d is None or d["ip4"] != domain["ip4"] for d in self.state["domains"]), (
            "covers another domain"
        )
        if self.state["free"]:
            self.state["domains"][self.state["free"].pop()] = domain
        else:
            self.state["domains"].append(domain)
        return ""

    def _domain(self, index: int) -> dict | None:
        return self.state["domains"][index] if index < len(self.state["domains"]) else None

    def _del_domain(self, rest: str) -> str:
        if self._domain(int(rest)) is not None:
            self.state["domains"][int(rest)] = None
            self.state["free"].append(int(rest))
        return ""

    def _add_rule(self, rest: str) -> str:
        match = re.fullmatch(r"index (\d+) psid (\d+) ip6-dst (\S+)", rest)
        if match is None:
            return "mandatory argument(s) missing\n"
        domain = self._domain(int(match[1]))
        ea, _offset, psid_len, _mtu = domain["numbers"] if domain else (1, 0, 0, 0)
        if domain is None or ea or int(match[2]) >= 1 << psid_len:
            return "Failing to add Mapping Rule\n"
        domain["rules"][match[2]] = str(IPv6Address(match[3]))
        return ""

    def _interface(self, rest: str) -> str:
        name, *more = rest.split()
        if name not in INTERFACES:
            return "unknown interface\n"
        enabled = self.state["map-t" if "map-t" in more else "map"]
        if "del" in more and name in enabled:
            enabled.remove(name)
        elif "del" not in more and name not in enabled:
            enabled.append(name)
        return ""

    def _params(self, rest: str) -> str:
        what, *values = rest.split()
        known = {
            "fragment": ["(inner|outer) (ignore-df|honor-df)"],
            "security-check": ["(enable|disable) fragments (on|off)"],
            "tcp-mss": [r"\d+"],
        }
        if not re.fullmatch(known[what][0], " ".join(values)):
            return "unknown input\n"
        self.state["params"][what] = " ".join(values)
        return ""

    def _plugin(self, rest: str) -> str:
        if (rest == "enable") == (self.state["nat64"] is not None):
            return f"plugin {rest} failed\n"
        self.state["nat64"] = {} if rest == "enable" else None
        return ""

    def _prefix(self, rest: str) -> str:
        prefix, *more = rest.split()
        if int(prefix.split("/")[1]) not in (32, 40, 48, 56, 64, 96):
            return "Invalid prefix length.\n"
        if more == ["del"]:
            if not self.state["nat64"]:
                return "NAT64 prefix not exist.\n"
            self.state["nat64"] = {}
        else:
            self.state["nat64"] = {"prefix": prefix}
        return ""

    def _pool(self, name: str, rest: str) -> str:
        delete = rest.endswith(" del")
        first, _dash, last = rest.removesuffix(" del").partition(" - ")
        for number in range(int(IPv4Address(first)), int(IPv4Address(last or first)) + 1):
            address = str(IPv4Address(number))
            if delete == (address not in self.state[name]):
                return f"pool address {address} {'not ' if delete else ''}exist.\n"
            if delete:
                self.state[name].remove(address)
            else:
                self.state[name].append(address)
        return ""

    def _listed(self, name: str, rest: str) -> str:
        entry = rest.removesuffix(" del")
        if (entry in self.state[name]) != rest.endswith(" del"):
            return "exist.\n"
        if entry in self.state[name]:
            self.state[name].remove(entry)
        else:
            self.state[name].append(entry)
        return ""

    def _nat64_interface(self, rest: str) -> str:
        side, name = rest.split()[:2]
        if side not in ("in", "out") or name not in INTERFACES:
            return "unknown input\n"
        return self._listed("nat64 interfaces", rest)

    def _dslite(self, rest: str) -> str:
        what, address = rest.split()
        self.state["dslite"][what] = str(IPv6Address(address))
        return ""

    def _show(self, rest: str) -> str:
        text = ""
        for index, d in enumerate(self.state["domains"]):
            if d is None:
                continue
            ea, offset, psid_len, mtu = d["numbers"]
            ip6 = f"::/{d['ip6'].split('/')[1]}" if d["rules"] else d["ip6"]
            text += (
                f"[{index}] tag {{{d['tag'] or '[no-tag]'}}} ip4-pfx {d['ip4']} ip6-pfx {ip6}"
                f" ip6-src {d['src']} ea-bits-len {ea} psid-offset {offset} psid-len {psid_len} mtu {mtu}"
                f" {'prefix' if d['prefix'] else ''}\n"
            )
            for psid in sorted(d["rules"], key=int):
                if d["rules"][psid] != "::":
                    text += f" rule psid: {psid} ip6-dst {d['rules'][psid]}\n"
        return text


def main(words: list[str]) -> None:
    path = Path(os.environ["VPP_STATE"])
    vpp = EmulatedVpp(json.loads(path.read_text()) if path.exists() else None)
    print(vpp.ask(*words), end="")
    path.write_text(json.dumps(vpp.state))


if __name__ == "__main__":
    main(sys.argv[1:])
