# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HB46PP, the provisioning by HTTP of Japan's access networks: answers of a rule server.

Source: the specification of the IPv6 promotion council of Japan, version 1.1 of 7 October 2021
(github.com/v6pc/v6mig-prov, spec.md), section 3.4. All values are JSON (RFC 8259).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any

from ..mapping.binding import Binding
from ..mapping.iid import DRAFT03, RFC7597
from ..mapping.portset import PortSet
from ..mapping.rule import MapRule
from ..techniques.service import Service
from .dhcpv6 import Bound

# Technique -> its word in the specification.
WORDS = {"464xlat": "464xlat", "ds-lite": "dslite", "lw4o6": "lw4o6", "map-e": "map_e", "map-t": "map_t"}
MAX_TTL = 604800  # seconds
MAX_NAME = 256  # octets with the quotation marks
# Rules that every customer's router has to take.
MAX_RULES = {"map-e": 256, "map-t": 200}
_VERSIONS = {DRAFT03: 0, RFC7597: 1}  # of MAP-E


class AnswerError(ValueError):
    """The document is no answer of the specification, or the values cannot be one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What an answer says beside the technique."""

    enabler_name: str  # the VNE, or outside NGN the ISP
    service_name: str = ""  # left out where empty; outside NGN it must be
    isp_name: str = ""  # left out where empty
    ttl: int = 86400  # seconds

    def __post_init__(self) -> None:
        names = {
            "enabler_name": self.enabler_name,
            "service_name": self.service_name,
            "isp_name": self.isp_name,
        }
        problems = [
            f"{key} has more than {MAX_NAME} octets"
            for key, value in names.items()
            if len(value.encode()) + 2 > MAX_NAME
        ]
        if not self.enabler_name:
            problems.append("enabler_name is empty")
        if not 0 < self.ttl <= MAX_TTL:
            problems.append(f"ttl {self.ttl} is outside 1..{MAX_TTL} seconds")
        if problems:
            raise AnswerError("; ".join(problems))


def answer(service: Service, names: Names, binding: Binding | None = None) -> dict[str, Any]:
    """What customers are told; with lw4o6 the one whose ``binding`` it is. Raises AnswerError."""
    word = WORDS[service.technique]
    document: dict[str, Any] = {"enabler_name": names.enabler_name}
    document |= {"service_name": names.service_name} if names.service_name else {}
    document |= {"isp_name": names.isp_name} if names.isp_name else {}
    document |= {"ttl": names.ttl, "order": [word]}
    if binding is not None:
        return document | {word: _lightweight(service, binding)}
    return document | {word: _COMMON[service.technique](service)}


def prefix_of(service: Service, binding: Binding) -> IPv6Network:
    """End-user prefix that a binding belongs to. Raises AnswerError where it is in no delegated prefix."""
    for delegation in service.delegations:
        if binding.softwire in delegation.prefix:
            return IPv6Network((binding.softwire, delegation.length), strict=False)
    raise AnswerError(f"{binding.softwire} is in no prefix that customers have")


def _map_e(service: Service) -> dict[str, Any]:
    forwarding = {rule.forwarding for rule in service.rules}
    if len(forwarding) > 1:
        raise AnswerError("some rules are for other customers to use (mesh) and some are not: all or none")
    return {
        "version": _VERSIONS[service.interface_identifier],
        "mesh": True in forwarding,
        "br": str(service.gateway_address),
        "rules": _rules(service),
    }


def _map_t(service: Service) -> dict[str, Any]:
    if any(rule.forwarding for rule in service.rules):
        raise AnswerError("a mesh cannot be told with MAP-T")
    return {"dmr": str(service.translation_prefix), "rules": _rules(service)}


def _rules(service: Service) -> list[dict[str, Any]]:
    most = MAX_RULES[service.technique]
    if not 0 < len(service.rules) <= most:
        raise AnswerError(f"{len(service.rules)} rules, 1 to {most} can be told")
    if any(rule.explicit_psid_len for rule in service.rules):
        raise AnswerError("a PSID that is given cannot be told")
    return [
        {
            "ipv6": str(rule.ipv6_prefix),
            "ipv4": str(rule.ipv4_prefix),
            "ea_length": rule.ea_len,
            "psid_offset": rule.psid_offset,
        }
        for rule in service.rules
    ]


def _lightweight(service: Service, binding: Binding) -> dict[str, Any]:
    prefix = prefix_of(service, binding)
    formed = Bound(binding.ipv4, prefix, binding.ports).binding(prefix).softwire
    if formed != binding.softwire:
        raise AnswerError(f"an lwB4 would take {formed} in {prefix}, not {binding.softwire}")
    return {
        "lwaftr": str(binding.gateway_address or service.gateway_address),
        "ipv6": str(prefix),
        "ipv4": str(binding.ipv4),
        "psid": binding.psid,
        "psid_length": binding.psid_len,
        "psid_offset": binding.psid_offset,
    }


_COMMON: dict[str, Callable[[Service], dict[str, Any]]] = {
    "map-e": _map_e,
    "map-t": _map_t,
    # A name or an address.
    "ds-lite": lambda service: {"aftr": service.aftr_name or str(service.gateway_address)},
    "464xlat": lambda service: {"nat64prefix": str(service.translation_prefix)},
}


# -- and back -----------------------------------------------------------------------------------


def fields(document: Any) -> dict[str, Any]:
    """Fields of Service that an answer tells; of lw4o6 that customer's binding. Raises AnswerError."""
    try:
        [word] = document["order"]
        technique = next(name for name, known in WORDS.items() if known == word)
        return {"technique": technique} | _READERS[technique](document[word])
    except KeyError as error:
        raise AnswerError(f"no answer of the specification: {error.args[0]} is missing") from error
    except (TypeError, ValueError, StopIteration) as error:
        raise AnswerError(f"no answer of the specification: {error!r}") from error


def _read_map_e(found: Any) -> dict[str, Any]:
    versions = {number: name for name, number in _VERSIONS.items()}
    return {
        "interface_identifier": versions[found.get("version", 0)],
        "gateway_address": IPv6Address(found["br"]),
        "rules": _read_rules(found["rules"], bool(found.get("mesh", False))),
    }


def _read_map_t(found: Any) -> dict[str, Any]:
    return {"translation_prefix": IPv6Network(found["dmr"]), "rules": _read_rules(found["rules"], False)}


def _read_rules(found: Any, forwarding: bool) -> tuple[MapRule, ...]:
    return tuple(
        MapRule(
            IPv6Network(rule["ipv6"]),
            IPv4Network(rule["ipv4"]),
            rule["ea_length"],
            rule["psid_offset"],
            forwarding=forwarding,
        )
        for rule in found
    )


def _read_lightweight(found: Any) -> dict[str, Any]:
    prefix = IPv6Network(found["ipv6"])
    ports = PortSet(found["psid_offset"], found["psid_length"], found["psid"])
    return {
        "gateway_address": IPv6Address(found["lwaftr"]),
        "bindings": (Bound(IPv4Address(found["ipv4"]), prefix, ports).binding(prefix),),
    }


def _read_ds_lite(found: Any) -> dict[str, Any]:
    name = str(found["aftr"])
    return {"aftr_name": "", "gateway_address": IPv6Address(name)} if ":" in name else {"aftr_name": name}


_READERS: dict[str, Callable[[Any], dict[str, Any]]] = {
    "map-e": _read_map_e,
    "map-t": _read_map_t,
    "lw4o6": _read_lightweight,
    "ds-lite": _read_ds_lite,
    "464xlat": lambda found: {"translation_prefix": IPv6Network(found["nat64prefix"])},
}
