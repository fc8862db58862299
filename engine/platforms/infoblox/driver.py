# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Infoblox NIOS by WAPI: DNS64 groups of a view, DHCPv6 options of a network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Address, IPv6Network
from typing import Any

from ...plan.model import NodePlan
from ...problem import Problem, Refused
from ...provision.dhcpv6 import (
    AFTR_NAME,
    CONTAINERS,
    Container,
    OptionError,
    decode,
    encode_aftr_name,
    encode_container,
    option,
    split,
)
from ...techniques.service import PROVISIONER, RESOLVER, Dns64, Service
from ..driver import Change
from ..naming import OURS, rule_name
from ..objects import Body, Objects, change, leaf, read, write
from ..own_file import found_service
from ..resolver import check_services, dns64_of, prefix_of
from ..values import Leaf
from . import objects
from .objects import Kind

_ALLOW, _DENY = "ALLOW", "DENY"
_EVERY_IPV4 = "0.0.0.0/0"
_ANYBODY = "Any"
_DEFAULT_VIEW = "default"
# The names that we give to options, by technique: codes of RFC 6334 and RFC 7598.
_OPTIONS = {
    "ds-lite": (f"{OURS}-aftr-name", AFTR_NAME),
    "map-e": (f"{OURS}-s46-mape", CONTAINERS["map-e"]),
    "map-t": (f"{OURS}-s46-mapt", CONTAINERS["map-t"]),
}
_SPACE, _TYPE = "DHCPv6", "string"

Made = Iterator[tuple[Kind, Body]]


class Infoblox:
    """The driver. Ours are DNS64 groups and options named ipv4aas-..., and their entries in lists."""

    name = "infoblox"

    def context(self, node: NodePlan, dialect: str) -> dict[str, Any]:
        """The document. Raises Refused for what WAPI cannot be told."""
        resolving = tuple(service for service in node.services if service.role == RESOLVER)
        check_services(replace(node, services=resolving))
        problems = [*_resolver_problems(node, resolving), *_provisioner_problems(node)]
        if problems:
            raise Refused(problems)
        made: Objects = {}
        for kind, body in (*_dns_objects(node, resolving), *_dhcp_objects(node)):
            made[objects.path_of(kind, body)] = body
        return {"document": write(objects.owned(made))}

    def owned(self, text: str, dialect: str) -> str:
        """See platforms.driver.Driver."""
        return write(objects.owned(read(text)))

    def parse(self, text: str, dialect: str, wanted: tuple[Service, ...]) -> tuple[Service, ...]:
        """See platforms.driver.Driver."""
        found = objects.owned(read(text))
        services = {
            service.name: service for service in (*_resolvers(found, wanted), *_provisioners(found, wanted))
        }
        known = [service.name for service in wanted if service.name in services]
        return tuple(services[name] for name in (*known, *sorted(services.keys() - set(known))))

    def change(self, running: str, wanted: str, dialect: str) -> Change:
        """See platforms.driver.Driver. Edits of platforms.objects."""
        return change(objects.owned(read(running)), objects.owned(read(wanted)), objects.ORDER)


# -- DNS64 --------------------------------------------------------------------------------------


def _resolver_problems(node: NodePlan, services: Sequence[Service]) -> Iterator[Problem]:
    permission = node.options.get("exclude_permission")
    place = f"{node.name}.ipv4aas_options.exclude_permission"
    meaning = f"{_ALLOW} or {_DENY}, as excluded addresses have it in a DNS64 group that works"
    if permission not in (None, _ALLOW, _DENY):
        yield Problem(place, f"{permission!r} does not fit", meaning)
    elif permission is None:
        names = [service.name for service in services if dns64_of(service).exclude != Dns64().exclude]
        if names:
            yield Problem(place, f"missing: {', '.join(names)} has dns64.exclude of its own", meaning)


