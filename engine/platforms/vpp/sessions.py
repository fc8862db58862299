# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NAT64, the PLAT of 464XLAT, and DS-Lite: at most one of each in a VPP."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

from ...mapping.pool import Pool
from ...mapping.rfc6052 import prefix_problem
from ...problem import Problem
from ...techniques import TECHNIQUES
from ...techniques.service import EDGE, GATEWAY, Service, StaticBinding
from ..assembly import found_service
from ..own_file import Section
from ..values import Leaf
from .words import in_order, leaf_after, only, pool_networks, pool_range

_ENABLE = "nat64 plugin enable"
_PREFIX = "nat64 add prefix "
_POOL64 = "nat64 add pool address "
_STATIC = "nat64 add static bib "
_INTERFACE = "set interface nat64 "
_POOL = "dslite add pool address "
_AFTR = "dslite set aftr-tunnel-endpoint-address "
_B4 = "dslite set b4-tunnel-endpoint-address "


def problems(service: Service) -> Iterator[Problem]:
    """What VPP cannot do of a service."""
    place = f"ipv4aas_services.{service.name}"
    translated = TECHNIQUES[service.technique].carriage == "translation"
    if translated:
        prefix = service.translation_prefix
        wrong = "missing" if prefix is None else prefix_problem(prefix)
        if wrong:
            yield Problem(f"{place}.gateway.translation_prefix", wrong, "a prefix of RFC 6052")
    if service.role == GATEWAY:
        pool = service.pool
        if pool is None or not pool.ipv4:
            yield Problem(f"{place}.ipv4_pools", "missing", "the outside addresses")
        elif pool.block_size or pool.deterministic:
            wrong = "VPP gives ports one by one, in no blocks that could be logged or computed"
            yield Problem(f"{place}.sharing.allocation", wrong, "dynamic, or another gateway")
        if service.static_bindings and not translated:
            wrong = "VPP's DS-Lite has no static entries"
            yield Problem(f"{place}.port_forwards", wrong, "none, or another gateway")


def nat64_lines(service: Service, inside: Sequence[str], outside: Sequence[str]) -> Iterator[str]:
    """The commands of a NAT64."""
    assert service.pool is not None  # problems
    yield _ENABLE
    yield f"{_PREFIX}{service.translation_prefix}"
    yield from (f"{_POOL64}{pool_range(network)}" for network in service.pool.ipv4)
    for one in service.static_bindings:
        yield (
            f"{_STATIC}{one.subscriber} {one.inside_port} {one.outside_address} {one.outside_port}"
            f" {one.protocol}"
        )
    yield from (f"{_INTERFACE}in {name}" for name in inside)
    yield from (f"{_INTERFACE}out {name}" for name in outside)


def ds_lite_lines(service: Service) -> Iterator[str]:
    """The commands of an AFTR, or of a B4."""
    if service.role == EDGE:
        yield f"{_B4}{service.softwire_address}"
    yield f"{_AFTR}{service.gateway_address}"
    if service.role == GATEWAY:
        assert service.pool is not None  # problems
        yield from (f"{_POOL}{pool_range(network)}" for network in service.pool.ipv4)


def parse(section: Section, wanted: tuple[Service, ...]) -> Service | None:
    """The NAT64 or DS-Lite service of a section, None where it is of another kind."""
    first = section.lines[0].text if section.lines else ""
    hint = next((service for service in wanted if service.name == section.service), None)
    if first.startswith("nat64 "):
        return found_service(section.service, wanted, _nat64(section, hint), "nat64")
    if first.startswith("dslite "):
        return found_service(section.service, wanted, _ds_lite(section, hint), "ds-lite")
    return None


def _nat64(section: Section, hint: Service | None) -> dict[str, Any]:
    kinds = _kinds(section, (_PREFIX, _POOL64, _STATIC, _INTERFACE, _ENABLE))
    prefix = leaf_after(only(kinds[_PREFIX], _PREFIX.strip(), section.entry), _PREFIX)
    only(kinds[_ENABLE], _ENABLE, section.entry)
    static = [_static(line) for line in kinds[_STATIC]]
    return {
        "role": GATEWAY,
        "translation_prefix": prefix.ipv6_network(),
        "pool": _pool([leaf_after(line, _POOL64) for line in kinds[_POOL64]], hint),
        "static_bindings": in_order(static, hint.static_bindings if hint else ()),
    }


def _static(line: Leaf) -> StaticBinding:
    words = leaf_after(line, _STATIC).value.split()
    if len(words) != 5 or words[4] not in ("tcp", "udp"):
        raise line.error("expected IPv6 address, port, IPv4 address, port, and tcp or udp")
    inside, inside_port, outside, outside_port = (Leaf(word, line.line, line.text) for word in words[:4])
    return StaticBinding(
        protocol=words[4],
        outside_address=IPv4Address(int(outside.ipv4_network().network_address)),
        outside_port=outside_port.integer(1, 65535),
        subscriber=inside.ipv6(),
        inside_port=inside_port.integer(1, 65535),
    )


def _ds_lite(section: Section, hint: Service | None) -> dict[str, Any]:
    kinds = _kinds(section, (_AFTR, _POOL, _B4))
    aftr = leaf_after(only(kinds[_AFTR], _AFTR.strip(), section.entry), _AFTR).ipv6()
    if not kinds[_B4]:
        pool = _pool([leaf_after(line, _POOL) for line in kinds[_POOL]], hint)
        return {"role": GATEWAY, "gateway_address": aftr, "pool": pool}
    b4 = leaf_after(only(kinds[_B4], _B4.strip(), section.entry), _B4)
    softwire = b4.ipv6()
    prefix = hint.end_user_prefix if hint else None
    if hint is None or prefix is None or hint.softwire_address != softwire:
        prefix = Leaf(f"{softwire}/64", b4.line, b4.text).ipv6_network()
    return {"role": EDGE, "gateway_address": aftr, "end_user_prefix": prefix}


def _pool(ranges: list[Leaf], hint: Service | None) -> Pool:
    wanted = hint.pool if hint else None
    networks = pool_networks(ranges, wanted.ipv4 if wanted else ())
    return replace(wanted, ipv4=networks) if wanted else Pool(ipv4=networks)


def _kinds(section: Section, starts: tuple[str, ...]) -> dict[str, list[Leaf]]:
    """The commands by their first words. Raises ParseError for others."""
    kinds: dict[str, list[Leaf]] = {start: [] for start in starts}
    for line in section.lines:
        start = next((start for start in starts if line.text.startswith(start)), None)
        if start is None:
            raise line.error(f"is not understood; expected {', '.join(starts)}")
        kinds[start].append(line)
    return kinds
