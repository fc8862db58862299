# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random services of every technique and role within the limits of a features.yml, and some fixed ones."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any

from ansible_collections.ipv4aas.fleet.engine.mapping.binding import Binding
from ansible_collections.ipv4aas.fleet.engine.mapping.plane import Plane, PlaneRoute
from ansible_collections.ipv4aas.fleet.engine.mapping.pool import Pool
from ansible_collections.ipv4aas.fleet.engine.mapping.rule import MapRule
from ansible_collections.ipv4aas.fleet.engine.plan.capability import Feature
from ansible_collections.ipv4aas.fleet.engine.techniques import TECHNIQUES
from ansible_collections.ipv4aas.fleet.engine.techniques.service import EDGE, GATEWAY, Service
from hypothesis import strategies as st

RULE = MapRule(IPv6Network("2001:3e8:6000::/56"), IPv4Network("130.129.255.92/30"), 8, 4)
DMR = IPv6Network("2001:db8:ffff::/64")
PREF64 = IPv6Network("64:ff9b::/96")
GATEWAY_ADDRESS = IPv6Address("2001:3e8:0:2900::1")
POOL = Pool(ipv4=(IPv4Network("198.51.100.64/26"),))
BINDINGS = tuple(
    Binding(IPv6Address(f"2001:3e8:6000:{psid:x}::1"), IPv4Address("130.129.255.93"), 0, 6, psid)
    for psid in (5, 52)
)
PLANE = Plane(IPv6Network("2001:db8:1:1::/64"), 9)
END_USER_PREFIX = IPv6Network("2001:3e8:6000:45::/64")


def shownet(technique: str, role: str, **fields: Any) -> Service:
    """Service hall7: ShowNet's numbers in any technique."""
    row = TECHNIQUES[technique]
    made: dict[str, Any] = {"name": "hall7", "gateway_address": GATEWAY_ADDRESS}
    if row.mapping == "rule":
        made["rules"] = (RULE,)
        if row.carriage == "translation":
            made["translation_prefix"] = DMR
    elif row.mapping == "binding":
        made["bindings"] = BINDINGS[:1] if role == EDGE else BINDINGS
    elif row.mapping == "session":
        if role == GATEWAY:
            made["pool"] = POOL
        if row.carriage == "translation":
            made["translation_prefix"] = PREF64
    else:
        made |= {
            "plane": PLANE,
            "plane_routes": (PlaneRoute(IPv4Network("10.1.0.0/24"), IPv6Network("2001:db8:1:2::/64")),),
            "inside": (IPv4Network("10.0.0.0/24"),),
        }
    if role == EDGE and row.mapping in ("rule", "binding", "session"):
        made |= {"end_user_prefix": END_USER_PREFIX, "inside": (IPv4Network("192.168.1.0/24"),)}
    return Service(technique=technique, role=role, **(made | fields))


def services_of(row: Feature, most: int) -> st.SearchStrategy[tuple[Service, ...]]:
    """One to ``most`` services with names of their own."""
    least_name, most_name = row.limits.get("name_length", (1, 12))
    length = max(1, min(most_name, 8))
    names = st.lists(
        st.from_regex(rf"[a-z][a-z0-9]{{{max(0, least_name - 1)},{length - 1}}}", fullmatch=True),
        min_size=1,
        max_size=most,
        unique=True,
    )
    return names.flatmap(
        lambda chosen: st.tuples(*(_service(row, name, number) for number, name in enumerate(chosen)))
    )


