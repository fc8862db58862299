# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services of the SA46T techniques: stubs 10.1.1/24 and 10.1.2/24 in FP, 10.1.3/24 and 10.1.4/24 in PR."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any

from ansible_collections.ipv4aas.fleet.engine.mapping.plane import Plane, PlaneRoute
from ansible_collections.ipv4aas.fleet.engine.techniques.service import Service

FIXED = IPv6Network("2001:db8:0:46::/64")
TRANSLATOR = IPv6Network("2001:db8:0:ff::/64")  # the PT's own in the PR domain
PLANE_ID = 0x10002
TABLE = tuple(
    PlaneRoute(IPv4Network(ipv4), IPv6Network(ipv6))
    for ipv4, ipv6 in (
        ("10.1.3.0/24", "2001:db8:0:3::/64"),
        ("10.1.4.0/24", "2001:db8:0:4::/64"),
        ("0.0.0.0/0", str(TRANSLATOR)),
    )
)


def v6(prefix: object, ipv4: str, plane_id: int = PLANE_ID) -> str:
    """The address of the drafts, made here by hand."""
    high = int(IPv6Address(str(prefix).partition("/")[0]))
    return str(IPv6Address(high | plane_id << 32 | int(IPv4Address(ipv4))))


def fp(ipv4: str, plane_id: int = PLANE_ID) -> str:
    return v6(FIXED, ipv4, plane_id)


def service(technique: str = "sa46t", **changes: Any) -> Service:
    values: dict[str, Any] = {
        "name": "plane",
        "technique": technique,
        "role": "edge",
        "gateway_address": IPv6Address("::"),
        "plane": Plane(FIXED, PLANE_ID),
        "inside": (IPv4Network("10.1.1.0/24"),),
    }
    if technique == "sa46t-pr":
        values |= {
            "plane": Plane(IPv6Network("2001:db8:0:3::/64"), PLANE_ID),
            "plane_routes": TABLE,
            "inside": (IPv4Network("10.1.3.0/24"),),
        }
    elif technique == "sa46t-pt":
        values |= {
            "role": "gateway",
            "gateway_address": TRANSLATOR[1],
            "end_user_prefix": TRANSLATOR,
            "plane_routes": TABLE,
            "inside": (),
        }
    return Service(**(values | changes))
