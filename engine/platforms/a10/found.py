# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services from objects of aXAPI. All raise ParseError with the line of what cannot be understood."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, summarize_address_range
from typing import Any

from ...mapping.iid import DRAFT03, RFC7597
from ...mapping.pool import Pool
from ...mapping.portset import PORT_BITS
from ...mapping.rule import MapRule
from ...techniques.service import GATEWAY, Service
from ..assembly import map_rule, wanted_rule
from ..driver import ParseError
from ..naming import OURS, rule_name
from ..objects import Body, Objects
from ..own_file import found_service
from ..values import Leaf
from . import objects
from .bindings import found_bindings
from .build import ETHERNET_MSS, batch, group_name
from .objects import INSIDE, MSS, Kind, at

_DEFAULT_SUBTRACTED = {objects.NAT64.path: 20, objects.DS_LITE.path: 40}
_DEFAULT_QUOTA_PREFIX = 128
_SETTINGS = ("shared-addr", "single-addr", "prefix-addr")


# Where a value of an object stands: its path, the value, and the keys that lead to it.
Locate = Callable[..., Leaf]


class Found:
    """Our objects of a device, with the place of each value in its text."""

    def __init__(self, ours: Objects, locate: Locate) -> None:
        self.objects = ours
        self._locate = locate

    def at(self, path: str, *keys: str) -> Leaf | None:
        """A value with its line; None where there is none."""
        value = at(self.objects[path], *keys)
        return None if value is None else self.leaf(path, value, *keys)

    def need(self, path: str, *keys: str) -> Leaf:
        """A value that has to be there."""
        found = self.at(path, *keys)
        if found is None:
            raise self.leaf(path, "").error(f"has no {'.'.join(keys)}")
        return found

    def leaf(self, path: str, value: object, *keys: str) -> Leaf:
        """A value at a place."""
        return self._locate(path, value, *keys)

    def of(self, kind: Kind) -> Iterator[tuple[str, Body]]:
        """Paths and objects of a kind."""
        for path, body in self.objects.items():
            if objects.kind_of(path) is kind:
                yield path, body

    def named(self, kind: Kind, name: str, asked: Leaf) -> str:
        """Path of the object that another one names."""
        path = f"{kind.path}/{name}"
        if path not in self.objects:
            raise asked.error(f"there is no {path} of ours")
        return path


def services(ours: Objects, locate: Locate, wanted: tuple[Service, ...]) -> tuple[Service, ...]:
    """In the order of ``wanted``, then those that nobody wants, by name."""
    found = Found(ours, locate)
    made = {
        service.name: service
        for service in (
            *_session_services(found, wanted),
            *_map_services(found, wanted),
            *_binding_services(found, wanted),
        )
    }
    known = [service.name for service in wanted if service.name in made]
    return tuple(made[name] for name in (*known, *sorted(made.keys() - set(known))))


def _service_name(name: str) -> str:
    return name.removeprefix(f"{OURS}-")


def _number(leaf: Leaf, least: int, most: int) -> int:
    return leaf.integer(least, most)


# -- NAT64, 464XLAT, DS-Lite --------------------------------------------------------------------


def _session_services(found: Found, wanted: tuple[Service, ...]) -> Iterator[Service]:
    for kind in (objects.NAT64, objects.DS_LITE):
        if kind.path in found.objects:
            yield _session_service(found, kind, wanted)


