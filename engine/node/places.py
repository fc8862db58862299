# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where IPv4 addresses are in the domain: one IPv6 address for all of them, or one for each."""

from __future__ import annotations

from typing import Protocol

from ..mapping.iid import host_bits, with_host_bits
from ..mapping.rfc6052 import Embedding
from ..mapping.rule import Customer
from ..packet.verdict import Drop
from ..techniques import TECHNIQUES
from ..techniques.service import Service


class Place(Protocol):
    """Some IPv4 addresses, seen from the domain."""

    length: int  # bits that all its IPv6 addresses have in common, for the longest match

    def holds(self, ipv6: int) -> bool:
        """Whether an IPv6 address is one of the place's."""

    def end6(self, ipv4: int) -> int:
        """Where an IPv4 address is; raises Drop for one that must not be there."""

    def end4(self, ipv6: int) -> int:
        """The IPv4 address that an IPv6 address of the place stands for."""


class TunnelAddress:
    """Carriage by encapsulation: the IPv6 address says nothing about the packet inside."""

    length = 128

    def __init__(self, address: int) -> None:
        self._address = address

    def holds(self, ipv6: int) -> bool:
        """That address alone."""
        return ipv6 == self._address

    def end6(self, ipv4: int) -> int:
        """Always the same."""
        return self._address

    def end4(self, ipv6: int) -> int:
        """Only the packet inside says it."""
        raise Drop("drop_untranslatable")


class TranslationPrefix:
    """Carriage by translation: an IPv4 address is in its IPv6 address (RFC 6052; DMR, RFC 7599 s5.1)."""

    def __init__(self, embedding: Embedding) -> None:
        self._embedding, self.length = embedding, embedding.prefix.prefixlen

    def holds(self, ipv6: int) -> bool:
        """All of the prefix."""
        return ipv6 in self._embedding

    def end6(self, ipv4: int) -> int:
        """Embedded; the well-known prefix must not carry what is not global (RFC 6052 s3.1)."""
        if not self._embedding.may_carry(ipv4):
            raise Drop("drop_prefix_not_global")
        return self._embedding.embed(ipv4)

    def end4(self, ipv6: int) -> int:
        """Extracted; octet u and suffix are ignored."""
        ipv4 = self._embedding.extract(ipv6)
        if not self._embedding.may_carry(ipv4):
            raise Drop("drop_prefix_not_global")
        return ipv4


class MapAddresses:
    """Carriage by translation: one MAP address for each own IPv4 address (see TranslatedRuleTable)."""

    def __init__(self, customer: Customer, iid_format: str) -> None:
        self._first6, self._first4 = int(customer.address), int(customer.ipv4.network_address)
        self._mask, self._format = int(customer.ipv4.hostmask), iid_format
        self.length = customer.end_user_prefix.prefixlen

    def holds(self, ipv6: int) -> bool:
        """The MAP address, whatever host bits are in its identifier."""
        return self.end6(self.end4(ipv6)) == ipv6

    def end6(self, ipv4: int) -> int:
        """With the host bits of a prefix in the identifier."""
        return with_host_bits(self._first6, ipv4 & self._mask, self._format)

    def end4(self, ipv6: int) -> int:
        """By the host bits in the identifier."""
        return self._first4 | host_bits(ipv6, self._mask, self._format)


def internet(service: Service) -> Place:
    """The IPv4 Internet, as a service's domain sees it."""
    if TECHNIQUES[service.technique].carriage == "translation":
        if service.translation_prefix is None:
            raise ValueError(f"service {service.name}: there is no translation prefix")
        return TranslationPrefix(Embedding(service.translation_prefix))
    return TunnelAddress(int(service.border_address))


def own_place(service: Service, customer: Customer) -> Place:
    """The own IPv4 addresses of an edge with a port set."""
    if TECHNIQUES[service.technique].carriage == "translation":
        return MapAddresses(customer, service.interface_identifier)
    return TunnelAddress(int(customer.address))
