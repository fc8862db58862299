# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""MAP-E on a service card (ISM or VSM), as in 2013: ServiceApp interfaces and static routes lead to it.

General knowledge: no document with the whole of it could be read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from ipaddress import IPv4Interface, IPv6Interface, IPv6Network, ip_interface
from typing import Any

from ...plan.model import NodePlan
from ...problem import Problem, Refused
from ..guard import option
from ..indented import Block
from ..naming import OURS
from ..values import canonical
from .model import GATEWAY_ADDRESS

LOCATION = "service_location"
OTHER_GATEWAY_ADDRESS = "aftr-endpoint-address"  # what the card's entries call the BR's address
STATIC = "router static"
APP = "interface ServiceApp"
_IPV4, _IPV6 = "service_app_ipv4", "service_app_ipv6"
_SERVICE = f"service cgv6 {OURS} service-type map-e"
_FAMILY = re.compile(r"address-family ipv[46]")
_APP = re.compile(rf"{APP}\d+")


def context(node: NodePlan, dialect: str) -> dict[str, Any]:
    """What the template needs beside the entries. Raises Refused with all that is wrong with the options."""
    place = f"{node.name}.ipv4aas_options"
    problems: list[Problem] = []
    if dialect != "cli":
        problems.append(Problem(f"{node.name}.ipv4aas_dialect", "no model has the card form", "cli"))
    if "cgv6_instance" in node.options:
        problems.append(Problem(f"{place}.cgv6_instance", "the card has an instance of its own", "none"))
    if any(service.technique != "map-e" for service in node.services):
        problems.append(
            Problem(f"{place}.{LOCATION}", "the card form is known for MAP-E only", "no such option")
        )
    if sum(len(service.rules) for service in node.services) != 1:
        wrong = "an entry has two ServiceApp interfaces of its own"
        problems.append(Problem(f"{place}.{LOCATION}", wrong, "one service with one rule"))
    found = {}
    for name, kind, meaning in (
        (LOCATION, str, "a card, such as 0/1/CPU0"),
        (_IPV4, dict, "interface: ServiceApp1, address: 192.0.2.1/30"),
        (_IPV6, dict, "interface: ServiceApp2, address: 2001:db8:100::1/126"),
    ):
        try:
            found[name] = option(node, name, kind, f"give {meaning}")
        except Refused as error:
            problems += error.problems
    apps = {}
    for name, version in ((_IPV4, 4), (_IPV6, 6)):
        app = _app(found.get(name), version)
        if name in found and app is None:
            problems.append(
                Problem(f"{place}.{name}", f"{found[name]!r} does not fit", "interface and address")
            )
        apps[name] = app
    if problems:
        raise Refused(problems)
    (service,) = node.services
    return {
        "location": found[LOCATION],
        "ipv4": apps[_IPV4],
        "ipv6": apps[_IPV6],
        "gateway": IPv6Network(service.gateway_address),
    }


def _app(value: Any, version: int) -> dict[str, Any] | None:
    """Name and address of a ServiceApp interface; None where they are none."""
    if not isinstance(value, dict) or set(value) != {"interface", "address"}:
        return None
    name, address = str(value["interface"]), _interface(str(value["address"]))
    if not re.fullmatch(r"ServiceApp\d+", name) or address is None or address.version != version:
        return None
    return {"name": name, "address": address}


def _interface(text: str) -> IPv4Interface | IPv6Interface | None:
    try:
        return ip_interface(text)
    except ValueError:
        return None


def is_card(entry: Block) -> bool:
    """Whether a map-e entry is one of a card: it names its interfaces."""
    return any(is_family(line) for line in entry.children)


def is_family(line: Block) -> bool:
    """Whether lines of a map-e entry name the interface of an address family."""
    return (
        _FAMILY.fullmatch(line.text) is not None
        and len(line.children) == 1
        and _APP.fullmatch(line.children[0].text) is not None
    )


def word_of(entry: Block) -> dict[str, str]:
    """The other word for the gateway's address -> the one that the entry's form has."""
    pair = (GATEWAY_ADDRESS, OTHER_GATEWAY_ADDRESS)
    return dict([pair]) if is_card(entry) else dict([pair[::-1]])


def owned(blocks: Iterable[Block]) -> tuple[Block, ...]:
    """Interfaces that name our instance, and the static routes into them."""
    blocks = tuple(blocks)
    own = tuple(_spelled(block) for block in blocks if _is_ours(block))
    names = {block.text.removeprefix("interface ") for block in own}
    routes = (_routes(block, names) for block in blocks if block.text == STATIC)
    return (*own, *(block for block in routes if block.children))


def shell(block: Block) -> Block | None:
    """What of a block is the operator's own frame around our routes; None for other blocks."""
    if block.text != STATIC:
        return None
    return replace(block, children=tuple(replace(family, children=()) for family in block.children))


def _is_ours(block: Block) -> bool:
    return _APP.fullmatch(block.text) is not None and any(line.text == _SERVICE for line in block.children)


def _spelled(block: Block) -> Block:
    lines = (Block(_with_host(line.text), line.line, line.children) for line in block.children)
    return replace(block, children=tuple(sorted(lines, key=lambda line: line.text)))


def _with_host(text: str) -> str:
    return " ".join(str(_interface(word) or word) if ":" in word else word for word in text.split())


def _routes(block: Block, names: set[str]) -> Block:
    families = []
    for family in block.children:
        words = (Block(" ".join(map(canonical, line.text.split())), line.line) for line in family.children)
        routes = sorted(
            (line for line in words if len(line.text.split()) == 2 and line.text.split()[1] in names),
            key=lambda line: line.text,
        )
        if routes:
            families.append(replace(family, children=tuple(routes)))
    return replace(block, children=tuple(sorted(families, key=lambda family: family.text)))
