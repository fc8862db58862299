# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fujitsu's m46e-app, SA46T and SA46T-PR on Linux, by its configuration files.

A plane is one file and one process. The file of this collection is the files of all planes, each behind
``# service NAME``; apply.py on the host takes it apart and runs the processes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, collapse_addresses
from typing import Any

from ...mapping.plane import Plane, PlaneError, PlaneRoute
from ...plan.model import NodePlan
from ...problem import Problem, Refused
from ...techniques import TECHNIQUES
from ...techniques.reach import EVERYTHING
from ...techniques.service import EDGE, Service
from .. import assembly, own_file
from ..driver import Change
from ..guard import option
from ..own_file import Section
from ..values import Leaf

_NORMAL, _RESOLUTION = 0, 2  # tunnel_mode of SA46T and SA46T-PR
_MODES = {"plane": _NORMAL, "plane-table": _RESOLUTION}
_TECHNIQUES = {_NORMAL: "sa46t", _RESOLUTION: "sa46t-pr"}
_DEFAULT_MTU = 1500
_DEVICES = "a mapping of interface to {address, gateway, service}: with its length, and the last two optional"
_MULTICAST = "ff0e::/64"  # m46e-app does not start without one
# What a section may hold (m46eapp_config.c). Keys that are not rendered say nothing of a service.
_KEYS = {
    "general": (
        "plane_name",
        "plane_id",
        "tunnel_mode",
        "m46e_unicast_prefix",
        "m46e_pr_src_addr_unicast_prefix",
        "m46e_multicast_prefix",
        "debug_log",
        "daemon",
        "startup_script",
        "force_fragment",
        "route_sync",
        "route_entry_max",
    ),
    "pmtud": ("type", "expire_time"),
    "tunnel": (
        "tunnel_name",
        "ipv4_address",
        "ipv4_hwaddr",
        "ipv6_address",
        "ipv6_hwaddr",
        "mtu",
        "ipv4_default_gw",
    ),
    "device": ("type", "name", "physical_dev", "ipv4_address", "ipv4_gateway", "mtu", "hwaddr"),
    "m46e-pr": ("ipv4_address", "m46e_pr_prefix"),
}


@dataclass(frozen=True, slots=True)
class Device:
    """An interface of the stub network."""

    name: str
    address: IPv4Interface
    gateway: IPv4Address | None


class M46e:
    """The driver."""

    name = "m46e"

    def context(self, node: NodePlan, dialect: str) -> dict[str, Any]:
        """Raises Refused for devices that do not fit the networks of a plane."""
        problems: list[Problem] = []
        devices = _devices(node, problems)
        multicast = str(node.options.get("multicast_prefix", _MULTICAST))
        planes = []
        for service in node.services:
            own = devices.get(service.name, [])
            problems += _problems(node, service, own)
            if not problems:
                planes.append(_plane(service, own, multicast))
        if problems:
            raise Refused(problems)
        return {"head": own_file.HEAD, "planes": planes}

    def owned(self, text: str, dialect: str) -> str:
        """See platforms.driver.Driver. The whole file."""
        return own_file.owned(text)

    def parse(self, text: str, dialect: str, wanted: tuple[Service, ...]) -> tuple[Service, ...]:
        """See platforms.driver.Driver."""
        return tuple(_service(section, wanted) for section in own_file.sections(text))

    def change(self, running: str, wanted: str, dialect: str) -> Change:
        """See platforms.driver.Driver. The whole file; the host restarts the planes that differ."""
        return own_file.change(running, wanted)


def _devices(node: NodePlan, problems: list[Problem]) -> dict[str, list[Device]]:
    """The devices of each service."""
    found: dict[str, list[Device]] = {}
    place = f"{node.name}.ipv4aas_options.devices"
    names = [service.name for service in node.services]
    for name, values in option(node, "devices", dict, _DEVICES).items():
        try:
            service = values.get("service", names[0] if len(names) == 1 else None)
            if service not in names:
                raise ValueError(f"service {service} is none of {', '.join(names)}")
            unknown = values.keys() - {"address", "gateway", "service"}
            if unknown:
                raise ValueError(f"{', '.join(sorted(unknown))} is unknown")
            gateway = IPv4Address(values["gateway"]) if "gateway" in values else None
            found.setdefault(service, []).append(Device(name, IPv4Interface(values["address"]), gateway))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            problems.append(Problem(f"{place}.{name}", f"does not fit: {error}", _DEVICES))
    return found


