# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a service stays within what a platform can take: the limits of its features.yml.

A limit is ``word: [least, most]``; WORDS tells what each word measures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from ..intent.wording import any_of
from ..mapping.rule import MapRule
from ..techniques import TECHNIQUES
from ..techniques.service import Service
from .capability import Feature


def _each_rule(value: Callable[[MapRule], int]) -> Callable[[Service], Iterable[int]]:
    return lambda service: (value(rule) for rule in service.rules)


def _each_shared_rule(value: Callable[[MapRule], int]) -> Callable[[Service], Iterable[int]]:
    return lambda service: (value(rule) for rule in service.rules if rule.psid_len)


# word -> (what it is called in a message, the values to compare with the limit)
WORDS: Mapping[str, tuple[str, Callable[[Service], Iterable[int]]]] = MappingProxyType(
    {
        "name_length": ("length of the service's name", lambda service: (len(service.name),)),
        "rules": ("number of rules", lambda service: (len(service.rules),)),
        "bindings": ("number of bindings", lambda service: (len(service.bindings),)),
        "ipv6_mtu": ("IPv6 MTU", lambda service: (service.ipv6_mtu,)),
        "mss_clamp": ("TCP MSS", lambda service: (service.mss_clamp,) if service.mss_clamp else ()),
        "ipv6_prefix_len": ("length of the Rule IPv6 prefix", _each_rule(lambda r: r.ipv6_prefix.prefixlen)),
        "ipv4_prefix_len": ("length of the Rule IPv4 prefix", _each_rule(lambda r: r.ipv4_prefix.prefixlen)),
        "customer_prefix_len": (
            "Rule IPv6 prefix length + EA length",
            _each_rule(lambda r: r.customer_prefix_len),
        ),
        "customer_ipv4_len": (
            "IPv4 prefix length of one customer",
            _each_rule(lambda r: r.customer_ipv4_len),
        ),
        "ea_len": ("EA length", _each_rule(lambda r: r.ea_len)),
        "translation_prefix_len": (
            "length of the translation prefix",
            lambda service: (service.translation_prefix.prefixlen,) if service.translation_prefix else (),
        ),
        "psid_len": ("PSID length", _each_rule(lambda r: r.psid_len)),
        "psid_offset": ("PSID offset", _each_shared_rule(lambda r: r.psid_offset)),
        "sharing_ratio": ("customers on one address", _each_rule(lambda r: r.sharing_ratio)),
        "contiguous_ports": (
            "contiguous ports",
            _each_shared_rule(lambda r: r.port_set(r.explicit_psid).range_size),
        ),
    }
)


def beyond_limits(feature: Feature, service: Service) -> tuple[str, ...]:
    """What the platform cannot take of the service, in words; empty where it can take all.

    Raises KeyError for a limit that is not one of WORDS: a fault of the features.yml.
    """
    found = []
    for word, (least, most) in feature.limits.items():
        title, values = WORDS[word]
        outside = next((value for value in values(service) if not least <= value <= most), None)
        if outside is not None:
            found.append(f"{title} is {outside}, it takes {least}" + (f" to {most}" if most > least else ""))
    with_identifier = TECHNIQUES[service.technique].mapping == "rule"
    if with_identifier and service.interface_identifier not in feature.iid_formats:
        formats = any_of(feature.iid_formats) or "none"
        found.append(f"interface identifier is {service.interface_identifier}, it takes {formats}")
    return tuple(found)
