# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small model of m46eapp's reader (m46eapp_config.c): refuses what it refuses, plane by plane."""

from __future__ import annotations

from ipaddress import IPv4Interface, IPv4Network, IPv6Address, IPv6Network

REQUIRED = {
    "general": {
        "plane_name",
        "m46e_unicast_prefix",
        "m46e_pr_src_addr_unicast_prefix",
        "m46e_multicast_prefix",
        "tunnel_mode",
    },
    "tunnel": {"tunnel_name"},
    "device": {"physical_dev"},
    "m46e-pr": set(),
    "pmtud": set(),
}


class M46eDevice:
    """The file, which is the collection's as a whole."""

    def __init__(self, empty: str) -> None:
        self._text = empty

    def show(self) -> str:
        return self._text

    def apply(self, payload: str) -> None:
        if payload:
            for plane in payload.split("# service ")[1:]:
                load(plane.split("\n", 1)[1])
            self._text = payload


def load(text: str) -> None:
    """One file of m46eapp."""
    assert text.endswith("\n")  # the last character of each line is cut off, whatever it is
    sections: list[tuple[str, dict[str, str]]] = []
    for line in text.splitlines():
        if line.startswith("#") or not line:
            continue
        if line.startswith("["):
            kind = line.strip("[]")
            assert kind in REQUIRED, kind
            assert kind in ("device", "m46e-pr") or kind not in dict(sections), f"{kind} is there twice"
            sections.append((kind, {}))
        else:
            key, _equals, value = line.partition(" = ")
            assert key not in sections[-1][1], key
            sections[-1][1][key] = value
    for kind, values in sections:
        assert set(values) >= REQUIRED[kind], kind
    found = dict(sections)
    general, tunnel = found["general"], found["tunnel"]
    prefix = IPv6Network(general["m46e_unicast_prefix"])
    assert prefix.prefixlen <= 96 - ("plane_id" in general)
    assert IPv6Address(f"::{general.get('plane_id', '0:0')}:0:0")
    assert IPv6Network(general["m46e_multicast_prefix"]).is_multicast
    assert general["tunnel_mode"] == "0" or general["route_sync"] == "no"
    assert len(tunnel["tunnel_name"]) <= 15 and 1280 <= int(tunnel["mtu"]) <= 65521
    devices = [values for kind, values in sections if kind == "device"]
    gateways = sum("ipv4_gateway" in values for values in devices)
    assert gateways + (tunnel["ipv4_default_gw"] == "yes") <= 1
    for values in devices:
        IPv4Interface(values["ipv4_address"])
    entries = [(v["ipv4_address"], v["m46e_pr_prefix"]) for kind, v in sections if kind == "m46e-pr"]
    assert len(set(entries)) == len(entries)
    for network, behind in entries:
        assert IPv4Network(network) and IPv6Network(behind).prefixlen <= 96
