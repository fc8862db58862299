# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who talks to a node of each technique and role, and what it may send. A new technique joins the table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from random import Random
from typing import Any

from ansible_collections.ipv4aas.fleet.engine.mapping.eam import Eam
from ansible_collections.ipv4aas.fleet.engine.techniques.service import EDGE, GATEWAY, Service
from fuzz_traffic import PROTOCOLS, Flow, render4, render6
from technique_samples import LAN, PREF64, RULE, SERVICES
from unit.packet import packetkit as kit

MTU = 1280
Port = int | None
Address = tuple[str, Port]  # with a port: only this one may be used

SERVERS: list[Address] = [("198.51.100.7", None), ("198.51.100.8", 53), ("8.8.8.8", 443)]
ODD: list[Address] = [(text, None) for text in ("127.0.0.1", "224.0.0.1", "0.0.0.0", "192.0.2.255")]
HOSTS: list[Address] = [(f"192.168.1.{n}", None) for n in range(1, 30)]
MAPPED = Eam(IPv4Network("198.18.0.1/32"), IPv6Network("2001:db8:1:300::30/128"))  # RFC 7757
MAPPED4 = str(MAPPED.ipv4[0])
PORTS = [80, 53, 208, 1232, 1368, 1233, 64723, 0, 65535]


@dataclass(frozen=True)
class Talk:
    """Senders and receivers, IPv4; in the domain also the outer addresses."""

    sources: list[Address]
    targets: list[Address]
    near: str = ""  # outer source
    far: str = ""  # outer destination, of a tunnel


def flow_of(rng: Random, talk: Talk) -> Flow:
    """One of its flows, sometimes with other ports than there should be."""
    source, sport = rng.choice(talk.sources)
    target, tport = rng.choice(talk.targets)
    if sport is None or rng.random() < 0.1:
        sport = rng.choice([*PORTS, rng.randrange(1024, 65536)])
    if tport is None or rng.random() < 0.1:
        tport = rng.choice(PORTS)
    return Flow(rng.choice(PROTOCOLS), source, sport, target, tport)


@dataclass(frozen=True)
class Seat:
    """One node under test."""

    service: Service
    native: list[Talk]
    domain: Callable[[Random], bytes]  # one packet of the IPv6 side
    native_sources: list[IPv4Network]  # what may leave on the IPv4 side: sources (own errors excepted)
    native_targets: list[IPv4Network]
    domain_sources: list[IPv6Network]  # and into the domain
    domain_targets: list[IPv6Network]
    port_set: bool = False  # an edge: what it sends has ports of its set
    icmp_source: str = "192.0.0.8"


def tunnels(*talks: Talk) -> Callable[[Random], bytes]:
    """IPv4 inside IPv6."""

    def make(rng: Random) -> bytes:
        talk = rng.choice(talks)
        inner = render4(rng, flow_of(rng, talk))
        return kit.tunnel(talk.near, talk.far, inner, tc=3 if rng.random() < 0.1 else 0)

    return make


def translated(to6: Callable[[str], str], *talks: Talk) -> Callable[[Random], bytes]:
    """IPv6 for IPv4: the target is embedded by `to6`, the source is `near`."""

    def make(rng: Random) -> bytes:
        talk = rng.choice(talks)
        flow = flow_of(rng, talk)
        return render6(
            rng, replace(flow, source=talk.near or to6(flow.source), target=talk.far or to6(flow.target))
        )

    return make


def at_64(prefix: str) -> Callable[[str], str]:
    """RFC 6052 behind a /64."""
    head = kit.v6(prefix)[:9]
    return lambda ipv4: str(IPv6Address(head + kit.v4(ipv4) + bytes(3)))


def at_96(prefix: IPv6Network) -> Callable[[str], str]:
    """RFC 6052 behind a /96."""
    return lambda ipv4: str(prefix[int(IPv4Address(ipv4))])


def networks4(*texts: str) -> list[IPv4Network]:
    return [IPv4Network(text) for text in texts]


def networks6(*texts: str) -> list[IPv6Network]:
    return [IPv6Network(text) for text in texts]


ANY4, ANY6 = networks4("0.0.0.0/0"), networks6("::/0")
BR = "2001:db8:fffe::1"
OWN6, OTHER6, OLD6 = kit.OWN6, kit.OTHER6, "2001:db8:12:3400:c0:2:1200:3400"
OWN: Address = (kit.OWN4, kit.OWN_PORT)
PEERS: list[Address] = [(kit.OTHER4, kit.OTHER_PORT), (kit.OTHER4, kit.OTHER_PORT + 1)]
CUSTOMERS = [OWN, *PEERS]
OUTSIDE = [*SERVERS, *SERVERS, *PEERS, *ODD]
IN_RULE = [RULE.ipv6_prefix]
ITSELF = IPv4Network("192.0.0.2/32")  # a B4 or CLAT (RFC 6333 s5.7)
POOL4 = networks4("203.0.113.0/28")
DMR6 = at_64("2001:db8:ffff::")


