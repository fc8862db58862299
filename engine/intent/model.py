# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory as frozen models. docs/inventory.md is checked against the descriptions here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field

from ..mapping.iid import FORMATS, RFC7597
from ..mapping.portset import PORT_BITS
from ..mapping.rule import DEFAULT_OFFSET, MAX_EA_LEN
from ..techniques import TECHNIQUES, Technique
from ..techniques.service import (
    ANNOUNCER,
    COMPUTE,
    DROP,
    EDGE,
    FORWARD,
    GATEWAY,
    PROVISIONER,
    RESOLVER,
    ROUTER,
    Dns64,
)
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
    Word,
    choice,
    power_of_two,
    whole,
)
from .wording import any_of

VARIABLE = "ipv4aas_"
SERVICES = VARIABLE + "services"
SERVICE_NAME: Final = "inventory_name"  # the key under ipv4aas_services, as a field
HUB, MESH = "hub", "mesh"
AUTO, OFF = "auto", "off"
OUTER, INNER = "outer", "inner"
UNSUPPORTED, ALWAYS = "unsupported", "always"
LINUX = "linux"  # the platform that runs the engine
ROLES = (GATEWAY, EDGE, RESOLVER, PROVISIONER, ROUTER, ANNOUNCER)
DYNAMIC, BLOCKS, DETERMINISTIC = "dynamic", "blocks", "deterministic"
# Mappings whose nodes each have an IPv6 prefix of their own in the domain (m46e-pr).
OWN_PREFIX = ("plane-table", "plane-rewrite")
ADDRESS_DEPENDENT, ENDPOINT_INDEPENDENT = "address-dependent", "endpoint-independent"

# What every resolver leaves out by default (RFC 6147 section 5.1.4).
DNS64_EXCLUDE = Dns64().exclude

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
    allocation: Annotated[str, choice(DYNAMIC, BLOCKS, DETERMINISTIC)] = Field(
        default=BLOCKS,
        description="NAPT at the gateway: dynamic, ports one by one up to the quota; blocks, the quota as one"
        " block; deterministic, a block that follows from the customer's number (RFC 7422)",
    )

    @property
    def ports(self) -> int:
        """Ports that each customer of an address gets, where the gateway hands them out: quota or block."""
        return ((1 << PORT_BITS) - self.reserved_ports) // self.customers_per_address

    @property
    def psid_len(self) -> int:
        """k, from 2^k customers on an address."""
        return self.customers_per_address.bit_length() - 1

    @property
    def psid_offset(self) -> int:
        """a, from 2^(16 - a) reserved ports (RFC 7597 section 5.1)."""
        return PORT_BITS + 1 - self.reserved_ports.bit_length() if self.reserved_ports else 0


class Gateway(Model):
    """The carrier-side end."""

    address: Address6 | None = Field(
        default=None,
        description="IPv6 address that edges send to; translation and SA46T make one from their prefix",
        examples=["2001:db8:0:2900::1"],
    )
    translation_prefix: Prefix6 | None = Field(
        default=None,
        description="translation: where IPv4 addresses of the Internet are (DMR, Pref64)",
        examples=["2001:db8:64::/64"],
    )
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


class Subscriber(Model):
    """One entry of the binding table of lw4o6 (RFC 7596 section 6)."""

    customer_prefix: Prefix6 | None = Field(
        default=None,
        description="End-user prefix; the softwire address follows from it (RFC 7596 section 5.1)",
        examples=["2001:db8:6000:42::/64"],
    )
    softwire: Address6 | None = Field(
        default=None, description="tunnel address, in place of customer_prefix", examples=["2001:db8:77::1"]
    )
    ipv4: Address4 = Field(description="IPv4 address", examples=["192.0.2.18"])
    psid_offset: Annotated[int, whole(0, PORT_BITS)] = Field(
        default=0, description="a, the bits of a port before the PSID", examples=[0]
    )
    psid_length: Annotated[int, whole(0, PORT_BITS)] = Field(
        default=0, description="k; 0 for an address that is not shared", examples=[6]
    )
    psid: Annotated[int, whole(0, (1 << PORT_BITS) - 1)] = Field(
        default=0, description="the PSID", examples=[1]
    )
    gateway_address: Address6 | None = Field(
        default=None,
        description="address of the lwAFTR for this subscriber; without it gateway.address",
        examples=["2001:db8:0:2900::2"],
    )


class PlaneIntent(Model):
    """One plane of the SA46T family: an IPv4 address space of its own."""

    prefix: Prefix6 | None = Field(
        default=None,
        description="SA46T prefix, /96 or shorter; each SA46T-PR has its own in ipv4aas_customer_prefix",
        examples=["2001:db8:0:46::/64"],
    )
    id: Annotated[int, whole(0, (1 << 96) - 1)] = Field(
        description="plane ID, in the bits between the prefix and the IPv4 address", examples=[9]
    )


class EamEntry(Model):
    """One explicit address mapping (RFC 7757)."""

    ipv4: Prefix4 = Field(description="IPv4 prefix", examples=["192.0.2.1/32"])
    ipv6: Prefix6 = Field(description="IPv6 prefix that stands for it", examples=["2001:db8:aaaa::1/128"])


