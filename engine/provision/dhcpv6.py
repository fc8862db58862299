# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""DHCPv6 options of softwires as octets (RFC 7598, RFC 6334, RFC 8026): encode and decode.

An option is code (16 bits), length (16), body. A value that breaks the RFC raises OptionError, since a
client has to ignore the whole container then (RFC 7598 section 6).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any

from ..mapping.binding import Binding
from ..mapping.iid import RFC7597, map_address
from ..mapping.portset import PortSet, PortSetError, left_aligned_psid, psid_from_left_aligned
from ..mapping.rfc6052 import prefix_problem
from ..mapping.rule import DEFAULT_OFFSET, MAX_EA_LEN, MapRule, MapRuleError

AFTR_NAME = 64
RULE, BORDER_RELAY, DEFAULT_RULE, BIND, PORT_PARAMETERS = 89, 90, 91, 92, 93
MAP_E, MAP_T, LIGHTWEIGHT = 94, 95, 96
PRIORITY = 111
# What a container stands for, and the mechanisms that a priority list may name (RFC 8026 section 4.1).
CONTAINERS = {"map-e": MAP_E, "map-t": MAP_T, "lw4o6": LIGHTWEIGHT}
MECHANISMS = {"ds-lite": AFTR_NAME, **CONTAINERS}

_FORWARDING = 0x01  # the last bit of the flags octet is the F flag (RFC 7598 section 4.1)
_MAX_OFFSET = 15  # RFC 7598 section 4.5


class OptionError(ValueError):
    """The octets are no such option, or the values cannot be one."""