def _problems(node: NodePlan, service: Service, devices: Sequence[Device]) -> Iterator[Problem]:
    place = f"ipv4aas_services.{service.name}"
    if service.plane is None:
        yield Problem(f"{place}.plane", f"{node.name} has no plane", "give prefix and id")
    elif service.plane.prefix.prefixlen == 96 and service.plane.plane_id:
        yield Problem(f"{place}.plane", "a /96 leaves no bits for the plane ID", "a shorter prefix")
    if sum(device.gateway is not None for device in devices) > 1:
        yield Problem(
            f"{node.name}.ipv4aas_options.devices", f"{service.name} has two gateways", "one of them"
        )
    if not _same(_inside(devices), service.inside):
        shown = ", ".join(map(str, _inside(devices))) or "none"
        wrong = (
            f"are on {shown}, but {service.name} has {', '.join(map(str, service.inside)) or 'no network'}"
        )
        right = "a device in each network; for 0.0.0.0/0 one with a gateway"
        yield Problem(f"{node.name}.ipv4aas_options.devices", wrong, right)


def _inside(devices: Sequence[Device]) -> list[IPv4Network]:
    """The IPv4 networks behind devices."""
    networks = [device.address.network for device in devices]
    return [*networks, EVERYTHING] if any(device.gateway for device in devices) else networks


def _same(found: Sequence[IPv4Network], wanted: Sequence[IPv4Network]) -> bool:
    """Whether two lists hold the same addresses."""
    return list(collapse_addresses(found)) == list(collapse_addresses(wanted))


def _plane(service: Service, devices: list[Device], multicast: str) -> dict[str, Any]:
    assert service.plane is not None  # _problems
    mode = _MODES[TECHNIQUES[service.technique].mapping]
    way_out = any(device.gateway for device in devices)
    known = {route.ipv4 for route in service.plane_routes}
    entries = [] if mode == _NORMAL else list(_entries(service.plane, devices, service.plane_routes))
    return {
        "name": service.name,
        "id": _plane_id(service.plane),
        "prefix": service.plane.prefix,
        "multicast": multicast,
        "mode": mode,
        # A way out learns from the IGP's routes which IPv4 networks are in the plane.
        "sync": way_out and mode == _NORMAL,
        "tunnel": f"aas_{service.name}",
        "mtu": service.ipv6_mtu,
        "default": not way_out and (mode == _NORMAL or EVERYTHING in known),
        "devices": devices,
        "entries": entries,
    }


def _entries(plane: Plane, devices: Sequence[Device], routes: Sequence[PlaneRoute]) -> Iterator[PlaneRoute]:
    """The table of a PR. Networks of own devices are in it too: m46e-app routes them for that reason.

    The own way out is not: m46e-app would route all of IPv4 into the tunnel.
    """
    own = [PlaneRoute(device.address.network, plane.prefix) for device in devices]
    way_out = PlaneRoute(EVERYTHING, plane.prefix)
    yield from (entry for entry in dict.fromkeys([*own, *routes]) if entry != way_out)


def _plane_id(plane: Plane) -> str:
    """The plane ID as the groups of an IPv6 address before the last 32 bits, two or more; "" for a /96."""
    if plane.prefix.prefixlen == 96:
        return ""
    groups: list[str] = []
    left = plane.plane_id
    while left or len(groups) < 2:
        groups.append(f"{left & 0xFFFF:x}")
        left >>= 16
    return ":".join(reversed(groups))