def _dns_objects(node: NodePlan, services: Sequence[Service]) -> Made:
    names = sorted(rule_name(service.name, 0) for service in services)
    for service in services:
        yield objects.GROUP, _group(service, node.options.get("exclude_permission"))
    if names:
        yield objects.VIEW, {"name": node.options.get("view", _DEFAULT_VIEW), "dns64_groups": names}


def _group(service: Service, permission: str | None) -> Body:
    told = dns64_of(service)
    group: Body = {
        "name": rule_name(service.name, 0),
        "prefix": str(prefix_of(service)),
        "clients": [_entry(network, _ALLOW) for network in told.clients or (_ANYBODY,)],
    }
    if told.private:
        denied = [_entry(network, _DENY) for network in told.private]
        group["mapped"] = [*denied, _entry(_EVERY_IPV4, _ALLOW)]
    if told.exclude != Dns64().exclude:
        group["exclude"] = [_entry(network, permission or "") for network in told.exclude]
    return group


def _entry(address: object, permission: str) -> dict[str, str]:
    return {"address": str(address), "permission": permission}


def _resolvers(found: Objects, wanted: tuple[Service, ...]) -> Iterator[Service]:
    """Services of the groups that a view uses; one that is disabled, or in no view, is none."""
    used = {
        name
        for path, body in found.items()
        if objects.kind_of(path) is objects.VIEW
        for name in body["dns64_groups"]
    }
    text = write(found)
    for path, body in found.items():
        if objects.kind_of(path) is objects.GROUP and body["name"] in used and not body.get("disable"):
            if "prefix" not in body:
                raise leaf(text, path, "").error("has no prefix")
            carried = {
                "role": RESOLVER,
                "translation_prefix": leaf(text, path, body["prefix"], "prefix").ipv6_network(),
                "dns64": Dns64(
                    exclude=_excluded(text, path, body),
                    clients=_clients(text, path, body),
                    private=_private(text, path, body),
                ),
            }
            yield found_service(body["name"].removeprefix(f"{OURS}-"), wanted, carried, "nat64")


def _entries(text: str, path: str, body: Body, field: str) -> list[tuple[Leaf, str]]:
    """Address and permission of each entry of a list."""
    return [
        (leaf(text, path, str(entry.get("address")), field), str(entry.get("permission")))
        for entry in body.get(field, ())
    ]


def _excluded(text: str, path: str, body: Body) -> tuple[IPv6Network, ...]:
    entries = _entries(text, path, body, "exclude")
    if not entries:
        return Dns64().exclude
    if len({permission for _address, permission in entries}) > 1:
        raise entries[0][0].error("ALLOW and DENY in one list are not understood")
    return tuple(address.ipv6_network() for address, _permission in entries)


def _clients(text: str, path: str, body: Body) -> tuple[IPv6Network, ...]:
    entries = _entries(text, path, body, "clients")
    for address, permission in entries:
        if permission != _ALLOW:
            raise address.error(f"{permission} of {address.value} is not understood")
    if any(address.value == _ANYBODY for address, _permission in entries):
        return ()
    return tuple(address.ipv6_network() for address, _permission in entries)


def _private(text: str, path: str, body: Body) -> tuple[IPv4Network, ...]:
    entries = _entries(text, path, body, "mapped")
    if not entries:
        return ()
    *denied, (last, permission) = entries
    if (last.value, permission) != (_EVERY_IPV4, _ALLOW):
        raise last.error(f"does not end with {_ALLOW} of {_EVERY_IPV4}")
    for address, permission in denied:
        if permission != _DENY:
            raise address.error(f"{permission} of {address.value} is not understood")
    return tuple(address.ipv4_network() for address, _permission in denied)


# -- DHCPv6 -------------------------------------------------------------------------------------


def _provisioned(node: NodePlan) -> list[Service]:
    return [service for service in node.services if service.role == PROVISIONER]


def _network(node: NodePlan, service: Service) -> str:
    chosen = node.options.get("network")
    return str(chosen.get(service.name) if isinstance(chosen, dict) else chosen)