def clat(ipv4: str) -> str:
    """RFC 6052 behind the CLAT's /56: one octet, octet u, three octets."""
    octets = kit.v4(ipv4)
    return str(IPv6Address(kit.v6("2001:db8:12:3400::")[:7] + octets[:1] + b"\0" + octets[1:] + bytes(4)))


def sized(technique: str, role: str, **changes: Any) -> Service:
    """A sample with the MTU of the fuzzer."""
    return replace(SERVICES[technique, role], ipv6_mtu=MTU, **changes)


def _port_set_gateway(technique: str, domain: Callable[[Random], bytes], sources: list[IPv6Network]) -> Seat:
    return Seat(
        sized(technique, GATEWAY),
        [Talk(SERVERS, CUSTOMERS), Talk(SERVERS, CUSTOMERS), Talk(OUTSIDE, OUTSIDE)],
        domain,
        native_sources=networks4("192.0.2.0/24"),
        native_targets=ANY4,
        domain_sources=sources,
        domain_targets=IN_RULE,
    )


def _port_set_edge(
    technique: str, domain: Callable[[Random], bytes], targets: list[IPv6Network], **changes: Any
) -> Seat:
    return Seat(
        sized(technique, EDGE, **changes),
        [Talk(HOSTS, OUTSIDE), Talk(HOSTS, SERVERS), Talk(HOSTS, [OWN])],
        domain,
        native_sources=ANY4,
        native_targets=list(LAN),
        domain_sources=networks6(OWN6),
        domain_targets=targets,
        port_set=True,
    )


def _plane(technique: str, role: str, own: str, far: str) -> Seat:
    stub: list[Address] = [(f"10.1.{n}.1", None) for n in range(5)]
    there: list[Address] = [(f"10.{n}.0.9", None) for n in (2, 3, 2, 4)]

    def domain(rng: Random) -> bytes:
        flow = flow_of(rng, Talk([*there, *stub[:1]], stub))
        outer = (f"{far}{IPv4Address(flow.source)}", f"{own}{IPv4Address(flow.target)}")
        return kit.tunnel(*outer, render4(rng, flow))

    return Seat(
        sized(technique, role),
        [Talk(stub, there), Talk(stub, [*there, *ODD, *stub])],
        domain,
        native_sources=ANY4,
        native_targets=networks4("10.1.0.0/16"),
        domain_sources=[IPv6Network(f"{own}10.1.0.0/112")],
        domain_targets=ANY6,
        icmp_source="10.1.0.1",
    )


def _rewriting() -> Seat:
    def domain(rng: Random) -> bytes:
        flow = flow_of(
            rng, Talk([("10.2.0.9", None), ("10.9.0.9", None)], [("10.3.0.9", None), ("10.2.0.9", None)])
        )
        sender = rng.choice(["2001:db8:4600::7:", "2001:db8:4602::7:", "2001:db8:4604::7:"])
        receiver = rng.choice(["2001:db8:4600::7:", "2001:db8:4604::7:", "2001:db8:4603::7:"])
        return kit.tunnel(f"{sender}{flow.source}", f"{receiver}{flow.target}", render4(rng, flow))

    return Seat(
        sized("sa46t-pt", GATEWAY),
        [Talk(SERVERS, SERVERS)],
        domain,
        native_sources=[],
        native_targets=[],
        domain_sources=networks6("2001:db8:4600::/45", "2001:db8:fffe::46"),
        domain_targets=ANY6,
    )


