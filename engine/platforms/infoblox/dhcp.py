# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of a network, each with a definition."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import IPv6Address, IPv6Network
from typing import Any

from ...plan.model import NodePlan
from ...problem import Problem
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
from ...techniques.service import PROVISIONER, Service
from ..assembly import found_service
from ..naming import OURS
from ..objects import Body, Objects, leaf, write
from ..values import Leaf
from . import objects
from .objects import Made

_DEFAULT_VIEW = "default"
# The names that we give to options, by technique: codes of RFC 6334 and RFC 7598.
_OPTIONS = {
    "ds-lite": (f"{OURS}-aftr-name", AFTR_NAME),
    "map-e": (f"{OURS}-s46-mape", CONTAINERS["map-e"]),
    "map-t": (f"{OURS}-s46-mapt", CONTAINERS["map-t"]),
}
_SPACE, _TYPE = "DHCPv6", "string"


def _network(node: NodePlan, service: Service) -> str:
    chosen = node.options.get("network")
    return str(chosen.get(service.name) if isinstance(chosen, dict) else chosen)


def problems(node: NodePlan, services: Sequence[Service]) -> Iterator[Problem]:
    """What the options cannot say."""
    techniques: dict[str, str] = {}
    place = f"{node.name}.ipv4aas_options.network"
    meaning = "the IPv6 network of NIOS that customers ask from, such as 2001:db8:1::/64"
    for service in services:
        first = techniques.setdefault(service.technique, service.name)
        if first != service.name:
            wrong = f"{node.name} cannot tell {service.name} from {first}, both are {service.technique}"
            yield Problem(f"ipv4aas_services.{service.name}", wrong, "one service of a technique on a grid")
        try:
            IPv6Network(_network(node, service))
        except ValueError as error:
            given = node.options.get("network")
            named = service.name in given if isinstance(given, dict) else given is not None
            yield Problem(place, f"service {service.name}: {error if named else 'missing'}", meaning)
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


def made(node: NodePlan, services: Sequence[Service]) -> Made:
    """Definitions, and our options of networks."""
    networks: dict[str, list[Body]] = {}
    for service in services:
        name, code = _OPTIONS[service.technique]
        yield objects.DEFINITION, {"name": name, "code": code, "type": _TYPE, "space": _SPACE}
        entry = {"name": name, "num": code, "value": _value(service), "vendor_class": _SPACE}
        networks.setdefault(str(IPv6Network(_network(node, service))), []).append(entry)
    view = node.options.get("network_view", _DEFAULT_VIEW)
    for network, entries in networks.items():
        ordered = sorted(entries, key=lambda entry: int(entry["num"]))
        yield objects.NETWORK, {"network": network, "network_view": view, "options": ordered}


def services(found: Objects, wanted: tuple[Service, ...]) -> Iterator[Service]:
    """Services of our options of networks."""
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
