# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NAT64, 464XLAT and DS-Lite from objects of aXAPI."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, summarize_address_range
from typing import Any

from ...mapping.pool import Pool
from ...techniques.service import GATEWAY, Service
from ..assembly import found_service
from ..naming import rule_name
from ..values import Leaf
from . import objects
from .build import ETHERNET_MSS, batch, group_name
from .found import Found, service_name
from .objects import INSIDE, MSS, Kind

_DEFAULT_SUBTRACTED = {objects.NAT64.path: 20, objects.DS_LITE.path: 40}
_DEFAULT_QUOTA_PREFIX = 128


def services(found: Found, wanted: tuple[Service, ...]) -> Iterator[Service]:
    """Those that are switched on for a class list of ours."""
    for kind in (objects.NAT64, objects.DS_LITE):
        if kind.path in found.objects:
            yield _session_service(found, kind, wanted)


def _session_service(found: Found, kind: Kind, wanted: tuple[Service, ...]) -> Service:
    named = found.need(kind.path, *INSIDE)
    service = service_name(named.value)
    hint = next((each for each in wanted if each.name == service), None)
    listed = found.named(objects.CLASS_LIST, named.value, named)
    lid = _lid(found, listed)
    carried: dict[str, Any] = {
        "role": GATEWAY,
        "technique": "ds-lite",
        "pool": _pool(found, lid, service, hint.pool if hint else None),
        "mss_clamp": mss(found, kind.path, _DEFAULT_SUBTRACTED[kind.path], hint),
    }
    if kind is objects.NAT64:
        translating = hint is not None and hint.technique in ("nat64", "464xlat")
        carried["technique"] = hint.technique if hint and translating else "nat64"
        carried["translation_prefix"] = _prefix(found, named).ipv6_network()
    return found_service(service, wanted, carried)


def _prefix(found: Found, named: Leaf) -> Leaf:
    paths = [path for path, body in found.of(objects.PREFIX) if body["class-list"] == named.value]
    if len(paths) != 1:
        raise named.error(f"{len(paths)} of {objects.PREFIX.path} have this class-list, not one")
    return found.need(paths[0], "prefix-val")


def _lid(found: Found, listed: str) -> str:
    """The one LID that all customers of a class list have."""
    at_list = found.leaf(listed, "", "ipv6-list")
    numbers = {entry.get("v6-lsn-lid") for entry in found.objects[listed].get("ipv6-list", ())}
    if len(numbers) != 1:
        raise at_list.error(f"its customers have {len(numbers)} LSN LIDs, not one")
    [number] = numbers
    return found.named(objects.LID, str(number), at_list)


def _pool(found: Found, lid: str, service: str, hint: Pool | None) -> Pool:
    named = found.need(lid, "source-nat-pool", "pool-name")
    names = _pool_names(found, named, service)
    paths = [found.named(objects.POOL, name, named) for name in names]
    blocks = {_optional(found, path, 4096, "port-batch-v2-size") for path in paths}
    firsts = {_first_port(found, path) for path in paths}
    if len(blocks) > 1 or len(firsts) > 1:
        raise named.error("its pools have different port batches or usable ports")
    prefix = found.at(lid, "user-quota-prefix-length")
    block = blocks.pop()
    if hint and hint.block_size and batch(hint.block_size) == block:
        block = hint.block_size
    carried: dict[str, Any] = {
        "ipv4": tuple(network for path in paths for network in _networks(found, path)),
        "block_size": block,
        "first_port": firsts.pop(),
        "ports_per_subscriber": _quota(found, lid),
        "sessions_per_subscriber": _optional(found, lid, (1 << 31) - 1, "user-quota", "session"),
        "subscriber_prefix_len": prefix.integer(1, 128) if prefix else _DEFAULT_QUOTA_PREFIX,
    }
    return replace(hint or Pool(ipv4=()), **carried)


def _pool_names(found: Found, named: Leaf, service: str) -> list[str]:
    """Pools in the order of the service's networks; one, or the members of a group."""
    if named.value != group_name(service):
        return [named.value]
    members = found.objects[found.named(objects.GROUP, named.value, named)].get("member-list", [])
    names = [str(member.get("pool-name")) for member in members]
    places = {rule_name(service, index): index for index in range(len(names))}
    return sorted(names, key=lambda name: (places.get(name, len(names)), name))


def _networks(found: Found, path: str) -> list[IPv4Network]:
    first, last = found.need(path, "start-address"), found.need(path, "end-address")
    try:
        return list(summarize_address_range(IPv4Address(first.value), IPv4Address(last.value)))
    except ValueError as error:
        raise last.error(f"{first.value} to {last.value}: {error}") from error


def _first_port(found: Found, path: str) -> int:
    if not _optional(found, path, 1, "usable-nat-ports"):
        return objects.FIRST_PORT
    last = found.need(path, "usable-nat-ports-end")
    if last.integer(1, 65535) != 65535:
        raise last.error("ports up to 65535 are used")
    return found.need(path, "usable-nat-ports-start").integer(1, 65535)


def _quota(found: Found, lid: str) -> int:
    """One number of ports, the same for each protocol."""
    places = (("icmp",), ("quota-tcp", "tcp-quota"), ("quota-udp", "udp-quota"))
    quotas = {_optional(found, lid, 64000, "user-quota", *keys) for keys in places}
    if len(quotas) > 1:
        wrong = "TCP, UDP and ICMP have different quotas"
        raise found.leaf(lid, "", "user-quota").error(wrong)
    return quotas.pop()


def _optional(found: Found, path: str, most: int, *keys: str) -> int:
    value = found.at(path, *keys)
    return value.integer(0, most) if value else 0


def mss(found: Found, path: str, default: int, hint: Service | None) -> int:
    """What IPv4 hosts on Ethernet are held to; that they are held to nothing is any number above theirs."""
    clamp = found.at(path, *MSS, "mss-clamp-type")
    kind = clamp.value if clamp else "subtract"
    if kind == "none":
        return 0
    if kind == "fixed":
        return found.need(path, *MSS, "mss-value").integer(1, 1420)
    subtracted = found.at(path, *MSS, "mss-subtract")
    if kind != "subtract" and clamp:
        raise clamp.error(f"{kind} is none of fixed, none, subtract")
    held = ETHERNET_MSS - (subtracted.integer(0, 1420) if subtracted else default)
    return hint.mss_clamp if hint and held == ETHERNET_MSS < hint.mss_clamp else held
