# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The binding table of lw4o6: who owns which address and ports is looked up (RFC 7596 section 6)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from .portset import PortSet, psid_of
from .rule import Entitlement


@dataclass(frozen=True, slots=True)
class Binding:
    """One subscriber. Raises PortSetError where the port set cannot be one."""

    softwire: IPv6Address  # the lwB4's tunnel address
    ipv4: IPv4Address
    psid_offset: int = 0  # RFC 7596 section 5.1: SHOULD be 0, contiguous ports
    psid_len: int = 0
    psid: int = 0
    gateway_address: IPv6Address | None = None  # of the lwAFTR, where it is not the service's

    def __post_init__(self) -> None:
        PortSet(self.psid_offset, self.psid_len, self.psid)

    @property
    def ports(self) -> PortSet:
        """Ports that the subscriber may use."""
        return PortSet(self.psid_offset, self.psid_len, self.psid)


class BindingTable:
    """Look-up over bindings, both ways, on integers; the same questions as to a RuleTable.

    Beside the bindings themselves an entry costs some 130 octets (tests/unit/mapping/test_binding.py).
    """

    CACHE_LIMIT = 65536

    def __init__(self, bindings: Iterable[Binding]) -> None:
        self._by_owner: dict[int, Binding] = {}
        self._by_softwire: dict[int, Binding] = {}
        # How the ports of an address are divided: pairs of offset and PSID length, mostly one.
        self._shapes: dict[int, tuple[tuple[int, int], ...]] = {}
        self._entitlements: dict[int, Entitlement] = {}
        gateways = set()
        once: dict[tuple[int, int], tuple[tuple[int, int], ...]] = {}
        for binding in bindings:
            ipv4, shape = int(binding.ipv4), (binding.psid_offset, binding.psid_len)
            self._by_owner[_key(ipv4, *shape, binding.psid)] = binding
            self._by_softwire[int(binding.softwire)] = binding
            known = self._shapes.get(ipv4, ())
            if shape not in known:
                self._shapes[ipv4] = (*known, shape) if known else once.setdefault(shape, (shape,))
            if binding.gateway_address is not None:
                gateways.add(int(binding.gateway_address))
        self.gateways = frozenset(gateways)

    def __len__(self) -> int:
        return len(self._by_softwire)

    def covers(self, ipv4: int) -> bool:
        """Whether an IPv4 address is some subscriber's."""
        return ipv4 in self._shapes

    def shared(self, ipv4: int) -> bool:
        """Whether the subscriber of an IPv4 address is found only with a port."""
        return any(length for _, length in self._shapes.get(ipv4, ()))

    def softwire(self, ipv4: int, port: int | None) -> int | None:
        """Tunnel address of the subscriber that owns (IPv4, port), as 128-bit integer; None without one."""
        for offset, length in self._shapes.get(ipv4, ()):
            psid = 0
            if length:
                owner = None if port is None else psid_of(port, offset, length)
                if owner is None:
                    continue
                psid = owner
            found = self._by_owner.get(_key(ipv4, offset, length, psid))
            if found is not None:
                return int(found.softwire)
        return None

    def gateway(self, softwire: int) -> int | None:
        """The gateway address of a softwire; None: that of the service."""
        found = self._by_softwire.get(softwire)
        if found is None or found.gateway_address is None:
            return None
        return int(found.gateway_address)

    def entitlement(self, ipv6: int) -> Entitlement | None:
        """What the IPv6 source may use inside; None without a binding."""
        known = self._entitlements.get(ipv6)
        if known is not None:
            return known
        found = self._by_softwire.get(ipv6)
        if found is None:
            return None
        if len(self._entitlements) >= self.CACHE_LIMIT:
            self._entitlements.clear()
        known = self._entitlements[ipv6] = Entitlement(int(found.ipv4), 0xFFFFFFFF, found.ports, ipv6)
        return known

    def mapped(self, ipv6: int, entitlement: Entitlement) -> bool:
        """Always: a binding is for one address."""
        return True

    def source_format(self, ipv6: int, entitlement: Entitlement) -> str | None:
        """None: the table knows addresses, not how they were made."""
        return None


def _key(ipv4: int, offset: int, length: int, psid: int) -> int:
    """Address and port set as one integer: half the memory of a tuple."""
    return ipv4 << 26 | offset << 21 | length << 16 | psid


def binding_problems(bindings: Iterable[Binding]) -> Iterator[str]:
    """Why bindings contradict each other: one softwire twice, or one port owned twice."""
    bindings = tuple(bindings)
    softwires = Counter(int(binding.softwire) for binding in bindings)
    if len(softwires) < len(bindings):
        for softwire, count in softwires.items():
            if count > 1:
                yield f"softwire {IPv6Address(softwire)} has {count} bindings"
    groups: dict[int, list[Binding]] = {}
    for binding in bindings:
        groups.setdefault(int(binding.ipv4), []).append(binding)
    for group in groups.values():
        if len(group) > 1:
            yield from _overlaps(group)


def _overlaps(group: list[Binding]) -> Iterator[str]:
    if len({(b.psid_offset, b.psid_len) for b in group}) == 1 and len({b.psid for b in group}) == len(group):
        return  # the usual case: equal parts, each given once
    ranges = sorted((low, high, str(b.softwire)) for b in group for low, high in b.ports.ranges())
    _, end, holder = ranges[0]
    said = set()
    for low, high, softwire in ranges[1:]:
        if low <= end and (holder, softwire) not in said:
            said.add((holder, softwire))
            yield f"{group[0].ipv4} port {low} belongs to {holder} and to {softwire}"
        if high > end:
            end, holder = high, softwire
