# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VyOS."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network

from ansible_collections.ipv4aas.fleet.engine.techniques.service import Service

from .case import Case
from .services import POOL, shownet
from .terminal import Manners
from .vyos_device import VyosDevice


def fit(service: Service) -> Service:
    """Open filtering, a translation prefix of 96 bits."""
    if service.pool is None:
        return service
    prefix = IPv6Network((service.translation_prefix.network_address, 96))
    return replace(service, translation_prefix=prefix, filtering="endpoint-independent")


OPEN = {"filtering": "endpoint-independent"}
# Not the well-known prefix: it carries no addresses of documents and tests (RFC 6052 section 3.1).
OWN = OPEN | {"translation_prefix": IPv6Network("2001:db8:64::/96")}
TWO = replace(POOL, ipv4=(*POOL.ipv4, IPv4Network("198.51.100.9/32")), first_port=4096)

CASE = Case(
    platform="vyos",
    options={"rule": 100, "tunnel": "tun0"},
    device=lambda dialect: VyosDevice(),
    golden={
        "nat64": (shownet("nat64", "gateway", **OWN),),
        "464xlat": (shownet("464xlat", "gateway", pool=TWO, **OWN),),
        "ds-lite": (shownet("ds-lite", "edge"),),
    },
    endings={"cli": "txt"},
    fit=fit,
    manners={
        # As docs/cli.rst of VyOS shows it; what it says of a refused line is from public transcripts.
        "cli": Manners(
            exec_prompt="vyos@vyos:~$",
            inside_prompt="vyos@vyos#",
            enter="configure",
            leave="exit discard",
            read="show configuration commands",
            show="run ",
            quiet="(set )?terminal .*",
            refused="Set failed",
            candidate=True,
            compare="compare",
            commit="commit",
            save="save",
        )
    },
    most_services=1,
)
