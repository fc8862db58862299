# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nokia SR OS."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network

from ansible_collections.ipv4aas.fleet.engine.mapping.rule import MapRule
from ansible_collections.ipv4aas.fleet.engine.techniques.service import Service

from .case import Case
from .nokia_sros_device import Classic, MdCli
from .services import POOL, RULE, shownet
from .terminal import Manners

NAPT_POOL = replace(POOL, block_size=960, ports_per_subscriber=960, first_port=4096)
PREFIX = IPv6Network("2001:db8:6400::/96")
_SECOND = MapRule(IPv6Network("2001:3e8:7000::/56"), IPv4Network("203.0.113.0/26"), 8, 6)


def _fit(service: Service) -> Service:
    if service.pool is None:
        return service
    size = service.pool.block_size or 64
    blocks = 1 + service.pool.ports_per_subscriber // size % 40
    first_port = 4096 if blocks % 2 else 1024
    pool = replace(service.pool, block_size=size, ports_per_subscriber=size * blocks, first_port=first_port)
    checksum = service.udp_zero_checksum.replace("forward", "compute")
    if service.technique == "ds-lite":
        return replace(service, pool=pool)
    return replace(service, pool=pool, udp_zero_checksum=checksum)


def _services() -> Iterator[tuple[str, tuple[Service, ...]]]:
    yield "map-t", (shownet("map-t", "gateway"),)
    other_dmr = IPv6Network("2001:db8:fffe::/96")
    second = shownet(
        "map-t", "gateway", name="hall8", rules=(_SECOND,), mss_clamp=1440, translation_prefix=other_dmr
    )
    yield "map-t-two", (shownet("map-t", "gateway", rules=(RULE,), ipv6_mtu=8686), second)
    yield "ds-lite", (shownet("ds-lite", "gateway", pool=NAPT_POOL),)
    for technique in ("nat64", "464xlat"):
        yield technique, (shownet(technique, "gateway", pool=NAPT_POOL, translation_prefix=PREFIX),)
    pool = replace(
        NAPT_POOL,
        ipv4=(IPv4Network("198.18.0.0/21"), IPv4Network("203.0.113.0/28")),
        ports_per_subscriber=3840,
        first_port=1024,
        subscriber_prefix_len=128,
    )
    other = {"pool": pool, "filtering": "endpoint-independent", "mss_clamp": 1460}
    yield "ds-lite-large", (shownet("ds-lite", "gateway", ipv6_mtu=1540, **other),)
    more = {"ipv6_mtu": 1520, "udp_zero_checksum": "drop", "translation_prefix": PREFIX}
    yield "nat64-large", (shownet("nat64", "gateway", **(other | more)),)


GOLDEN: Mapping[str, tuple[Service, ...]] = dict(_services())

CASE = Case(
    platform="nokia_sros",
    options={"nat_group": 1},
    device=lambda dialect: MdCli() if dialect == "mdcli" else Classic(),
    golden=GOLDEN,
    endings={"mdcli": "txt", "classic": "cfg"},
    fit=_fit,
    manners={
        "mdcli": Manners(
            exec_prompt="[/]\r\nA:admin@box#",
            inside_prompt="{mark}(ex)[/]\r\nA:admin@box#",
            marks=("", "*"),
            enter="edit-config exclusive",
            leave="quit-config",
            read="/admin show configuration full-context",
            show="",
            quiet=r"(?://)?environment .*",
            refused="MINOR: MGMT_CORE #2201: Unknown element",
            candidate=True,
            compare="compare",
            check="validate",
            discard="discard",
            commit="commit",
            trial=r"commit confirmed (\d+)",
            unit=60,
            confirm="commit confirmed accept",
            revert="commit confirmed cancel",
            save="/admin save",
        ),
        "classic": Manners(
            exec_prompt="{mark}A:box#",
            inside_prompt="{mark}A:box>config{mode}#",
            marks=("", "*"),
            mode=">sub",
            enter="configure",
            leave="exit all",
            opens=r"router|service|nat|outside|inside|map|dual-stack-lite|nat64"
            r"|(?:vprn|address|pool|nat-policy|map-domain|mapping-rule|address-range) .*",
            read="/admin display-config",
            show="",
            quiet=r"(?://)?environment .*",
            refused="Error: Bad command.",
            save="/admin save",
        ),
    },
    most_services=1,
)
