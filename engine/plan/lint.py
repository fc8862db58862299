# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the standards and the ShowNet of 2013 say of a plan: one small function a rule.

RULES holds every rule, CHECKS those that an inventory can break.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

from . import lint_devices as devices
from . import lint_helpers as helpers
from . import lint_keys as keys
from . import lint_planes as planes
from . import lint_rules as rules
from . import lint_sessions as sessions
from . import lint_translation as translation
from .compile import Fleet
from .lint_table import ERROR, RULES
from .model import Finding

__all__ = ["CHECKS", "ERROR", "RULES", "lint"]

CHECKS: Mapping[str, Callable[[Fleet], Iterator[tuple[str, str, str]]]] = MappingProxyType(
    {
        "MAP001": rules.prefixes_hold_ea_bits,
        "MAP002": rules.ports_hold_psid,
        "MAP003": rules.one_cut_an_address,
        "MAP004": rules.no_system_ports,
        "MAP005": rules.stated_psid_length,
        "MAP006": rules.zero_subnet_bits,
        "MAP007": devices.one_identifier_layout,
        "MAP008": rules.enough_ports,
        "MAP009": rules.no_overlap,
        "MAP010": rules.no_shared_interface_address,
        "MAP011": rules.no_path_mtu_discovery_with_anycast,
        "MAP013": rules.forwarding_follows_topology,
        "MAP014": translation.short_enough,
        "MAP015": devices.one_gateway_a_packet,
        "MAP016": rules.routable_pools,
        "MAP018": devices.whole_port_set,
        "DHCP003": helpers.one_mechanism,
        "DHCP004": rules.techniques_apart,
        "DSL001": helpers.aftr_named,
        "DSL003": sessions.private_networks,
        "DSL005": sessions.inner_packets_whole,
        "DSL006": sessions.no_continuity_clash,
        "X001": translation.embeddable,
        "X002": translation.global_only,
        "X003": translation.prefix_beside_lan,
        "X007": helpers.mapped_addresses_left_out,
        "X008": helpers.no_dual_stack,
        "X009": rules.no_special_space,
        "X011": translation.no_overlap,
        "X012": translation.suffixes_fit,
        "MTU001": devices.no_larger_fixed_mtu,
        "MTU002": devices.clamped_mss,
        "MTU003": devices.no_smaller_fixed_mtu,
        "MTU004": devices.no_fragment_clash,
        "MTU005": translation.lowest_mtu_raised,
        "CAP001": devices.icmp_encapsulated,
        "SA001": planes.one_network_a_plane,
        "SA002": planes.something_to_join,
        "FLT001": keys.every_key_counts,
        "FLT002": helpers.every_helper_works,
        "FLT003": sessions.sessions_stay,
        "FLT004": translation.usual_length,
        "FLT005": helpers.computed_softwires,
        "FLT006": devices.services_apart,
    }
)


def lint(fleet: Fleet) -> tuple[Finding, ...]:
    """All findings, sorted by place."""
    return tuple(
        sorted(
            Finding(
                place=place,
                rule=rule_id,
                severity=RULES[rule_id].severity,
                wrong=wrong,
                right=right,
                source=RULES[rule_id].source,
            )
            for rule_id, check in CHECKS.items()
            for place, wrong, right in check(fleet)
        )
    )
