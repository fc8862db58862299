# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small VyOS: a tree of nodes, set and delete, and a commit that checks as its scripts do."""

from __future__ import annotations

import re
import shlex

# Nodes that hold a value, each with what it takes; ``[]`` after a pattern: several.
VALUES = {
    r"nat64 source rule \d+ description": r".{0,255}",
    r"nat64 source rule \d+ source prefix": r"[0-9a-f:]+/96",
    r"nat64 source rule \d+ translation pool \d+ description": r".{0,255}",
    r"nat64 source rule \d+ translation pool \d+ address": r"[0-9.]+(/\d+)?",
    r"nat64 source rule \d+ translation pool \d+ port": r"\d+(-\d+)?",
    r"interfaces tunnel tun\d+ description": r".{0,255}",
    r"interfaces tunnel tun\d+ encapsulation": r"(gre|ipip6|ip6ip6|sit)",
    r"interfaces tunnel tun\d+ mtu": r"\d+",
    r"interfaces tunnel tun\d+ parameters ipv6 encaplimit": r"(none|\d+)",
    r"interfaces tunnel tun\d+ (remote|source-address)": r"[0-9a-f.:]+",
    r"interfaces tunnel tun\d+ address[]": r"[0-9a-f.:/]+",
    r"interfaces ethernet eth\d+ address[]": r"\S+",
    r"interfaces ethernet eth\d+ description": r".*",
    r"firewall group address-group \S+ description": r".*",
    r"nat source rule \d+ description": r".*",
    r"nat source rule \d+ translation address": r"\S+",
    r"protocols static route \S+ next-hop": r"\S+",
    r"system host-name": r"\S+",
}
FOREIGN = (
    "set system host-name 'vyos'",
    *(f"set interfaces ethernet eth{n} address '192.0.2.{n}/31'" for n in range(60)),
    "set interfaces ethernet eth0 description 'ipv4aas-hall7'",
    *(f"set protocols static route 10.{n}.0.0/16 next-hop '192.0.2.1'" for n in range(60)),
    "set firewall group address-group ipv4aas-hall7 description 'it is not ours'",
    "set nat source rule 100 description 'ipv4aas-hall7'",
    "set nat source rule 100 translation address 'masquerade'",
    "set interfaces tunnel tun1 description 'ipv4aas'",
    "set interfaces tunnel tun1 encapsulation 'ipip6'",
    "set interfaces tunnel tun1 remote '2001:db8::1'",
    "set interfaces tunnel tun1 source-address '2001:db8::2'",
    "set interfaces tunnel tun2 address 'fe80::1/64'",
    "set interfaces tunnel tun2 description 'to ipv4aas-hall7'",
    "set interfaces tunnel tun2 encapsulation 'gre'",
    "set interfaces tunnel tun2 remote '192.0.2.9'",
    "set interfaces tunnel tun2 source-address '192.0.2.8'",
)


def _kind(path: str) -> tuple[str, bool] | None:
    for pattern, value in VALUES.items():
        if re.fullmatch(pattern.removesuffix("[]"), path):
            return value, pattern.endswith("[]")
    return None


class VyosDevice:
    """Settings by path."""

    def __init__(self) -> None:
        self.settings: dict[str, list[str]] = {}
        self.apply("\n".join(FOREIGN))

    def show(self) -> str:
        """What is shown has passed the checks of a commit."""
        self._verify()
        lines = [f"set {path} '{value}'" for path, values in self.settings.items() for value in values]
        return "".join(f"{line}\n" for line in sorted(lines))

    def apply(self, payload: str) -> None:
        for line in payload.splitlines():
            verb, *words = shlex.split(line)
            if verb == "set":
                self._set(" ".join(words[:-1]), words[-1])
                continue
            assert verb == "delete", line
            path = " ".join(words)
            gone = [one for one in self.settings if one == path or one.startswith(f"{path} ")]
            assert gone, f"nothing to delete: {path}"
            for one in gone:
                del self.settings[one]

    def _set(self, path: str, value: str) -> None:
        kind = _kind(path)
        assert kind is not None, f"Configuration path: [{path} {value}] is not valid"
        allowed, several = kind
        assert re.fullmatch(allowed, value), f"{path}: {value} is not valid"
        old = self.settings.get(path, [])
        self.settings[path] = [*old, value] if several and value not in old else [value]

    def _verify(self) -> None:
        rules = {path.split()[3] for path in self.settings if path.startswith("nat64 source rule ")}
        assert len(rules) <= 1, "Jool permits only 1 NAT64 netfilter instance"
        for rule in rules:
            start = f"nat64 source rule {rule}"
            assert f"{start} source prefix" in self.settings, f"rule {rule} missing source prefix"
            pools = {
                path.split()[6] for path in self.settings if path.startswith(f"{start} translation pool")
            }
            for pool in pools:
                for leaf in ("address", "port"):
                    assert f"{start} translation pool {pool} {leaf}" in self.settings, (
                        f"pool {pool}: no {leaf}"
                    )
        tunnels = {path.split()[2] for path in self.settings if path.startswith("interfaces tunnel ")}
        for tunnel in tunnels:
            for leaf in ("encapsulation", "remote", "source-address"):
                assert f"interfaces tunnel {tunnel} {leaf}" in self.settings, f"{tunnel}: no {leaf}"
