# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenWrt."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv6Address, IPv6Network

import platform_devices as devices
from ansible_collections.ipv4aas.fleet.engine.mapping.iid import RFC7597, map_address
from ansible_collections.ipv4aas.fleet.engine.techniques.service import Service

from .case import Case
from .services import END_USER_PREFIX, shownet


def fit(service: Service) -> Service:
    """A lwB4 makes its softwire address of its prefix, IPv4 address and PSID."""
    if service.technique != "lw4o6":
        return service
    [own] = service.bindings
    prefix = service.end_user_prefix
    assert prefix is not None
    softwire = map_address(int(prefix.network_address), prefix.prefixlen, int(own.ipv4), own.psid, RFC7597)
    return replace(service, bindings=(replace(own, softwire=IPv6Address(softwire)),))


_LWB4 = shownet("lw4o6", "edge", end_user_prefix=END_USER_PREFIX)

# The well-known prefix is not for hosts with private addresses (RFC 6052 section 3.1).
_PLAT = IPv6Network("2001:db8:64::/96")

CASE = Case(
    platform="openwrt",
    options={"uplink": "wan6"},
    device=lambda dialect: devices.device("openwrt", dialect),
    golden={
        "shownet": (shownet("map-e", "edge"),),
        "map-t": (shownet("map-t", "edge"),),
        "lw4o6": (fit(_LWB4),),
        "ds-lite": (shownet("ds-lite", "edge"),),
        "464xlat": (shownet("464xlat", "edge", translation_prefix=_PLAT),),
    },
    fit=fit,
    endings={"uci": "uci"},
    facts=devices.facts,
)
