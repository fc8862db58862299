# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every name that a node counts, with its meaning and where it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple


class Reason(NamedTuple):
    """One line for people, and the text that asks for it."""

    meaning: str
    source: str


def is_drop(name: str) -> bool:
    """Whether the event ended a packet."""
    return name.startswith("drop_")


REASONS: Mapping[str, Reason] = MappingProxyType(
    {
        # Done
        "encapsulated": Reason("IPv4 packet sent into the IPv6 domain", "RFC 2473 s3.1, RFC 7915 s4"),
        "decapsulated": Reason("IPv4 packet taken out of the IPv6 domain", "RFC 2473 s3.3, RFC 7915 s5"),
        "binding_refused": Reason("the lwAFTR has no such binding for this lwB4", "RFC 7596 s6.2"),
        "hairpinned": Reason(
            "sent back to a customer without leaving the node", "RFC 4787 REQ-9, RFC 7597 s5.4"
        ),
        "forwarded": Reason("passed without address translation", "RFC 7597 s5.2"),
        "mss_clamped": Reason("TCP MSS option lowered", "RFC 4459 s3.2"),
        "fragment_held": Reason("piece kept until the others come", "RFC 7597 s8.3"),
        "reassembled": Reason("IPv6 fragments put together", "RFC 8200 s4.5"),
        "echo_answered": Reason("echo request to the node answered", "RFC 4443 s4.2, RFC 1122 s3.2.2.6"),
        "icmp_sent": Reason("ICMPv4 error made by the node", "RFC 1812 s4.3"),
        "icmpv6_sent": Reason("ICMPv6 error made by the node", "RFC 4443 s2.4"),
        "icmp_suppressed": Reason("no ICMPv4 error: rate limit, or none may be sent", "RFC 1812 s4.3.2"),
        "icmpv6_relayed": Reason("ICMPv6 error from the tunnel told to the IPv4 source", "RFC 2473 s8"),
        "icmpv6_absorbed": Reason("Packet Too Big about a packet that may be cut", "RFC 2473 s8.1"),
        "iid_format_rfc7597": Reason("source has the identifier layout of RFC 7597", "RFC 7597 s6"),
        "iid_format_draft-03": Reason(
            "source has the identifier layout of draft-03", "draft-ietf-softwire-map-03"
        ),
        "path_mtu_lowered": Reason("path narrower than the link, remembered", "RFC 1853 s5.1, RFC 8201"),
        "prefix_rewritten": Reason("sent on into the other domain of planes", "draft-matsuhira-m46e-pt"),
        "session_expired": Reason("NAPT session past its time", "RFC 4787 REQ-5, RFC 5382 REQ-5"),
        "session_lost_on_reload": Reason("its address or port left the own set", "RFC 7596 s5.1"),
        # Before any service has the packet (services.py)
        "drop_no_service": Reason("no service of this node has the address", "RFC 7597 s8.1"),
        "drop_internal_fault": Reason("the engine failed on this packet: report it", "none"),
        # Left to the core by the programs of the fast path, which counts them again (docs/fast-path.md)
        "punt_malformed": Reason("a header or its checksum is wrong", "RFC 1812 s5.2.2, RFC 8200 s4"),
        "punt_options": Reason("IPv4 options", "RFC 791 s3.1"),
        "punt_fragment": Reason("piece of a packet", "RFC 791 s3.2, RFC 8200 s4.5"),
        "punt_extension_header": Reason("IPv6 payload that is no plain packet of the service", "RFC 8200 s4"),
        "punt_protocol": Reason("neither TCP, UDP nor echo; ICMP errors too", "RFC 792, RFC 4443"),
        "punt_ttl": Reason("TTL or hop limit used up", "RFC 1812 s5.3.1, RFC 8200 s3"),
        "punt_too_big": Reason("larger than the tunnel, the path or the link carries", "RFC 2473 s7"),
        "punt_martian": Reason("IPv4 address that no host can have", "RFC 1812 s5.3.7"),
        "punt_source": Reason("source is not what its sender may use", "RFC 7597 s8.1"),
        "punt_unknown": Reason("address or port that nobody has", "RFC 7597 s8.1"),
        "punt_hairpin": Reason("from customer to customer, but that is off", "RFC 7596 s6.2"),
        "punt_congestion": Reason("CE outside, not ECN-capable inside", "RFC 6040 s4.2"),
        "punt_no_session": Reason("no session of its own yet", "RFC 6146 s3.5"),
        "punt_tcp_no_session": Reason("TCP segment that opens nothing", "RFC 6146 s3.5.2.2, RFC 7857 s2"),
        "punt_unsolicited": Reason("no binding for the destination port", "RFC 4787 s5"),
        "punt_filtered": Reason("sender was not talked to", "RFC 4787 REQ-8"),
        "punt_expired": Reason("session past its time", "RFC 4787 REQ-5, RFC 5382 REQ-5"),
        "punt_raced": Reason("another CPU opened the same session", "none"),
        "punt_session_limit": Reason("session table is full", "RFC 6888 REQ-11"),
        "punt_session_quota": Reason("subscriber has all sessions that one may have", "RFC 6888 REQ-5"),
        "punt_session_rate": Reason("subscriber opens sessions too fast", "RFC 6888 REQ-4C, REQ-5B"),
        "punt_quota": Reason("subscriber has all ports that one may have", "RFC 6888 REQ-4"),
        "punt_no_subscriber": Reason("source is no customer of the pool", "RFC 7422 s2, RFC 6908"),
        "punt_log_full": Reason("no room for the record of a new session", "none"),
        "punt_ports_exhausted": Reason("no port at hand for a new session", "RFC 6888 REQ-11"),
        "punt_no_checksum": Reason("UDP without checksum", "RFC 7915 s4.5"),
        "punt_no_route": Reason("XDP knows no next hop", "none"),
        "punt_not_linear": Reason("headers are not in one piece of memory", "none"),
        "punt_driver": Reason("a helper of the kernel refused", "none"),
        "punt_limited": Reason("dropped: more than the core is to be asked in a second", "none"),
        # Headers
        "drop_ipv4_malformed": Reason("IPv4 header does not fit the packet", "RFC 1812 s5.2.2"),
        "drop_ipv4_checksum": Reason("IPv4 header checksum is wrong", "RFC 1812 s5.2.2"),
        "drop_ipv6_malformed": Reason("IPv6 header or extension does not fit the packet", "RFC 8200 s4"),
        "drop_ipv6_option": Reason("unknown option that may not be skipped", "RFC 8200 s4.2"),
        "drop_routing_header": Reason("routing header with segments left", "RFC 8200 s4.4"),
        "drop_transport_malformed": Reason(
            "transport header does not fit the packet", "RFC 9293 s3.1, RFC 768"
        ),
        "drop_offload_invalid": Reason("offload description does not fit the packet", "virtio 1.2 s5.1.6.2"),
        "drop_not_for_us": Reason("IPv6 destination is not this node's tunnel address", "RFC 7597 s8.1"),
        "drop_next_header": Reason("payload is not what the tunnel carries", "RFC 2473 s3.3"),
        "drop_martian_source": Reason("IPv4 source that no host can have", "RFC 1812 s5.3.7"),
        "drop_martian_destination": Reason("IPv4 destination that no host can have", "RFC 1812 s5.3.7"),
        "drop_ttl_expired": Reason("TTL used up", "RFC 1812 s5.3.1"),
        "drop_too_big": Reason("larger than the tunnel MTU and DF is set", "RFC 2473 s7.2, RFC 7597 s8.3.1"),
        "drop_congestion_marked": Reason("CE outside, not ECN-capable inside", "RFC 6040 s4.2"),
        # Translation
        "drop_source_route": Reason("IPv4 source route with stops left", "RFC 7915 s4.1"),
        "drop_udp_no_checksum": Reason("UDP without checksum, or a first piece of it", "RFC 7915 s4.5"),
        "drop_protocol_untranslatable": Reason(
            "number means something else in the other IP version", "RFC 7915 s4.1, s5.1"
        ),
        "drop_igmp": Reason("multicast membership, of one hop", "RFC 7915 s4.2"),
        "drop_icmp_untranslatable": Reason("ICMP that only one IP version has", "RFC 7915 s4.2, s5.2"),
        "drop_fragment_extension": Reason("extension header behind a Fragment header", "RFC 7915 s5.1.1"),
        # Mapping
        "drop_no_rule": Reason("no rule for the IPv6 source", "RFC 7597 s8.1"),
        "drop_no_binding": Reason("no binding for the IPv6 source", "RFC 7596 s6.2"),
        "drop_wrong_gateway": Reason("sent to another gateway address than its binding's", "RFC 7596 s6.1"),
        "drop_hairpin_disabled": Reason("from customer to customer, but that is off", "RFC 7596 s6.2"),
        "drop_prefix_not_global": Reason("the well-known prefix must not carry the address", "RFC 6052 s3.1"),
        "drop_untranslatable": Reason("address that stands for no IPv4 address", "RFC 7915 s5"),
        "drop_spoofed_source": Reason("inner source or port is not the sender's", "RFC 7597 s8.1"),
        "drop_iid_mismatch": Reason(
            "identifier of the IPv6 source is not the mapped one", "RFC 7597 s6 (strict)"
        ),
        "drop_unmapped_destination": Reason("IPv4 destination is no customer's", "RFC 7597 s8.1"),
        "drop_excluded_port": Reason("destination port is no customer's (A = 0)", "RFC 7597 s5.1"),
        "drop_no_port": Reason("shared address and a packet without port", "RFC 7597 s8.2"),
        "drop_wrong_address": Reason("inner destination is not the own address", "RFC 7597 s8.1"),
        "drop_wrong_port": Reason("inner destination port is not in the own set", "RFC 7597 s8.1"),
        "drop_mesh_disabled": Reason("from another edge, but there is no mesh", "RFC 7597 s5"),
        "drop_softwire_source": Reason("IPv6 source that no other host can have", "RFC 4291 s2.5, s2.7"),
        "drop_not_inside": Reason("source is in no inside network", "RFC 2827"),
        "drop_own_destination": Reason("destination is an inside network's: never out", "RFC 6877 s6.3"),
        "drop_not_gateway": Reason("from another than the own gateway", "RFC 6333 s11"),
        "drop_other_plane": Reason("IPv6 source is not in the plane", "draft-matsuhira-m46a"),
        "drop_no_plane_route": Reason(
            "no prefix for the IPv4 destination in this plane", "draft-matsuhira-m46e-pr s3.3"
        ),
        # Fragments
        "drop_fragment_tiny": Reason(
            "piece could hide or rewrite the transport header", "RFC 1858, RFC 3128"
        ),
        "drop_fragment_overlap": Reason("pieces overlap; the whole packet is given up", "RFC 5722 s4"),
        "drop_fragment_broken_chain": Reason("piece of a packet that was given up", "RFC 5722 s4"),
        "drop_fragment_invalid": Reason("piece that cannot fit", "RFC 8200 s4.5"),
        "drop_fragment_repeated": Reason("piece seen before", "RFC 8200 s4.5"),
        "drop_fragment_no_port": Reason("first piece has no port", "RFC 7597 s8.3.2"),
        "drop_fragment_timeout": Reason("packet never became whole", "RFC 8200 s4.5, RFC 6146 s4"),
        "drop_fragment_limit": Reason("fragment memory is full: oldest packet given up", "RFC 4963"),
        # ICMP
        "drop_icmp_truncated": Reason("ICMP error without enough of its packet", "RFC 5508 s4"),
        "drop_icmp_about_icmp_error": Reason("ICMP error about an ICMP error", "RFC 1122 s3.2.2"),
        "drop_icmp_no_port": Reason("ICMP error about a packet without port", "RFC 5508 s4"),
        "drop_icmp_mismatch": Reason("ICMP error to another than the embedded source", "RFC 5508 REQ-4"),
        "drop_icmp_checksum": Reason("ICMP or embedded IPv4 checksum is wrong", "RFC 5508 REQ-3"),
        "drop_icmp_fragmented": Reason("ICMP error in pieces", "RFC 5508 s4"),
        "drop_icmpv6_invalid": Reason(
            "ICMPv6 too short, wrong checksum or MTU below 1280", "RFC 4443, RFC 8201 s4"
        ),
        "drop_icmpv6_unexpected": Reason("ICMPv6 type that a tunnel end has no use for", "RFC 2473 s8"),
        "drop_icmpv6_truncated": Reason("ICMPv6 error without enough of the IPv4 packet", "RFC 2473 s8"),
        "drop_icmpv6_not_ours": Reason("ICMPv6 error about a packet we did not send", "RFC 5927"),
        # NAPT
        "drop_protocol_unsupported": Reason("no NAPT for this protocol", "RFC 7597 s9"),
        "drop_unsolicited": Reason("no binding for the destination port; never answered", "RFC 4787 s5"),
        "drop_filtered": Reason("sender was not talked to", "RFC 7597 s10, RFC 4787 REQ-8"),
        "drop_no_session": Reason("belongs to no session and may not open one", "RFC 5508 REQ-4"),
        "drop_tcp_no_session": Reason("TCP segment that opens nothing", "RFC 6146 s3.5.2.2, RFC 7857 s2"),
        "drop_ports_exhausted": Reason("no free port in the set", "RFC 5508 REQ-8, RFC 6888 REQ-11"),
        "drop_session_limit": Reason("session table is full", "RFC 6888 REQ-11"),
        "drop_quota": Reason("subscriber has all ports that one may have", "RFC 6888 REQ-4"),
        "drop_session_quota": Reason("subscriber has all sessions that one may have", "RFC 6888 REQ-5"),
        "drop_session_rate": Reason("subscriber opens sessions too fast", "RFC 6888 REQ-4C, REQ-5B"),
        "drop_no_subscriber": Reason("source is no customer of the pool", "RFC 7422 s2, RFC 6908"),
    }
)