@dataclass(frozen=True, slots=True)
class Bound:
    """Body of option 92: what the lwB4 with an address in ``prefix`` owns."""

    ipv4: IPv4Address
    prefix: IPv6Network
    ports: PortSet

    def binding(self, end_user_prefix: IPv6Network) -> Binding:
        """The lwAFTR's entry for the customer with this End-user prefix (RFC 7596 section 5.1)."""
        prefix, length = int(end_user_prefix.network_address), end_user_prefix.prefixlen
        softwire = map_address(prefix, length, int(self.ipv4), self.ports.psid, RFC7597)
        return Binding(
            IPv6Address(softwire), self.ipv4, self.ports.offset, self.ports.psid_len, self.ports.psid
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """Options 94, 95 and 96. Raises OptionError where table 1 of RFC 7598 section 6 is broken."""

    technique: str  # a key of CONTAINERS
    rules: tuple[MapRule, ...] = ()
    gateways: tuple[IPv6Address, ...] = ()
    translation_prefix: IPv6Network | None = None
    bound: Bound | None = None

    def __post_init__(self) -> None:
        problems = _container_problems(self)
        if problems:
            raise OptionError(f"{self.technique}: {'; '.join(problems)}")


def _container_problems(found: Container) -> list[str]:
    translates, binds = found.technique == "map-t", found.technique == "lw4o6"
    table = (
        ("rule", len(found.rules), (0, 0) if binds else (1, None)),
        ("border relay", len(found.gateways), (0, 0) if translates else (1, None)),
        ("default mapping rule", int(found.translation_prefix is not None), (1, 1) if translates else (0, 0)),
        ("binding", int(found.bound is not None), (0, 1) if binds else (0, 0)),
    )
    problems = []
    for name, count, (least, most) in table:
        if count < least:
            problems.append(f"the {name} is missing")
        elif most is not None and count > most:
            problems.append(f"{count} of {name}, {most} allowed")
    return problems


# -- octets of one option -----------------------------------------------------------------------


def option(code: int, body: bytes) -> bytes:
    """An option with its header."""
    return code.to_bytes(2, "big") + len(body).to_bytes(2, "big") + body


def split(data: bytes) -> list[tuple[int, bytes]]:
    """Code and body of each of the options in a row. Raises OptionError where one is cut off."""
    found = []
    at = 0
    while at < len(data):
        if len(data) - at < 4:
            raise OptionError(f"{len(data) - at} octets at the end are no option")
        code, length = int.from_bytes(data[at : at + 2], "big"), int.from_bytes(data[at + 2 : at + 4], "big")
        at += 4
        if len(data) - at < length:
            raise OptionError(f"option {code} has {len(data) - at} octets, its length says {length}")
        found.append((code, data[at : at + length]))
        at += length
    return found


def encode_port_parameters(ports: PortSet) -> bytes:
    """Option 93; the PSID is on the left of its 16 bits (section 4.5). Raises OptionError."""
    if ports.offset > _MAX_OFFSET:
        raise OptionError(f"PSID offset {ports.offset} is outside 0..{_MAX_OFFSET}")
    psid = left_aligned_psid(ports.psid, ports.psid_len)
    return option(PORT_PARAMETERS, bytes((ports.offset, ports.psid_len)) + psid.to_bytes(2, "big"))


def encode_rule(rule: MapRule) -> bytes:
    """Option 89 with option 93 in it. Raises OptionError."""
    ports = PortSet(rule.psid_offset, rule.explicit_psid_len, rule.explicit_psid)
    body = bytes((_FORWARDING if rule.forwarding else 0, rule.ea_len, rule.ipv4_prefix.prefixlen))
    body += rule.ipv4_prefix.network_address.packed + _prefix(rule.ipv6_prefix)
    return option(RULE, body + encode_port_parameters(ports))


def encode_border_relay(address: IPv6Address) -> bytes:
    """Option 90: address of a BR or lwAFTR."""
    return option(BORDER_RELAY, address.packed)


def encode_default_rule(prefix: IPv6Network) -> bytes:
    """Option 91: the DMR of MAP-T."""
    return option(DEFAULT_RULE, _prefix(prefix))


def encode_bound(bound: Bound) -> bytes:
    """Option 92 with option 93 in it where the address is shared. Raises OptionError."""
    ports = encode_port_parameters(bound.ports) if bound.ports.shared else b""
    return option(BIND, bound.ipv4.packed + _prefix(bound.prefix) + ports)


def encode_container(container: Container) -> bytes:
    """Option 94, 95 or 96. Raises OptionError."""
    body = b"".join(encode_rule(rule) for rule in container.rules)
    if container.translation_prefix is not None:
        body += encode_default_rule(container.translation_prefix)
    if container.bound is not None:
        body += encode_bound(container.bound)
    body += b"".join(encode_border_relay(address) for address in container.gateways)
    return option(CONTAINERS[container.technique], body)


def encode_aftr_name(name: str) -> bytes:
    """Option 64: one name in DNS wire form without compression (RFC 6334 section 3). Raises OptionError."""
    try:
        labels = [label.encode("ascii") for label in name.rstrip(".").split(".")]
    except UnicodeEncodeError:
        raise OptionError(f"{name!r} is no ASCII name; use its form in punycode") from None
    if not all(1 <= len(label) <= 63 for label in labels):
        raise OptionError(f"{name!r} has a label that is empty or longer than 63 octets")
    body = b"".join(bytes((len(label),)) + label for label in labels) + b"\0"
    if not 3 < len(body) <= 255:
        raise OptionError(f"{name!r} has {len(body)} octets on the wire, 4 to 255 are allowed")
    return option(AFTR_NAME, body)


def encode_priority(codes: Iterable[int]) -> bytes:
    """Option 111: mechanisms in the order to be tried (RFC 8026 section 1.4). Raises OptionError."""
    codes = tuple(codes)
    _check_priority(codes)
    return option(PRIORITY, b"".join(code.to_bytes(2, "big") for code in codes))


def _check_priority(codes: tuple[int, ...]) -> None:
    if not codes or len(set(codes)) < len(codes):
        raise OptionError(f"priorities {codes}: empty, or a mechanism twice")


def _prefix(prefix: IPv6Network) -> bytes:
    return bytes((prefix.prefixlen,)) + prefix.network_address.packed[: (prefix.prefixlen + 7) // 8]


# -- and back -----------------------------------------------------------------------------------


def decode(data: bytes) -> Any:
    """The value of one option with its header: PortSet, MapRule, IPv6Address, IPv6Network, Bound, Container,
    the AFTR's name, or the codes of a priority list. Raises OptionError, also for an option not known here.
    """
    options = split(data)
    if len(options) != 1:
        raise OptionError(f"{len(options)} options in place of one")
    code, body = options[0]
    if code not in _DECODERS:
        raise OptionError(f"option {code} is none of {', '.join(map(str, _DECODERS))}")
    return _DECODERS[code](body)


def _decode_port_parameters(body: bytes) -> PortSet:
    if len(body) != 4:
        raise OptionError(f"port parameters have {len(body)} octets, not 4")
    offset, psid_len = body[0], body[1]
    if offset > _MAX_OFFSET:
        raise OptionError(f"PSID offset {offset} is outside 0..{_MAX_OFFSET}")
    if psid_len > 16:
        raise OptionError(f"PSID length {psid_len} is outside 0..16")
    # Of the PSID field only the first psid_len bits count.
    psid = psid_from_left_aligned(int.from_bytes(body[2:], "big"), psid_len)
    try:
        return PortSet(offset, psid_len, psid)
    except PortSetError as error:
        raise OptionError(str(error)) from error


def _decode_rule(body: bytes) -> MapRule:
    if len(body) < 8:
        raise OptionError(f"a rule has {len(body)} octets, at least 8 are needed")
    flags, ea_len, ipv4_len = body[:3]
    if ea_len > MAX_EA_LEN:
        raise OptionError(f"EA-bits length {ea_len} is outside 0..{MAX_EA_LEN}")
    ipv6_prefix, rest = _take_prefix(body[7:])
    ports = _inner_ports(rest, "rule")
    if ports is not None and ports.shared and ipv4_len != 32:
        raise OptionError(f"a PSID is given for an IPv4 prefix of /{ipv4_len}, it needs /32 (section 4.5)")
    try:
        return MapRule(
            ipv6_prefix,
            _ipv4_prefix(body[3:7], ipv4_len),
            ea_len,
            DEFAULT_OFFSET if ports is None else ports.offset,
            explicit_psid_len=0 if ports is None else ports.psid_len,
            explicit_psid=0 if ports is None else ports.psid,
            forwarding=bool(flags & _FORWARDING),
        )
    except MapRuleError as error:
        raise OptionError(str(error)) from error


def _ipv4_prefix(address: bytes, length: int) -> IPv4Network:
    if length > 32:
        raise OptionError(f"IPv4 prefix length {length} is outside 0..32")
    return IPv4Network((int.from_bytes(address, "big"), length), strict=False)


def _decode_border_relay(body: bytes) -> IPv6Address:
    if len(body) != 16:
        raise OptionError(f"a border relay has {len(body)} octets, not 16")
    return IPv6Address(body)


def _decode_default_rule(body: bytes) -> IPv6Network:
    prefix, rest = _take_prefix(body)
    if rest:
        raise OptionError(f"{len(rest)} octets after the default mapping rule")
    problem = prefix_problem(prefix)
    if problem:
        raise OptionError(f"default mapping rule {prefix}: {problem}")
    return prefix


def _decode_bound(body: bytes) -> Bound:
    if len(body) < 5:
        raise OptionError(f"a binding has {len(body)} octets, at least 5 are needed")
    prefix, rest = _take_prefix(body[4:])
    return Bound(IPv4Address(body[:4]), prefix, _inner_ports(rest, "binding") or PortSet(0, 0, 0))


def _inner_ports(data: bytes, within: str) -> PortSet | None:
    """The port parameters inside a rule or a binding, None where there are none."""
    options = split(data)
    strange = sorted({code for code, _body in options} - {PORT_PARAMETERS})
    if strange or len(options) > 1:
        raise OptionError(f"a {within} may hold one option {PORT_PARAMETERS}, not {[c for c, _b in options]}")
    return _decode_port_parameters(options[0][1]) if options else None


def _take_prefix(data: bytes) -> tuple[IPv6Network, bytes]:
    """A prefix, its length in front, and the octets after it. Bits after the prefix do not count."""
    if not data:
        raise OptionError("a prefix is missing")
    length = data[0]
    size = (length + 7) // 8
    if length > 128:
        raise OptionError(f"IPv6 prefix length {length} is outside 0..128")
    if len(data) - 1 < size:
        raise OptionError(f"a prefix of /{length} has {len(data) - 1} octets, not {size}")
    address = int.from_bytes(data[1 : 1 + size].ljust(16, b"\0"), "big")
    return IPv6Network((address, length), strict=False), data[1 + size :]


def _decode_container(technique: str) -> Callable[[bytes], Container]:
    def decoder(body: bytes) -> Container:
        found: dict[int, list[Any]] = {code: [] for code in (RULE, BORDER_RELAY, DEFAULT_RULE, BIND)}
        for code, inner in split(body):
            if code not in found:
                raise OptionError(f"{technique}: option {code} has no place in the container")
            found[code].append(_DECODERS[code](inner))
        for code in (DEFAULT_RULE, BIND):
            if len(found[code]) > 1:
                raise OptionError(f"{technique}: option {code} is there {len(found[code])} times, not once")
        return Container(
            technique=technique,
            rules=tuple(found[RULE]),
            gateways=tuple(found[BORDER_RELAY]),
            translation_prefix=next(iter(found[DEFAULT_RULE]), None),
            bound=next(iter(found[BIND]), None),
        )

    return decoder


def _decode_aftr_name(body: bytes) -> str:
    if len(body) <= 3:
        raise OptionError(f"an AFTR name has {len(body)} octets, more than 3 are needed (RFC 6334 section 3)")
    labels, at = [], 0
    while at < len(body) and body[at]:
        size = body[at]
        if size > 63:
            raise OptionError("an AFTR name is compressed, or has a label longer than 63 octets")
        label = body[at + 1 : at + 1 + size]
        if len(label) < size:
            break
        labels.append(label)
        at += 1 + size
    # What follows the first name does not count: there is one AFTR for an interface.
    if at >= len(body) or body[at] or not labels or at >= 255:
        raise OptionError("an AFTR name does not end, is empty, or is longer than 255 octets")
    try:
        return b".".join(labels).decode("ascii")
    except UnicodeDecodeError:
        raise OptionError("an AFTR name is not ASCII") from None


def _decode_priority(body: bytes) -> tuple[int, ...]:
    if len(body) % 2:
        raise OptionError(f"a priority list has {len(body)} octets, not a multiple of 2")
    codes = tuple(int.from_bytes(body[at : at + 2], "big") for at in range(0, len(body), 2))
    _check_priority(codes)
    return codes


_DECODERS: dict[int, Callable[[bytes], Any]] = {
    AFTR_NAME: _decode_aftr_name,
    RULE: _decode_rule,
    BORDER_RELAY: _decode_border_relay,
    DEFAULT_RULE: _decode_default_rule,
    BIND: _decode_bound,
    PORT_PARAMETERS: _decode_port_parameters,
    **{code: _decode_container(technique) for technique, code in CONTAINERS.items()},
    PRIORITY: _decode_priority,
}
