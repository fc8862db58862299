# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts with explicit mappings beside a NAT64's subscribers (RFC 7757): stateless, and round the hairpin."""

from __future__ import annotations

import json
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.ipv4aas.fleet.engine.mapping import rfc6052
from ansible_collections.ipv4aas.fleet.engine.mapping.eam import Eam
from ansible_collections.ipv4aas.fleet.engine.techniques.reach import ipv4_networks, ipv6_prefixes
from session_samples import (
    NAT64_6,
    NAT64_SERVICE,
    PLAT_SERVICE,
    ROUTER6,
    SERVER,
    Host,
    echo6,
    from_internet,
    in_prefix,
    node,
)
from unit.packet import packetkit as kit
from unit.packet import translationkit as kit6
from unit.packet.packetkit import NATIVE, SOFTWIRE

VECTORS = {
    v["id"]: v
    for v in json.loads(
        (Path(__file__).parents[2] / "vectors" / "rfc7757_eam.json").read_text(encoding="utf-8")
    )["vectors"]
}

# Two of RFC 7757 figure 1.
WEB4, WEB6 = "192.0.2.1", "2001:db8:aaaa::"
MAIL4, MAIL6 = "192.0.2.2", "2001:db8:bbbb::b"
MAPPINGS = (
    Eam(IPv4Network(f"{WEB4}/32"), IPv6Network(f"{WEB6}/128")),
    Eam(IPv4Network(f"{MAIL4}/32"), IPv6Network(f"{MAIL6}/128")),
)


def gateway(**changes: Any) -> Any:
    return node(NAT64_SERVICE, eam=MAPPINGS, **changes)


def leaving(nat64: Any, packet: bytes, link: Any) -> bytes:
    """The one packet that leaves."""
    (out,) = kit.run(nat64, packet, link)[0]
    return out


def events_of(nat64: Any, packet: bytes, link: Any) -> list[str]:
    return kit.run(nat64, packet, link)[1]


def test_from_the_internet_and_back_without_a_session() -> None:
    nat64 = gateway()
    there = from_internet(nat64, kit.tcp(SERVER, 4000, WEB4, 443))
    assert kit.outer(there) == (in_prefix(SERVER), WEB6)
    back = kit.one(nat64, kit6.tcp6(WEB6, 443, in_prefix(SERVER), 4000), SOFTWIRE)
    assert (kit.field(back, "src"), kit.field(back, "dst")) == (WEB4, SERVER)
    assert (kit.field(back, "sport"), kit.field(back, "dport"), kit.field(back, "ttl")) == (443, 4000, 63)
    assert nat64.session_count() == 0


def test_protocols_without_ports_and_pieces_cross() -> None:
    nat64 = gateway()
    there = leaving(nat64, kit.ip(SERVER, WEB4, 47, b"gre?"), NATIVE)
    assert (kit.outer(there), there[6]) == ((in_prefix(SERVER), WEB6), 47)
    later = kit.ip(SERVER, WEB4, 17, bytes(64), df=False, offset=1280)
    there = leaving(nat64, later, NATIVE)
    assert there[6] == 44


def test_subscribers_are_translated_as_ever() -> None:
    nat64 = gateway()
    address, port = Host(nat64).open()
    assert address not in (WEB4, MAIL4)
    back = from_internet(nat64, kit.udp(SERVER, 53, address, port))
    assert kit.outer(back)[0] == in_prefix(SERVER)
    assert nat64.session_count() == 1


@pytest.mark.parametrize("name", ["eam-hairpin-8", "eam-hairpin-11"])
def test_hairpin_of_the_rfc(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # The RFC's example has documentation addresses in the well-known prefix.
    monkeypatch.setattr(rfc6052, "non_global", lambda ipv4: False)
    row = VECTORS[name]
    nat64 = gateway(translation_prefix=rfc6052.WELL_KNOWN)
    packet = kit6.udp6(row["input"]["src"], 1, row["input"]["dst"], 2)
    (out,), events = kit.run(nat64, packet, SOFTWIRE)
    assert kit.outer(out) == (row["expect"]["final_src"], row["expect"]["final_dst"])
    assert kit6.wrong6(out) == [] and out[7] == 63
    assert "hairpinned" in events


def test_hairpin_of_an_error_of_the_rfc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rfc6052, "non_global", lambda ipv4: False)
    row = VECTORS["eam-hairpin-10"]
    nat64 = gateway(translation_prefix=rfc6052.WELL_KNOWN)
    about = kit6.udp6(row["input"]["inner"][0], 1, row["input"]["inner"][1], 2)
    out = leaving(nat64, kit6.icmp6(*row["input"]["outer"], 1, 4, 0, about), SOFTWIRE)
    assert kit6.wrong6(out) == []
    assert list(kit.outer(out)) == row["expect"]["final_outer"]
    assert list(kit.outer(out[48:])) == row["expect"]["final_inner"]
    assert kit6.wrong6(out[48:]) == []