SEATS: dict[tuple[str, str], Seat] = {
    ("map-e", GATEWAY): _port_set_gateway(
        "map-e",
        tunnels(
            Talk([OWN], OUTSIDE, OWN6, BR),
            Talk(PEERS, OUTSIDE, OTHER6, BR),
            Talk([OWN], OUTSIDE, OLD6, BR),
            Talk(OUTSIDE, OUTSIDE, "2001:db9::1", BR),
        ),
        networks6(BR),
    ),
    ("map-e", EDGE): _port_set_edge(
        "map-e",
        tunnels(
            Talk(SERVERS, [OWN], BR, OWN6), Talk(PEERS, [OWN], OTHER6, OWN6), Talk(ODD, CUSTOMERS, BR, OWN6)
        ),
        [*networks6(BR), *IN_RULE],
    ),
    ("map-t", GATEWAY): _port_set_gateway(
        "map-t",
        translated(
            DMR6,
            Talk([OWN], OUTSIDE, OWN6),
            Talk(PEERS, OUTSIDE, OTHER6),
            Talk([OWN], OUTSIDE, OLD6),
            Talk([OWN], SERVERS, "2001:db9::1"),
            Talk([OWN], SERVERS, OWN6, BR),
        ),
        networks6(BR, "2001:db8:ffff::/64"),
    ),
    ("map-t", EDGE): _port_set_edge(
        "map-t",
        translated(
            DMR6,
            Talk(SERVERS, [OWN], far=OWN6),
            Talk(PEERS, [OWN], OTHER6, OWN6),
            Talk(ODD, [OWN], far=OWN6),
            Talk(SERVERS, [OWN], "2001:db9::1", OWN6),
        ),
        [*networks6("2001:db8:ffff::/64"), *IN_RULE, *networks6("2001:db9::1")],
    ),
    ("lw4o6", GATEWAY): replace(
        _port_set_gateway(
            "lw4o6",
            tunnels(
                Talk([OWN], OUTSIDE, OWN6, BR),
                Talk(PEERS, OUTSIDE, OTHER6, BR),
                Talk(OUTSIDE, OUTSIDE, OLD6, BR),
                Talk([("192.0.2.20", None)], OUTSIDE, "2001:db8:14::1", "2001:db8:fffe::2"),
                Talk([("192.0.2.20", None)], OUTSIDE, "2001:db8:14::1", BR),
            ),
            networks6(BR, "2001:db8:fffe::2"),
        ),
    ),
    ("lw4o6", EDGE): _port_set_edge(
        "lw4o6",
        tunnels(Talk(SERVERS, [OWN], BR, OWN6), Talk(PEERS, [OWN], OTHER6, OWN6)),
        networks6(BR),
    ),
    ("ds-lite", GATEWAY): Seat(
        sized("ds-lite", GATEWAY),
        [Talk(SERVERS, [("203.0.113.3", None)]), Talk(OUTSIDE, OUTSIDE)],
        tunnels(
            Talk(HOSTS, OUTSIDE, "2001:db8:1:100:0:c000:2:0", BR),
            Talk(HOSTS, SERVERS, "2001:db8:1:200::2", BR),
            Talk(HOSTS, [("203.0.113.3", None)], "2001:db8:1:200::2", BR),
            Talk(SERVERS, SERVERS, "2001:db8:9::1", BR),
        ),
        native_sources=POOL4,
        native_targets=ANY4,
        domain_sources=networks6(BR),
        domain_targets=networks6("2001:db8:1::/48", "2001:db8:9::1"),
    ),
    ("ds-lite", EDGE): Seat(
        sized("ds-lite", EDGE),
        [Talk(HOSTS, OUTSIDE), Talk(SERVERS, HOSTS)],
        tunnels(
            Talk(SERVERS, HOSTS, BR, "2001:db8:12:3400:0:c000:2:0"),
            Talk(SERVERS, HOSTS, OTHER6, "2001:db8:12:3400:0:c000:2:0"),
            Talk(SERVERS, SERVERS, BR, "2001:db8:12:3400:0:c000:2:0"),
        ),
        native_sources=ANY4,
        native_targets=[*LAN, ITSELF],
        domain_sources=networks6("2001:db8:12:3400:0:c000:2:0"),
        domain_targets=networks6(BR),
    ),
    **{
        (technique, GATEWAY): Seat(
            replace(sized(technique, GATEWAY), eam=(MAPPED,)),
            [Talk(SERVERS, [("203.0.113.3", None), (MAPPED4, None)]), Talk(OUTSIDE, OUTSIDE)],
            translated(
                at_96(PREF64),
                Talk(HOSTS, [*OUTSIDE, ("203.0.113.3", None), (MAPPED4, None)], str(MAPPED.ipv6[0])),
                Talk(HOSTS, [(MAPPED4, None)], "2001:db8:1:100::10"),
                Talk(HOSTS, OUTSIDE, "2001:db8:1:100::10"),
                Talk(HOSTS, SERVERS, "2001:db8:1:200::20"),
                Talk(HOSTS, [("203.0.113.3", None)], "2001:db8:1:200::20"),
                Talk(SERVERS, SERVERS),
            ),
            native_sources=[*POOL4, *of_its_own],
            native_targets=ANY4,
            domain_sources=[PREF64, *networks6(BR)],
            domain_targets=networks6("2001:db8:1::/48"),
        )
        for technique, of_its_own in (("nat64", [MAPPED.ipv4]), ("464xlat", []))
    },
    ("464xlat", EDGE): Seat(
        sized("464xlat", EDGE),
        [Talk(HOSTS, OUTSIDE), Talk(SERVERS, HOSTS)],
        lambda rng: render6(
            rng, _to_clat(flow_of(rng, Talk([*SERVERS, *ODD, *HOSTS[:1]], [*HOSTS, *SERVERS])))
        ),
        native_sources=ANY4,
        native_targets=[*LAN, ITSELF],
        domain_sources=networks6("2001:db8:12:3400::/56"),
        domain_targets=[PREF64],
    ),
    ("sa46t", EDGE): _plane("sa46t", EDGE, "2001:db8:4600::7:", "2001:db8:4600::7:"),
    ("sa46t", GATEWAY): _plane("sa46t", GATEWAY, "2001:db8:4600::7:", "2001:db8:4600::7:"),
    ("sa46t-pr", EDGE): _plane("sa46t-pr", EDGE, "2001:db8:4601::7:", "2001:db8:4602::7:"),
    ("sa46t-pr", GATEWAY): _plane("sa46t-pr", GATEWAY, "2001:db8:4601::7:", "2001:db8:4602::7:"),
    ("sa46t-pt", GATEWAY): _rewriting(),
}


def _to_clat(flow: Flow) -> Flow:
    return replace(flow, source=at_96(PREF64)(flow.source), target=clat(flow.target))