def _session_service(found: Found, kind: Kind, wanted: tuple[Service, ...]) -> Service:
    named = found.need(kind.path, *INSIDE)
    service = _service_name(named.value)
    hint = next((each for each in wanted if each.name == service), None)
    listed = found.named(objects.CLASS_LIST, named.value, named)
    lid = _lid(found, listed)
    carried: dict[str, Any] = {
        "role": GATEWAY,
        "technique": "ds-lite",
        "pool": _pool(found, lid, service, hint.pool if hint else None),
        "mss_clamp": _mss(found, kind.path, _DEFAULT_SUBTRACTED[kind.path], hint),
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
    names = [member["pool-name"] for member in members]
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
    if _number(last, 1, 65535) != 65535:
        raise last.error("ports up to 65535 are used")
    return _number(found.need(path, "usable-nat-ports-start"), 1, 65535)


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


def _mss(found: Found, path: str, default: int, hint: Service | None) -> int:
    """What IPv4 hosts on Ethernet are held to; that they are held to nothing is any number above theirs."""
    clamp = found.at(path, *MSS, "mss-clamp-type")
    kind = clamp.value if clamp else "subtract"
    if kind == "none":
        return 0
    if kind == "fixed":
        return _number(found.need(path, *MSS, "mss-value"), 1, 1420)
    subtracted = found.at(path, *MSS, "mss-subtract")
    if kind != "subtract" and clamp:
        raise clamp.error(f"{kind} is none of fixed, none, subtract")
    held = ETHERNET_MSS - (subtracted.integer(0, 1420) if subtracted else default)
    return hint.mss_clamp if hint and held == ETHERNET_MSS < hint.mss_clamp else held


# -- MAP-E, MAP-T -------------------------------------------------------------------------------


def _map_services(found: Found, wanted: tuple[Service, ...]) -> Iterator[Service]:
    for path, body in found.of(objects.MAP_E):
        service = _service_name(body["name"])
        form = found.at(path, "format")
        if form and form.value != DRAFT03:
            raise form.error(f"{form.value} is not {DRAFT03}")
        carried = {
            "role": GATEWAY,
            "technique": "map-e",
            "gateway_address": found.need(path, "tunnel-endpoint-address").ipv6(),
            "interface_identifier": DRAFT03 if form else RFC7597,
            "rules": _rules(found, path, service, wanted),
        }
        yield found_service(service, wanted, carried)
    for path, body in found.of(objects.MAP_T):
        service = _service_name(body["name"])
        told: dict[str, Any] = {
            "role": GATEWAY,
            "technique": "map-t",
            "translation_prefix": found.need(path, "default-mapping-rule", "rule-ipv6-prefix").ipv6_network(),
            "rules": _rules(found, path, service, wanted),
        }
        if found.at(path, *MSS, "mss-clamp-type"):
            hint = next((each for each in wanted if each.name == service), None)
            told["mss_clamp"] = _mss(found, path, 0, hint)
        yield found_service(service, wanted, told)


def _rules(found: Found, path: str, service: str, wanted: tuple[Service, ...]) -> tuple[MapRule, ...]:
    basic = at(found.objects[path], "basic-mapping-rule") or {}
    entries = basic.get("prefix-rule-list", [])
    if not entries:
        raise found.leaf(path, "").error("has no prefix-rule")
    places = {rule_name(service, index): index for index in range(len(entries))}
    ordered = sorted(entries, key=lambda entry: (places.get(entry.get("name"), len(entries)), str(entry)))
    return tuple(
        _rule(found, path, basic, entry, wanted_rule(wanted, service, index))
        for index, entry in enumerate(ordered)
    )


def _rule(found: Found, path: str, basic: Body, entry: Body, hint: MapRule | None) -> MapRule:
    name = str(entry.get("name"))

    def value(key: str, above: str = "") -> Leaf:
        told = entry.get(key, basic.get(above or key))
        if told is None:
            raise found.leaf(path, "").error(f"prefix-rule {name} has no {key}")
        shown = f"{found.leaf(path, '').text}: prefix-rule {name}: {key}"
        return Leaf(str(told), found.leaf(path, "", "basic-mapping-rule").line, shown)

    settings = value("ipv4-address-port-settings", "rule-ipv4-address-port-settings")
    if settings.value not in _SETTINGS:
        raise settings.error(f"{settings.value} is none of {', '.join(_SETTINGS)}")
    shared = settings.value == "shared-addr"
    netmask = value("ipv4-netmask")
    ipv4 = value("rule-ipv4-prefix")
    start = value("port-start") if shared else None
    ratio = value("share-ratio") if shared else settings
    return map_rule(
        ratio,
        ipv6_prefix=value("rule-ipv6-prefix").ipv6_network(),
        ipv4_prefix=Leaf(f"{ipv4.value}{netmask.value}", ipv4.line, ipv4.text).ipv4_network(),
        ea_len=value("ea-length").integer(0, 23),
        psid_offset=PORT_BITS - start.bits(15) if start and start.value != "0" else 0,
        psid_len=ratio.bits(16) if shared else 0,
        hint=hint,
    )


# -- lw4o6 --------------------------------------------------------------------------------------


def _binding_services(found: Found, wanted: tuple[Service, ...]) -> Iterator[Service]:
    path = objects.LW4O6.path
    if path not in found.objects:
        return
    named = found.need(path, "use-binding-table")
    table = found.named(objects.TABLE, named.value, named)
    service = _service_name(named.value)
    body = found.objects[path]
    told = {at(body, "no-forward-match", "send-icmpv6") or 0, at(body, "no-reverse-match", "send-icmp") or 0}
    hairpinning = body.get("hairpinning", "filter-none")
    if len(told) > 1:
        raise named.error("senders on one side alone are told that there is no binding")
    if hairpinning not in ("filter-none", "filter-all"):
        raise found.leaf(path, "", "hairpinning").error(f"{hairpinning} is not filter-none or filter-all")
    try:
        bound = found_bindings(found.objects[table], service, wanted)
    except (KeyError, ValueError, ParseError) as error:
        raise found.leaf(table, "").error(f"is no table of bindings: {error}") from error
    carried = {
        "role": GATEWAY,
        "technique": "lw4o6",
        "hairpinning": hairpinning == "filter-none",
        "icmp_on_miss": bool(told.pop()),
    }
    yield found_service(service, wanted, carried | bound)