def _provisioner_problems(node: NodePlan) -> Iterator[Problem]:
    techniques: dict[str, str] = {}
    place = f"{node.name}.ipv4aas_options.network"
    meaning = "the IPv6 network of NIOS that customers ask from, such as 2001:db8:1::/64"
    for service in _provisioned(node):
        first = techniques.setdefault(service.technique, service.name)
        if first != service.name:
            wrong = f"{node.name} cannot tell {service.name} from {first}, both are {service.technique}"
            yield Problem(f"ipv4aas_services.{service.name}", wrong, "one service of a technique on a grid")
        try:
            IPv6Network(_network(node, service))
        except ValueError as error:
            yield Problem(place, f"service {service.name}: {error}", meaning)
        try:
            _value(service)
        except OptionError as error:
            yield Problem(f"ipv4aas_services.{service.name}", str(error), "values that DHCPv6 can carry")


def _value(service: Service) -> str:
    """The body of the option, as ISC's dhcpd writes octets."""
    if service.technique == "ds-lite":
        whole = encode_aftr_name(service.aftr_name)
    elif service.technique == "map-e":
        found = Container(technique="map-e", rules=service.rules, gateways=(service.gateway_address,))
        whole = encode_container(found)
    else:
        prefix = service.translation_prefix
        whole = encode_container(Container(technique="map-t", rules=service.rules, translation_prefix=prefix))
    [(_code, body)] = split(whole)
    return body.hex(":")


def _dhcp_objects(node: NodePlan) -> Made:
    networks: dict[str, list[Body]] = {}
    for service in _provisioned(node):
        name, code = _OPTIONS[service.technique]
        yield objects.DEFINITION, {"name": name, "code": code, "type": _TYPE, "space": _SPACE}
        entry = {"name": name, "num": code, "value": _value(service), "vendor_class": _SPACE}
        networks.setdefault(str(IPv6Network(_network(node, service))), []).append(entry)
    view = node.options.get("network_view", _DEFAULT_VIEW)
    for network, entries in networks.items():
        ordered = sorted(entries, key=lambda entry: int(entry["num"]))
        yield objects.NETWORK, {"network": network, "network_view": view, "options": ordered}


def _provisioners(found: Objects, wanted: tuple[Service, ...]) -> Iterator[Service]:
    text = write(found)
    techniques = {name: technique for technique, (name, _code) in _OPTIONS.items()}
    for path, body in found.items():
        if objects.kind_of(path) is objects.NETWORK:
            for entry in body["options"]:
                at = leaf(text, path, str(entry.get("value")), "options")
                technique = techniques.get(entry["name"])
                if technique is None or entry.get("num") != _OPTIONS[technique][1]:
                    raise at.error(f"{entry['name']} with code {entry.get('num')} is none of ours")
                yield _provisioner(at, technique, wanted)


def _provisioner(at: Leaf, technique: str, wanted: tuple[Service, ...]) -> Service:
    """The service of a technique: nothing on the device tells its name."""
    hint = next((each for each in wanted if (each.technique, each.role) == (technique, PROVISIONER)), None)
    carried: dict[str, Any] = {"role": PROVISIONER, "technique": technique}
    try:
        told = decode(option(_OPTIONS[technique][1], bytes.fromhex(at.value.replace(":", ""))))
    except ValueError as error:
        raise at.error(str(error)) from error
    if technique == "ds-lite":
        carried["aftr_name"] = told
    else:
        carried |= _mapped(at, told)
    return found_service(hint.name if hint else technique, wanted, carried)


def _mapped(at: Leaf, told: Container) -> dict[str, Any]:
    carried: dict[str, Any] = {"rules": told.rules}
    if told.technique == "map-t":
        return carried | {"translation_prefix": told.translation_prefix}
    if len(told.gateways) != 1:
        raise at.error(f"{len(told.gateways)} border relays, one was expected")
    gateway: IPv6Address = told.gateways[0]
    return carried | {"gateway_address": gateway}


DRIVER = Infoblox()
