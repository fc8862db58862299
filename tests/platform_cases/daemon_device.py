# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small models of daemons whose file is the collection's as a whole: each refuses what its daemon refuses."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Address, IPv6Network

from ansible_collections.ipv4aas.fleet.engine.node import check as node_check

PREF64_LENGTHS = (32, 40, 48, 56, 64, 96)


class FileDevice:
    """A host with the file; ``nothing`` is what stands there before a first service."""

    def __init__(self, nothing: str, check: Callable[[str], None]) -> None:
        self._text, self._check = nothing, check

    def show(self) -> str:
        return self._text

    def apply(self, payload: str) -> None:
        if payload:
            self._check(payload)
            self._text = payload


def check_node(text: str) -> None:
    """As ``ipv4aas-node propose``."""
    node_check.configuration(json.loads(text))


def check_bind(text: str) -> None:
    """named.conf(5), dns64: a prefix once, lists of addresses."""
    plain = re.sub(r"#.*", "", text)
    blocks = re.findall(r"dns64 (\S+) \{((?:[^{}]|\{[^{}]*\})*)\};", plain)
    rest = re.sub(r"dns64 \S+ \{(?:[^{}]|\{[^{}]*\})*\};", "", plain)
    assert not rest.strip(), f"unknown option: {rest.strip()}"
    prefixes = [IPv6Network(prefix) for prefix, _ in blocks]
    assert len(set(prefixes)) == len(prefixes), "a zone twice"
    for prefix, (_, inside) in zip(prefixes, blocks, strict=True):
        assert prefix.prefixlen in PREF64_LENGTHS
        lists = dict(re.findall(r"(clients|mapped|exclude) \{([^{}]*)\};", inside))
        assert set(lists) == {"clients", "mapped", "exclude"}
        for name, items in lists.items():
            for item in re.findall(r"!?([^;\s]+);", items):
                if item not in ("any", "none"):
                    (IPv4Network if name == "mapped" else IPv6Network)(item)


def check_unbound(text: str) -> None:
    """unbound.conf(5): options of the clause server; one prefix counts for the whole server."""
    prefixes = set()
    for line in text.splitlines():
        key, colon, value = line.split("#")[0].strip().partition(":")
        if not key:
            continue
        assert colon, f"syntax error: {line}"
        if key == "dns64-prefix":
            prefixes.add(IPv6Network(value.strip()))
        elif key == "private-address":
            IPv6Network(value.strip())
        elif key == "access-control":
            network, action = value.split()
            assert IPv6Network(network) and action == "allow"
        else:
            assert key in ("server", "module-config", "local-zone", "local-data", "local-data-ptr"), line
    assert len(prefixes) <= 1 and all(prefix.prefixlen in PREF64_LENGTHS for prefix in prefixes)


def check_radvd(text: str) -> None:
    """radvd.conf(5): at least one interface."""
    plain = re.sub(r"#.*", "", text)
    assert re.search(r"interface \S+ \{", plain), "no interface"
    assert plain.count("{") == plain.count("}")
    for prefix, lifetime in re.findall(r"nat64prefix (\S+) \{ AdvValidLifetime (\d+); \};", plain):
        assert IPv6Network(prefix).prefixlen in PREF64_LENGTHS and 0 < int(lifetime) <= 65528


def check_kea(text: str) -> None:
    """subnet6 of kea-dhcp6: numbers and prefixes once, delegated prefixes inside their pool."""
    subnets = json.loads(text)
    numbers = [subnet["id"] for subnet in subnets]
    assert len(set(numbers)) == len(numbers)
    for subnet in subnets:
        keys = {"id", "subnet", "user-context", "pd-pools", "option-data", "reservations"}
        assert set(subnet) - {"interface", "relay"} == keys
        IPv6Network(subnet["subnet"])
        for pool in subnet["pd-pools"]:
            assert set(pool) <= {"prefix", "prefix-len", "delegated-len", "option-data"}
            IPv6Network((pool["prefix"], pool["prefix-len"]))
            assert pool["prefix-len"] <= pool["delegated-len"] <= 128
            _check_options(pool.get("option-data", ()))
        _check_options(subnet["option-data"])


def _check_options(options) -> None:
    for option in options:
        assert set(option) <= {"name", "space", "data", "code", "csv-format"}
        if option.get("csv-format") is False:
            bytes.fromhex(option["data"])
        elif option["name"] == "s46-br":
            IPv6Address(option["data"])


def check_hb46pp(text: str) -> None:
    """The table of the rule server: an answer has the one mechanism that its order names."""
    for entry in json.loads(text):
        assert set(entry) == {"service", "delegations", "answers"}
        for prefix, answer in entry["answers"].items():
            IPv6Network(prefix)
            assert 0 < answer["ttl"] <= 604800 and answer["enabler_name"]
            assert [word for word in answer["order"] if word in answer] == answer["order"]