def test_a_subscriber_reaches_a_mapped_host_and_is_answered() -> None:
    nat64 = gateway()
    host = Host(nat64)
    (there,), events = host.run(host.udp(5000, WEB4, 53))
    source, target = kit.outer(there)
    assert target == WEB6 and IPv6Network(NAT64_SERVICE.translation_prefix).supernet_of(IPv6Network(source))
    assert "hairpinned" in events
    (port,) = {int.from_bytes(there[40:42], "big")}
    (back,), events = kit.run(nat64, kit6.udp6(WEB6, 53, source, port, b"answer"), SOFTWIRE)
    assert kit.outer(back) == (in_prefix(WEB4), host.address)
    assert kit6.wrong6(back) == [] and back[48:] == b"answer"
    assert int.from_bytes(back[42:44], "big") == 5000


def test_hairpinning_can_be_off() -> None:
    nat64 = gateway(hairpinning=False)
    events = events_of(nat64, kit6.udp6(WEB6, 1, in_prefix(MAIL4), 2), SOFTWIRE)
    assert "drop_hairpin_disabled" in events


def test_errors_about_packets_to_a_mapped_host() -> None:
    nat64 = gateway()
    about = from_internet(nat64, kit.udp(SERVER, 53, WEB4, 4000))
    for router, source in ((WEB6, WEB4), (ROUTER6, "192.0.0.8")):
        error = kit6.icmp6(router, in_prefix(SERVER), 1, 4, 0, about)
        out = kit.one(nat64, error, SOFTWIRE)
        assert (kit.field(out, "src"), kit.field(out, "dst")) == (source, SERVER)
        assert kit.field(out[28:], "dst") == WEB4
    refused = kit.icmp(SERVER, WEB4, 3, 3, 0, kit.udp(WEB4, 4000, SERVER, 53))
    out6 = from_internet(nat64, refused)
    assert kit.outer(out6) == (in_prefix(SERVER), WEB6)
    assert kit.outer(out6[48:]) == (WEB6, in_prefix(SERVER))


def test_too_big_and_hops_are_told_to_the_right_side() -> None:
    nat64 = gateway()
    out = leaving(nat64, kit.udp(SERVER, 53, WEB4, 4000, bytes(1460)), NATIVE)
    assert (kit.field(out, "icmp"), kit.field(out, "mtu")) == ((3, 4), 1480)
    expired = kit6.udp6(WEB6, 53, in_prefix(SERVER), 4000, hop_limit=1)
    out6 = leaving(nat64, expired, SOFTWIRE)
    assert kit.outer(out6) == (NAT64_6, WEB6) and out6[40:42] == b"\3\0"


def test_ping() -> None:
    nat64 = gateway()
    there = from_internet(nat64, kit.echo(SERVER, WEB4, 7))
    assert kit.outer(there) == (in_prefix(SERVER), WEB6) and there[40] == 128
    back = kit.one(nat64, echo6(WEB6, in_prefix(SERVER), 7, reply=True), SOFTWIRE)
    assert (kit.field(back, "src"), kit.field(back, "icmp")) == (WEB4, (0, 0))


def test_martians_do_not_reach_mapped_hosts() -> None:
    events = events_of(gateway(), kit.udp("127.0.0.1", 1, WEB4, 2), NATIVE)
    assert events == ["drop_martian_source"]


def test_mappings_attract_their_ipv4_addresses() -> None:
    service = gateway().service
    assert [str(n) for n in ipv4_networks(service)] == ["203.0.113.0/31", f"{WEB4}/32", f"{MAIL4}/32"]
    assert not any(prefix.overlaps(IPv6Network(f"{WEB6}/128")) for prefix in ipv6_prefixes(service))


def test_where_there_are_clats_mappings_are_theirs() -> None:
    plat = node(PLAT_SERVICE, eam=MAPPINGS)
    assert [str(n) for n in ipv4_networks(plat.service)] == ["203.0.113.0/31"]
    events = events_of(plat, kit.udp(SERVER, 1, WEB4, 2), NATIVE)
    assert events == ["drop_unmapped_destination"]
    out = kit.one(plat, kit6.udp6(WEB6, 1, in_prefix(SERVER), 2), SOFTWIRE)
    assert kit.field(out, "src") != WEB4