def _service(section: Section, wanted: tuple[Service, ...]) -> Service:
    hint = next((service for service in wanted if service.name == section.service), None)
    blocks = list(_blocks(section))
    general, tunnel = (_once(blocks, name, section) for name in ("general", "tunnel"))
    plane = _parse_plane(general, section)
    mode = _value(general, "tunnel_mode", section).integer(0, 2)
    if mode not in _TECHNIQUES:
        raise general["tunnel_mode"].error("port sharing (SA46T-AS) is not understood")
    if _value(general, "plane_name", section).value != section.service:
        raise general["plane_name"].error(f"is not {section.service}, the name of the service")
    devices = [_device(block) for kind, block in blocks if kind == "device"]
    inside = tuple(_inside(devices))
    carried: dict[str, Any] = {
        "technique": _TECHNIQUES[mode],
        "role": hint.role if hint else EDGE,
        "plane": plane,
        "ipv6_mtu": tunnel["mtu"].integer(1280, 65521) if "mtu" in tunnel else _DEFAULT_MTU,
        "inside": hint.inside if hint and _same(inside, hint.inside) else inside,
    }
    if mode == _RESOLUTION:
        entries = [_entry(block, section) for kind, block in blocks if kind == "m46e-pr"]
        carried["plane_routes"] = _routes(entries, plane, devices, hint)
    return assembly.found_service(section.service, wanted, carried)


def _blocks(section: Section) -> Iterator[tuple[str, dict[str, Leaf]]]:
    """The sections of one plane's file, repeated ones too. Names and keys are read without regard to case."""
    kind, block = "", dict[str, Leaf]()
    for line in section.lines:
        if line.text.startswith("["):
            if kind:
                yield kind, block
            kind, block = line.text.strip("[]").lower(), {}
            if kind not in _KEYS:
                raise line.error("is no section of SA46T")
            continue
        key, equals, value = (part.strip() for part in line.text.partition("="))
        if not kind or not equals or key.lower() not in _KEYS[kind]:
            raise line.error("is not understood")
        if key.lower() in block:
            raise line.error(f"{key} is there twice")
        block[key.lower()] = Leaf(value, line.line, line.text)
    if kind:
        yield kind, block


def _once(blocks: list[tuple[str, dict[str, Leaf]]], name: str, section: Section) -> dict[str, Leaf]:
    found = [block for kind, block in blocks if kind == name]
    if len(found) != 1:
        raise section.entry.error(f"has {len(found)} sections [{name}], expected one")
    return found[0]


def _value(block: dict[str, Leaf], key: str, section: Section) -> Leaf:
    if key not in block:
        raise section.entry.error(f"has no {key}")
    return block[key]


def _parse_plane(general: dict[str, Leaf], section: Section) -> Plane:
    leaf = _value(general, "m46e_pr_src_addr_unicast_prefix", section)
    prefix = _value(general, "m46e_unicast_prefix", section)
    if leaf.ipv6_network() != prefix.ipv6_network():
        raise leaf.error(f"is not {prefix.value}, which m46e_unicast_prefix is")
    number = 0
    if "plane_id" in general:
        try:
            number = int(IPv6Address(f"::{general['plane_id'].value}"))
        except ValueError:
            raise general["plane_id"].error("is no plane ID such as 0:9") from None
    try:
        return Plane(prefix.ipv6_network(), number)
    except PlaneError as error:
        raise prefix.error(str(error)) from error


def _device(block: dict[str, Leaf]) -> Device:
    first = next(iter(block.values()))
    for key in ("physical_dev", "ipv4_address"):
        if key not in block:
            raise first.error(f"the device has no {key}")
    address = block["ipv4_address"]
    try:
        gateway = IPv4Address(block["ipv4_gateway"].value) if "ipv4_gateway" in block else None
        return Device(block["physical_dev"].value, IPv4Interface(address.value), gateway)
    except ValueError as error:
        raise address.error(str(error)) from error


def _entry(block: dict[str, Leaf], section: Section) -> PlaneRoute:
    return PlaneRoute(
        _value(block, "ipv4_address", section).ipv4_network(),
        _value(block, "m46e_pr_prefix", section).ipv6_network(),
    )


def _routes(
    entries: list[PlaneRoute], plane: Plane, devices: Sequence[Device], hint: Service | None
) -> tuple[PlaneRoute, ...]:
    """The table as the wanted service has it, where it is the same; else without what is on own devices."""
    if hint is not None and set(_entries(plane, devices, hint.plane_routes)) == set(entries):
        return hint.plane_routes
    own = set(_entries(plane, devices, ()))
    return tuple(entry for entry in entries if entry not in own)


DRIVER = M46e()
