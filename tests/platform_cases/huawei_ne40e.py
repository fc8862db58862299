# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Huawei NE40E."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network

from ansible_collections.ipv4aas.fleet.engine.mapping.rule import MapRule
from ansible_collections.ipv4aas.fleet.engine.techniques.service import Service

from .case import Case
from .huawei_ne40e_device import Vrp
from .services import POOL, RULE, shownet
from .terminal import Manners

CUSTOMERS = IPv6Network("2001:db8::/40")
PREFIX = IPv6Network("2001:db8:6400::/96")
NAPT_POOL = replace(POOL, block_size=960, ports_per_subscriber=960, subscribers=CUSTOMERS)
_SECOND = MapRule(IPv6Network("2001:3e8:7000::/56"), IPv4Network("203.0.113.0/26"), 8, 6)


class AnyName(dict[str, int]):
    """instance_ids for services of any name."""

    def __contains__(self, name: object) -> bool:
        return True

    def __getitem__(self, name: str) -> int:
        return self.setdefault(name, 100 + len(self))

    def get(self, name, default=None):
        return self[name]


def _fit(service: Service) -> Service:
    if service.pool is None:
        return service
    pool, technique = service.pool, service.technique
    number = int(service.pool.ipv4[0].network_address) >> 8 & 0xFF
    subscribers = IPv6Network((0x20010DB9 << 96 | number << 80, 48))
    size = pool.block_size
    quota = pool.ports_per_subscriber
    if size:
        quota = size * (1 + quota // size % 4)
    elif technique != "ds-lite":
        quota = 0
    length = 128 if quota == 512 else pool.subscriber_prefix_len
    return replace(
        service,
        pool=replace(pool, ports_per_subscriber=quota, subscribers=subscribers, subscriber_prefix_len=length),
    )


def _services() -> Iterator[tuple[str, tuple[Service, ...]]]:
    yield "map-e", (shownet("map-e", "gateway"),)
    yield "map-t", (shownet("map-t", "gateway", mss_clamp=1440),)
    draft = {"interface_identifier": "draft-03", "ipv6_mtu": 1540, "mss_clamp": 1460}
    yield "map-e-draft-03", (shownet("map-e", "gateway", rules=(RULE, _SECOND), **draft),)
    yield "ds-lite", (shownet("ds-lite", "gateway", pool=NAPT_POOL),)
    for technique in ("nat64", "464xlat"):
        yield technique, (shownet(technique, "gateway", pool=NAPT_POOL, translation_prefix=PREFIX),)
    large = replace(NAPT_POOL, ipv4=(IPv4Network("198.18.0.0/21"), IPv4Network("203.0.113.0/28")))
    grown = replace(large, block_size=128, ports_per_subscriber=512)
    open_ = {"filtering": "endpoint-independent", "ipv6_mtu": 1540, "mss_clamp": 1460}
    yield "nat64-grown", (shownet("nat64", "gateway", pool=grown, translation_prefix=PREFIX, **open_),)
    quota = replace(NAPT_POOL, block_size=0, ports_per_subscriber=1000, subscriber_prefix_len=128)
    yield "ds-lite-quota", (shownet("ds-lite", "gateway", pool=quota, **open_),)


GOLDEN: Mapping[str, tuple[Service, ...]] = dict(_services())

CASE = Case(
    platform="huawei_ne40e",
    options={"instance_ids": AnyName(hall7=7), "service_instance_group": "1"},
    device=lambda dialect: Vrp(),
    golden=GOLDEN,
    endings={"cli": "txt"},
    fit=_fit,
    manners={
        "cli": Manners(
            exec_prompt="<box>",
            inside_prompt="[{mark}box{mode}]",
            marks=("~", "*"),
            enter="system-view",
            leave="return",
            exit="quit",
            opens=r"(?:map rule|(?:map-e|map-t|ds-lite|nat64) instance|(?:ds-lite|nat64) address-group) .*",
            read="display current-configuration",
            show="",
            quiet=r"screen-length .*|(?:undo )?configuration exclusive",
            refused="Error: Unrecognized command found at '^' position.",
            candidate=True,
            compare="display configuration candidate changes",
            discard="clear configuration candidate",
            commit="commit",
            trial=r"commit trial (\d+)",
            revert="abort trial",
            save="save",
        )
    },
)
