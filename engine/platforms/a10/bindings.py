# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""lw4o6 from objects of aXAPI."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from ...mapping.binding import Binding
from ...mapping.portset import PORT_BITS, PortSet
from ...techniques.service import GATEWAY, Service
from ..assembly import found_service
from ..objects import Body
from ..own_file import bound
from . import objects
from .found import Found, service_name
from .objects import at

Ranges = list[tuple[int, int]]


def services(found: Found, wanted: tuple[Service, ...]) -> Iterator[Service]:
    """That of the table in use, where it is ours."""
    path = objects.LW4O6.path
    if path not in found.objects:
        return
    named = found.need(path, "use-binding-table")
    table = found.named(objects.TABLE, named.value, named)
    service = service_name(named.value)
    body = found.objects[path]
    told = {at(body, "no-forward-match", "send-icmpv6") or 0, at(body, "no-reverse-match", "send-icmp") or 0}
    hairpinning = body.get("hairpinning", "filter-none")
    if len(told) > 1:
        raise named.error("senders on one side alone are told that there is no binding")
    if hairpinning not in ("filter-none", "filter-all"):
        raise found.leaf(path, "", "hairpinning").error(f"{hairpinning} is not filter-none or filter-all")
    try:
        bound = found_bindings(found.objects[table], service, wanted)
    except (KeyError, ValueError) as error:
        raise found.leaf(table, "").error(f"is no table of bindings: {error}") from error
    carried = {
        "role": GATEWAY,
        "technique": "lw4o6",
        "hairpinning": hairpinning == "filter-none",
        "icmp_on_miss": bool(told.pop()),
    }
    yield found_service(service, wanted, carried | bound)


def found_bindings(table: Body, service: str, wanted: tuple[Service, ...]) -> dict[str, Any]:
    """Fields of the service. Raises KeyError or ValueError for what is no table."""
    hints = next((each.bindings for each in wanted if each.name == service), ())
    known = {(str(each.softwire), str(each.ipv4)): (index, each) for index, each in enumerate(hints)}
    rows = []
    for softwire, address, ranges, gateway in _rows(table):
        index, hint = known.get((softwire, address), (len(hints), None))
        ports = hint.ports if hint and hint.ports.ranges() == ranges else ports_of(ranges)
        made = Binding(IPv6Address(softwire), IPv4Address(address), ports.offset, ports.psid_len, ports.psid)
        rows.append((index, softwire, made, IPv6Address(gateway)))
    if not rows:
        raise ValueError("it is empty")
    rows.sort(key=lambda row: row[:2])
    return bound([(made, gateway) for _index, _softwire, made, gateway in rows], service, wanted)


def _rows(table: Body) -> Iterator[tuple[str, str, Ranges, str]]:
    for tunnel in table.get("tunnel-address-list", ()):
        for address in tunnel["nat-address-list"]:
            entries = address["port-range-list"]
            gateways = {entry["tunnel-endpoint-address"] for entry in entries}
            if len(gateways) != 1:
                raise ValueError(
                    f"{tunnel['ipv6-tunnel-addr']} has {len(gateways)} tunnel endpoints, not one"
                )
            ranges = sorted((entry["port-start"], entry["port-end"]) for entry in entries)
            yield tunnel["ipv6-tunnel-addr"], address["ipv4-nat-addr"], ranges, gateways.pop()


def ports_of(ranges: Ranges) -> PortSet:
    """A port set of RFC 7597 with these ranges. Raises ValueError where there is none."""
    first, last = ranges[0]
    size = last - first + 1
    spacing = 1 << PORT_BITS if len(ranges) == 1 else ranges[1][0] - first
    offset = PORT_BITS - (spacing.bit_length() - 1)
    psid_len = (spacing // size).bit_length() - 1 if 0 < size <= spacing else 0
    ports = PortSet(offset, psid_len, first % spacing // size if size > 0 else 0)
    if ports.ranges() != ranges:
        raise ValueError(f"ports {ranges[0]} and {len(ranges) - 1} more ranges are no port set")
    return ports
