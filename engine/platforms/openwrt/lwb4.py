# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The binding of a lwB4: mapcalc makes its softwire of the prefix, the IPv4 address and the PSID."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, IPv6Network

from ...mapping.binding import Binding
from ...mapping.iid import DRAFT03, RFC7597, map_address
from ...mapping.portset import PORT_BITS, PortSetError
from ...plan.model import NodePlan
from ...problem import Problem, Refused
from ...techniques.service import Service
from ..driver import FALLBACK
from ..values import Leaf
from .rules import Values, check_values, ea_length, with_length

_LONGEST_PREFIX = 112  # mapcalc


def check_bindings(node: NodePlan) -> None:
    """Raises Refused with every service whose binding mapcalc would not come to."""
    problems = [problem for service in node.services for problem in _problems(node, service)]
    if problems:
        raise Refused(problems)


def _problems(node: NodePlan, service: Service) -> Iterator[Problem]:
    place = f"ipv4aas_services.{service.name}"
    prefix, bindings = service.end_user_prefix, service.bindings
    if prefix is None or len(bindings) != 1:
        wrong = f"{node.name} needs its End-user prefix and one binding, it has {prefix} and {len(bindings)}"
        yield Problem(f"{place}.bindings", wrong, "a customer_prefix that one binding belongs to")
        return
    if prefix.prefixlen > _LONGEST_PREFIX:
        wrong = f"{node.name} takes a prefix of up to /{_LONGEST_PREFIX}, not {prefix}"
        yield Problem(f"{node.name}.ipv4aas_customer_prefix", wrong, "a /64 or shorter")
        return
    made = _softwire(prefix, bindings[0].ipv4, bindings[0].psid, RFC7597)
    if made != bindings[0].softwire:
        wrong = f"{node.name} makes {made} of {prefix}, not the softwire {bindings[0].softwire}"
        yield Problem(f"{place}.bindings", wrong, f"use the softwire {made}, or {FALLBACK}")


def left_aligned(binding: Binding) -> int:
    """The PSID as ``option psid`` has it, in the upper bits of 16 (the field of RFC 7598 section 4.5)."""
    return binding.psid << (PORT_BITS - binding.psid_len)


def binding_of(
    at: Leaf, values: Values, wanted: Service | None, legacy: bool
) -> tuple[Binding, IPv6Network, IPv6Address]:
    """A binding, its End-user prefix and its gateway, with the defaults of mapcalc. Raises ParseError."""
    gateway = check_values(at, values, "lw4o6").ipv6()
    length = values["prefix6len"].integer(0, _LONGEST_PREFIX)
    prefix = with_length(values["ipv6prefix"], length).ipv6_network()
    if "prefix4len" in values and values["prefix4len"].integer(0, 32) != 32:
        raise values["prefix4len"].error("a lwB4 has one IPv4 address, 32 bits")
    if "psidlen" in values:
        psid_len = values["psidlen"].integer(0, PORT_BITS)
    else:
        psid_len = ea_length(at, values, wanted, length)
    aligned = values["psid"].integer(0, (1 << PORT_BITS) - 1) if "psid" in values and psid_len else 0
    ipv4 = values["ipv4prefix"].ipv4_network().network_address
    psid = aligned >> (PORT_BITS - psid_len)
    softwire = _softwire(prefix, ipv4, psid, DRAFT03 if legacy else RFC7597)
    offset = values["offset"].integer(0, PORT_BITS) if "offset" in values and psid_len else 0
    try:
        return Binding(softwire, ipv4, offset, psid_len, psid), prefix, gateway
    except PortSetError as error:
        raise values.get("psidlen", at).error(str(error)) from error


def _softwire(prefix: IPv6Network, ipv4: IPv4Address, psid: int, layout: str) -> IPv6Address:
    return IPv6Address(map_address(int(prefix.network_address), prefix.prefixlen, int(ipv4), psid, layout))