class Dns64Intent(Model):
    """How resolvers make up AAAA records (RFC 6147)."""

    exclude: Annotated[tuple[Prefix6, ...], Items] = Field(
        default=DNS64_EXCLUDE,
        description="AAAA answers in these prefixes do not count",
        examples=[["::ffff:0:0/96"]],
    )
    clients: Annotated[tuple[Prefix6, ...], Items] = Field(
        default=(),
        description="who gets synthesised answers; without it the customers",
        examples=[["2001:db8:6000::/56"]],
    )
    private: Annotated[tuple[Prefix4, ...], Items] = Field(
        default=(), description="A answers in these prefixes are never synthesised", examples=[["10.0.0.0/8"]]
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
    bindings: Annotated[tuple[Subscriber, ...], FilledItems] | None = Field(
        default=None, description="lw4o6: explicit bindings, in place of customers, ipv4_pools and sharing"
    )
    plane: PlaneIntent | None = Field(
        default=None,
        description="SA46T: the plane, in place of customers, ipv4_pools and sharing",
        examples=["{prefix: 2001:db8:0:46::/64, id: 9}"],
    )
    gateway: Gateway = Field(
        default_factory=Gateway,
        description="the carrier-side end",
        examples=["{address: 2001:db8:0:2900::1}"],
    )
    eam: Annotated[tuple[EamEntry, ...], Items] = Field(
        default=(), description="translation: explicit address mappings, before the prefixes"
    )
    aftr_name: Word | None = Field(
        default=None,
        description="DS-Lite: name that provisioners announce (RFC 6334)",
        examples=["aftr.example.net"],
    )
    dns64: Dns64Intent | None = Field(default=None, description="how resolvers make up AAAA records")
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
    fragmentation: Annotated[str, choice(OUTER, INNER)] = Field(
        default=OUTER, description="what is cut where DF is 0 and a packet is too big: outer or inner"
    )
    strict_identifiers: Flag = Field(
        default=False, description="gateways drop sources whose interface identifier is not the mapped one"
    )
    filtering: Annotated[str, choice(ADDRESS_DEPENDENT, ENDPOINT_INDEPENDENT)] | None = Field(
        default=None,
        description="which outside hosts may answer at a port (RFC 4787): address-dependent or"
        " endpoint-independent; without it address-dependent where the edge has the NAPT,"
        " endpoint-independent at a gateway (RFC 6888)",
    )
    hairpinning: Flag = Field(default=True, description="gateways carry packets from customer to customer")
    icmp_on_miss: Flag = Field(
        default=False, description="lw4o6: gateways tell a sender that there is no binding"
    )
    udp_zero_checksum: Annotated[str, choice(COMPUTE, FORWARD, DROP)] = Field(
        default=COMPUTE,
        description="translation: UDP packets without a checksum: compute one, forward as they are or drop",
    )
    lowest_ipv6_mtu: Annotated[int, whole(1280, 65535)] = Field(
        default=1280, description="translation: what IPv4 packets without DF are cut to"
    )
    minimum_ports: Annotated[int, whole(1, 1 << PORT_BITS)] = Field(
        default=240, description="ports that a customer should have at least (lint MAP008)"
    )

    @property
    def row(self) -> Technique:
        """What makes the technique."""
        return TECHNIQUES[self.technique]

    @property
    def mesh(self) -> bool:
        """Whether edges reach each other directly."""
        return self.topology == MESH


class Forward(Model):
    """One static mapping at an edge."""

    protocol: Annotated[str, choice("tcp", "udp")] = Field(description="tcp or udp", examples=["tcp"])
    outside_port: Annotated[int, whole(1, 65535)] = Field(
        description="port of the customer's port set; of the pool where the gateway has the NAPT",
        examples=[4224],
    )
    outside_address: Address4 | None = Field(
        default=None,
        description="address of the pool, where the gateway has the NAPT; without it one is chosen",
        examples=["192.0.2.1"],
    )
    inside_address: Address4 = Field(description="host of the LAN", examples=["192.168.1.10"])
    inside_port: Annotated[int, whole(1, 65535)] = Field(description="port of that host", examples=[8080])


class PlaneSeat(Model):
    """What is a host's own of one plane, where it has several with the same IPv4 addresses."""

    service: Name = Field(description="one that the host carries", examples=["freewifi"])
    namespace: Name = Field(
        description="Linux network namespace of the IPv4 side, as of ip netns", examples=["red"]
    )
    lan: Annotated[tuple[Prefix4, ...], FilledItems] = Field(
        description="IPv4 networks of the plane behind the host", examples=[["192.168.1.0/24"]]
    )


class HostIntent(Model):
    """The ipv4aas_ variables of one host."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=lambda name: VARIABLE + name)

    name: str = Field(alias="inventory_hostname")
    management: Management = Field(default=None, alias="ansible_host")
    role: Annotated[str, choice(*ROLES)] | None = Field(
        default=None, description=f"{any_of(ROLES)}; none for a host that is only a fallback"
    )
    platform: Name | None = Field(default=None, description="what the host is", examples=["linux"])
    carries: Annotated[tuple[Name, ...], FilledItems] | None = Field(
        default=None, description="names of the services that it carries", examples=[["hall7"]]
    )
    customer_prefix: Prefix6 | None = Field(
        default=None,
        description="edge: its End-user prefix; SA46T-PR, -PT: the prefix of the host",
        examples=["2001:db8:6000:42::/64"],
    )
    lan: Annotated[tuple[Prefix4, ...], Items] = Field(
        default=(), description="edge, SA46T: IPv4 networks behind it", examples=[["192.168.1.0/24"]]
    )
    planes: Annotated[tuple[PlaneSeat, ...], Items] = Field(
        default=(), description="SA46T: planes in a network namespace each, in place of ipv4aas_lan"
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

    def plane_seat(self, service: str) -> PlaneSeat | None:
        """What is its own of a plane; None where the plane is in the host's own network namespace."""
        return next((seat for seat in self.planes if seat.service == service), None)

    def lan_of(self, service: str) -> tuple[IPv4Network, ...]:
        """IPv4 networks that a service has behind it."""
        seat = self.plane_seat(service)
        return self.lan if seat is None else seat.lan

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
