# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory as frozen models. docs/inventory.md is checked against the descriptions here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field

from ..mapping.iid import FORMATS, RFC7597
from ..mapping.portset import PORT_BITS
from ..mapping.rule import DEFAULT_OFFSET, MAX_EA_LEN
from ..techniques import TECHNIQUES
from ..techniques.service import EDGE, GATEWAY
from .fields import (
    Address4,
    Address6,
    Clamp,
    FilledItems,
    Flag,
    HostName,
    Items,
    Management,
    Name,
    Options,
    Prefix4,
    Prefix6,
    choice,
    power_of_two,
    whole,
)

VARIABLE = "ipv4aas_"
SERVICES = VARIABLE + "services"
SERVICE_NAME: Final = "inventory_name"  # the key under ipv4aas_services, as a field
HUB, MESH = "hub", "mesh"
AUTO, OFF = "auto", "off"
UNSUPPORTED, ALWAYS = "unsupported", "always"
LINUX = "linux"  # the platform that runs the engine

IidFormat = Annotated[str, choice(*FORMATS)]


class Model(BaseModel):
    """A mapping of the inventory: frozen, and every key is known."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Customers(Model):
    """Where the End-user prefixes lie."""

    ipv6: Prefix6 = Field(
        description="the IPv6 prefix that holds all End-user prefixes", examples=["2001:db8:6000::/56"]
    )
    prefix_length: Annotated[int, whole(1, 128)] = Field(
        description="length of one customer's End-user prefix", examples=[64]
    )


class Sharing(Model):
    """How many customers share an IPv4 address, and which ports none of them gets."""

    customers_per_address: Annotated[int, power_of_two(1 << PORT_BITS)] = Field(
        description="customers on one IPv4 address, a power of two", examples=[64]
    )
    reserved_ports: Annotated[int, power_of_two(1 << (PORT_BITS - 1), or_zero=True)] = Field(
        default=1 << (PORT_BITS - DEFAULT_OFFSET),
        description="ports from 0 upwards that nobody gets: 2^(16 - PSID offset), or 0 for PSID offset 0",
        examples=[4096],
    )

    @property
    def psid_len(self) -> int:
        """k, from 2^k customers on an address."""
        return self.customers_per_address.bit_length() - 1

    @property
    def psid_offset(self) -> int:
        """a, from 2^(16 - a) reserved ports (RFC 7597 section 5.1)."""
        return PORT_BITS + 1 - self.reserved_ports.bit_length() if self.reserved_ports else 0


class Gateway(Model):
    """The carrier-side end of the tunnels."""

    address: Address6 = Field(description="IPv6 address that edges send to", examples=["2001:db8:0:2900::1"])
    anycast: Flag = Field(default=False, description="several gateways have the address")
    path_mtu_discovery: Flag = Field(
        default=False, description="gateways learn the path MTU of each edge from ICMPv6"
    )


class Rule(Model):
    """One mapping rule, given in full (RFC 7597 section 5)."""

    ipv6_prefix: Prefix6 = Field(description="Rule IPv6 prefix", examples=["2001:db8:6000::/56"])
    ipv4_prefix: Prefix4 = Field(description="Rule IPv4 prefix", examples=["192.0.2.0/30"])
    ea_length: Annotated[int, whole(0, MAX_EA_LEN)] = Field(description="length of the EA bits", examples=[8])
    psid_offset: Annotated[int, whole(0, PORT_BITS)] = Field(
        default=DEFAULT_OFFSET, description="a, the bits of a port before the PSID", examples=[4]
    )
    psid_length: Annotated[int, whole(0, PORT_BITS)] | None = Field(
        default=None,
        description="k; follows from the other lengths unless ea_length is 0",
        examples=[6],
    )
    psid: Annotated[int, whole(0, (1 << PORT_BITS) - 1)] | None = Field(
        default=None, description="the PSID, where ea_length is 0", examples=[52]
    )
    forwarding: Flag | None = Field(
        default=None, description="edges use the rule to reach each other (FMR); follows topology"
    )


class ServiceIntent(Model):
    """One entry of ipv4aas_services."""

    name: Name = Field(alias=SERVICE_NAME)
    technique: Annotated[str, choice(*TECHNIQUES)] = Field(
        description=f"how IPv4 is carried: {', '.join(TECHNIQUES)}", examples=["map-e"]
    )
    customers: Customers | None = Field(default=None, description="where the End-user prefixes lie")
    ipv4_pools: Annotated[tuple[Prefix4, ...], FilledItems] | None = Field(
        default=None, description="IPv4 prefixes that customers share", examples=[["192.0.2.0/30"]]
    )
    sharing: Sharing | None = Field(
        default=None, description="how addresses are shared; without it each customer has one of its own"
    )
    rules: Annotated[tuple[Rule, ...], FilledItems] | None = Field(
        default=None, description="explicit rules, in place of customers, ipv4_pools and sharing"
    )
    gateway: Gateway = Field(
        description="the carrier-side end of the tunnels", examples=["{address: 2001:db8:0:2900::1}"]
    )
    backbone_mtu: Annotated[int, whole(1280, 65535)] = Field(
        default=1500, description="octets that the IPv6 network carries whole", examples=[1500]
    )
    interface_identifier: IidFormat = Field(
        default=RFC7597, description=f"layout of MAP addresses: {' or '.join(FORMATS)}"
    )
    topology: Annotated[str, choice(HUB, MESH)] = Field(
        default=HUB, description="hub: edges meet at the gateway; mesh: they reach each other directly"
    )
    mss_clamp: Clamp = Field(
        default=AUTO, description="TCP MSS that nodes enforce: auto (from the MTU), off or octets"
    )
    fragmentation: Annotated[str, choice("outer", "inner")] = Field(
        default="outer", description="what is cut where DF is 0 and a packet is too big"
    )
    strict_identifiers: Flag = Field(
        default=False, description="gateways drop sources whose interface identifier is not the mapped one"
    )
    filtering: Annotated[str, choice("address-dependent", "endpoint-independent")] = Field(
        default="address-dependent", description="which outside hosts may answer at an edge's port (RFC 4787)"
    )
    minimum_ports: Annotated[int, whole(1, 1 << PORT_BITS)] = Field(
        default=240, description="ports that a customer should have at least (lint MAP008)"
    )

    @property
    def mesh(self) -> bool:
        """Whether edges reach each other directly."""
        return self.topology == MESH


class Forward(Model):
    """One static mapping at an edge."""

    protocol: Annotated[str, choice("tcp", "udp")] = Field(description="tcp or udp", examples=["tcp"])
    outside_port: Annotated[int, whole(1, 65535)] = Field(
        description="port of the customer's port set", examples=[4224]
    )
    inside_address: Address4 = Field(description="host of the LAN", examples=["192.168.1.10"])
    inside_port: Annotated[int, whole(1, 65535)] = Field(description="port of that host", examples=[8080])


class HostIntent(Model):
    """The ipv4aas_ variables of one host."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=lambda name: VARIABLE + name)

    name: str = Field(alias="inventory_hostname")
    management: Management = Field(default=None, alias="ansible_host")
    role: Annotated[str, choice(GATEWAY, EDGE)] | None = Field(
        default=None, description="gateway or edge; none for a host that is only a fallback"
    )
    platform: Name | None = Field(default=None, description="what the host is", examples=["linux"])
    carries: Annotated[tuple[Name, ...], FilledItems] | None = Field(
        default=None, description="names of the services that it carries", examples=[["hall7"]]
    )
    customer_prefix: Prefix6 | None = Field(
        default=None, description="edge: its End-user prefix", examples=["2001:db8:6000:42::/64"]
    )
    lan: Annotated[tuple[Prefix4, ...], Items] = Field(
        default=(), description="edge: IPv4 networks behind it", examples=[["192.168.1.0/24"]]
    )
    port_forwards: Annotated[tuple[Forward, ...], Items] = Field(
        default=(), description="edge: ports that lead to a host of the LAN"
    )
    dialect: Name | None = Field(
        default=None, description="language of the device, where the platform has several"
    )
    options: Options = Field(default_factory=dict, description="what the platform needs beside the service")
    fallback: HostName | None = Field(
        default=None, description="linux host that takes the seat where the platform cannot do it"
    )
    fallback_when: Annotated[str, choice(UNSUPPORTED, ALWAYS)] = Field(
        default=UNSUPPORTED, description="when the fallback takes the seat: unsupported or always"
    )
    interface_identifier: IidFormat | None = Field(
        default=None, description="layout that this device really uses, where it differs (lint MAP007)"
    )
    deploy: Flag = Field(default=True, description="false: plan and render only")

    def place(self, variable: str) -> str:
        """Path of one of its variables in the inventory."""
        return f"hosts.{self.name}.{VARIABLE}{variable}"


@dataclass(frozen=True, slots=True)
class Intent:
    """All that the operator wants. Hosts in the order of the inventory."""

    services: Mapping[str, ServiceIntent]
    hosts: Mapping[str, HostIntent]


def variables() -> tuple[str, ...]:
    """Every host variable that is known, with its prefix; the services among them."""
    own = [info.alias for info in HostIntent.model_fields.values() if info.alias]
    return (SERVICES, *(alias for alias in own if alias.startswith(VARIABLE)))


def model_of(annotation: Any) -> type[Model] | None:
    """The model inside a field's annotation: itself, optional, or the items of a list."""
    if isinstance(annotation, type) and issubclass(annotation, Model):
        return annotation
    found = (model_of(part) for part in getattr(annotation, "__args__", ()))
    return next((model for model in found if model is not None), None)