@st.composite
def _service(draw: st.DrawFn, row: Feature, name: str, number: int) -> Service:
    """``number`` keeps the addresses of a node's services apart."""
    limits = row.limits
    technique = TECHNIQUES[row.technique]
    least_mtu, most_mtu = limits.get("ipv6_mtu", (1280, 9192))
    fields: dict[str, Any] = {
        "name": name,
        "gateway_address": IPv6Address((0x20010DB8 << 96) | (number << 80) | draw(st.integers(1, 2**64))),
        "ipv6_mtu": draw(st.integers(max(1280, least_mtu), min(9192, most_mtu))),
        "mss_clamp": draw(st.sampled_from([0, 1200, 1400])),
        "hairpinning": draw(st.booleans()),
        "strict_iid": draw(st.booleans()),
        "filtering": draw(st.sampled_from(["address-dependent", "endpoint-independent"])),
        "udp_zero_checksum": draw(st.sampled_from(["compute", "forward", "drop"])),
        "fragmentation": draw(st.sampled_from(["outer", "inner"])),
    }
    made = shownet(row.technique, row.role, **fields)
    if technique.mapping == "rule":
        count = draw(st.integers(1, min(3, limits.get("rules", (1, 3))[1])))
        made = replace(
            made,
            rules=tuple(draw(rules(row, 4 * number + index)) for index in range(count)),
            interface_identifier=draw(st.sampled_from(row.iid_formats or ("rfc7597",))),
        )
    elif technique.mapping == "binding":
        count = 1 if row.role == EDGE else draw(st.integers(1, 5))
        made = replace(made, bindings=draw(bindings(number, count)))
    elif technique.mapping == "session" and row.role == GATEWAY:
        made = replace(made, pool=draw(pools(number)))
    if made.translation_prefix is not None:
        made = replace(made, translation_prefix=draw(prefixes(row.technique, number)))
    if row.role == EDGE and technique.mapping == "rule":
        made = replace(made, end_user_prefix=made.rules[0].nth_prefix(0))
    elif row.role == EDGE and technique.mapping == "binding":
        made = replace(made, end_user_prefix=IPv6Network((made.bindings[0].softwire, 56), strict=False))
    return made


@st.composite
def rules(draw: st.DrawFn, row: Feature, number: int) -> MapRule:
    """Rules with EA bits; addresses shared or not. Prefixes with another ``number`` do not overlap."""
    limits = row.limits
    least_psid, most_psid = limits.get("psid_len", (0, 12))
    psid_len = draw(st.integers(least_psid, min(most_psid, 10)))
    ipv4_len = draw(st.integers(16, 32))
    ea_len = 32 - ipv4_len + psid_len
    least_offset, most_offset = limits.get("psid_offset", (0, 16))
    offset = draw(st.integers(least_offset, min(most_offset, 16 - psid_len))) if psid_len else 4
    ipv6_len = draw(st.integers(24, 64 - ea_len)) if ea_len <= 40 else 24
    ipv6 = (0x2400 + number << 112) | draw(st.integers(0, 2**64)) << 40
    ipv4 = (11 + number << 24) | draw(st.integers(0, 2**24 - 1))
    return MapRule(
        IPv6Network((ipv6 & (2**128 - 1), ipv6_len), strict=False),
        IPv4Network((ipv4, ipv4_len), strict=False),
        ea_len,
        offset,
    )


@st.composite
def bindings(draw: st.DrawFn, number: int, count: int) -> tuple[Binding, ...]:
    """Bindings of one address, each with a port set of its own."""
    length = draw(st.integers(3, 8))
    psids = draw(st.lists(st.integers(0, (1 << length) - 1), min_size=count, max_size=count, unique=True))
    ipv4 = IPv4Address((203 << 24) | (number << 8) | draw(st.integers(1, 254)))
    return tuple(
        Binding(IPv6Address((0x2600 << 112) | (number << 96) | (psid << 72) | 1), ipv4, 0, length, psid)
        for psid in psids
    )


@st.composite
def pools(draw: st.DrawFn, number: int) -> Pool:
    """Pools of one or two networks, with and without quotas and blocks."""
    length = draw(st.integers(24, 30))
    count = draw(st.integers(1, 2))
    networks = tuple(
        IPv4Network((198 << 24 | 51 << 16 | (2 * number + index) << 8, length)) for index in range(count)
    )
    return Pool(
        ipv4=networks,
        ports_per_subscriber=draw(st.sampled_from([0, 512, 1024, 4096])),
        block_size=draw(st.sampled_from([0, 128, 512])),
    )


def prefixes(technique: str, number: int) -> st.SearchStrategy[IPv6Network]:
    """Prefixes of RFC 6052 (of a DMR: /64 or /96), different for each ``number``."""
    lengths = [64, 96] if TECHNIQUES[technique].mapping == "rule" else [32, 40, 48, 56, 64, 96]
    base = 0x2A00 << 112 | number << 96
    return st.tuples(st.integers(0, 2**16 - 1), st.sampled_from(lengths)).map(
        lambda pair: IPv6Network((base | pair[0] << 72, pair[1]), strict=False)
    )
