# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What follows from a technique's row alone, in the words of the ShowNet deck and of RFC 9313."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from ..techniques import Technique
from ..techniques.service import EDGE, GATEWAY

NOWHERE = "nowhere"

# -- the deck of the ShowNet of 2013 ---------------------------------------------------------------------

_NAT_RUNS = {EDGE: "user side", GATEWAY: "carrier side", NOWHERE: "no NAT"}
_TRACEABILITY = {EDGE: "fair", GATEWAY: "good", NOWHERE: "excellent"}
_LOG_VOLUME = {EDGE: "slight increase", GATEWAY: "large", NOWHERE: "none"}
_MEDIUM = "medium to large ISP, cable operator, mobile operator"
_TARGETS = {"rule": "large ISP", "binding": _MEDIUM, "session": _MEDIUM}
_ENTERPRISE = "enterprise, other"


def nat_runs(row: Technique) -> str:
    """Where addresses and ports are translated."""
    return _NAT_RUNS[row.napt]


def topology(row: Technique) -> str:
    """Whether users can reach each other without a carrier box: where everybody can compute the way."""
    return "hub and spoke" if row.mapping in ("binding", "session") else "mesh"


def traceability(row: Technique) -> str:
    """How well an IPv4 address leads to a user: alone, by a log, or only together with the port."""
    return _TRACEABILITY[row.napt]


def log_volume(row: Technique) -> str:
    """Whether sessions are logged."""
    return _LOG_VOLUME[row.napt]


def packet_format(row: Technique) -> str:
    """How IPv4 crosses the domain."""
    return row.carriage


def scalability(row: Technique) -> str:
    """Best where a gateway keeps neither sessions nor a table of users, and needs no routes for them."""
    return "excellent" if row.mapping == "rule" else "good"


def target(row: Technique) -> str:
    """For whom it was made."""
    return _TARGETS.get(row.mapping, _ENTERPRISE)


def unrestricted(row: Technique) -> bool:
    """Whether every protocol passes."""
    return row.napt == NOWHERE


# -- RFC 9313 ------------------------------------------------------------------------------------------


def traversal(row: Technique) -> str:
    """Table 1; IPv6-only hosts of a NAT64 have one translation less."""
    if row.carriage == "encapsulation":
        return "4in6"
    return "4-6-4 translation" if row.edge else "6-4 translation"


def operator_keeps_flows(row: Technique) -> bool:
    """Table 3: whether the operator's network has state for each flow."""
    return row.napt == GATEWAY


def told_by_dhcpv6(row: Technique) -> bool:
    """Table 2: RFC 7598 and RFC 6334."""
    return row.mapping in ("rule", "binding") or _is_session(row, "encapsulation")


def told_by_dhcp_4o6(row: Technique) -> bool:
    """Table 2: an own IPv4 address for the end of a tunnel (RFC 7618, RFC 8539)."""
    return row.mapping in ("rule", "binding") and row.carriage == "encapsulation"


def told_by_dns64(row: Technique) -> bool:
    """Table 2: RFC 7050."""
    return _is_session(row, "translation")


def radius(row: Technique) -> str | None:
    """RFC with its RADIUS attributes."""
    if row.mapping in ("rule", "binding"):
        return "RFC 8658"
    return "RFC 6519" if _is_session(row, "encapsulation") else None


def yang(row: Technique) -> str | None:
    """RFC with its YANG module."""
    if row.mapping in ("rule", "binding"):
        return "RFC 8676"
    if row.mapping != "session":
        return None
    return "RFC 8513" if row.carriage == "encapsulation" else "RFC 8512"


def napt_place(row: Technique) -> str:
    """Section 3.3: the box."""
    return {EDGE: "CE", GATEWAY: row.gateway, NOWHERE: "none"}[row.napt]


def port_sharing(row: Technique) -> str:
    """Whether a customer's ports are its own, or given out as they are needed."""
    return {EDGE: "static set", GATEWAY: "dynamic", NOWHERE: "none"}[row.napt]


def other_protocols(row: Technique) -> bool:
    """Section 3.2: whether the carriage takes more than TCP, UDP and ICMP."""
    return row.carriage == "encapsulation"


_LOGGING: Mapping[str, str] = MappingProxyType(
    {
        "rule": "rule set with times",
        "binding": "binding table with times",
        "session": "per session or port block",
    }
)


def logging(row: Technique) -> str:
    """Section 4.7: what has to be kept to find a customer."""
    return _LOGGING.get(row.mapping, "none")


def inbound(row: Technique) -> str:
    """Section 4.3: how a customer's server is reached."""
    if row.napt == EDGE:
        return "own ports or full address"
    if row.napt == NOWHERE:
        return "own addresses"
    return "PCP or static/EAM" if row.carriage == "translation" else "PCP where supported"


def several_gateways(row: Technique) -> str:
    """Section 4.6: anycast and ECMP."""
    return "state limits it" if row.napt == GATEWAY else "yes"


def optimisation(row: Technique) -> str:
    """Section 4.8: reaching dual-stack services without translating back."""
    return "possible" if row.carriage == "translation" else "no"


def _is_session(row: Technique, carriage: str) -> bool:
    return row.mapping == "session" and row.carriage == carriage


# -- both, as cells of a table -------------------------------------------------------------------------

ASPECTS: Mapping[str, Callable[[Technique], object]] = MappingProxyType(
    {
        "where NAT runs": nat_runs,
        "NAPT place": napt_place,
        "topology": topology,
        "packet format": packet_format,
        "traversal": traversal,
        "port sharing": port_sharing,
        "several gateways": several_gateways,
        "inbound service": inbound,
        "logging": logging,
        "target users": target,
    }
)
