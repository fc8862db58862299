# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A captured packet as people have it: octets in hex, or a line of tcpdump, of which one like it is made."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from ..packet import ipv4, ipv6
from ..packet.checksum import checksum, pseudo4, pseudo6

_RIGHT = (
    "an IPv6 address; a packet in hex, from its IP or Ethernet header on; or a line such as "
    "2001:db8::1 > 2001:db8::2, IP 192.0.2.1.5000 > 198.51.100.1.80"
)
_DUMP_LINE = re.compile(r"^\s*0x[0-9a-fA-F]+:\s+((?:[0-9a-fA-F]{2,4} ?)+)(?:\s.*)?$")
_HEX = re.compile(r"[0-9a-fA-F]+")
_ENDS = re.compile(r"(\S+)\s+>\s+(\S+?)[,:]?(?=\s|$)")
_REMARK = re.compile(r"\([^()]*\)")  # tcpdump -v
_QUERY_ID = re.compile(r"\bid (\d+)")
_ETHERNET, _VLAN, _TYPES = 14, 4, (b"\x86\xdd", b"\x08\x00")
_ECHO4, _ECHO6, _SYN = 8, 128, 2


class CaptureError(ValueError):
    """The text is no capture; the message says what would be right."""


@dataclass(frozen=True, slots=True)
class End:
    """One side of a line."""

    address: IPv4Address | IPv6Address
    port: int | None


def packet_of(text: str) -> bytes:
    """The IP packet that a text shows; one like it where the text is a line. Raises CaptureError.

    An address alone is not asked for here: it would pass for hex digits.
    """
    digits = _digits(text)
    return _ip_of(bytes.fromhex(digits)) if digits else _made(text)


def _digits(text: str) -> str:
    """The hex digits, where the text has nothing else but what tcpdump -x and -X put beside them."""
    lines = [line for line in text.splitlines() if line.strip()]
    dumped = [match for line in lines if (match := _DUMP_LINE.match(line))]
    if dumped:
        return "".join(match[1] for match in dumped).replace(" ", "")
    packed = re.sub(r"[\s:.-]|0x", "", text)
    return packed if _HEX.fullmatch(packed) and len(packed) % 2 == 0 else ""


def _ip_of(data: bytes) -> bytes:
    """Without the Ethernet header."""
    at = _ETHERNET
    while data[at - 2 : at] in (b"\x81\x00", b"\x88\xa8"):
        at += _VLAN
    if data[at - 2 : at] in _TYPES and len(data) > at and data[at] >> 4 in (4, 6):
        data = data[at:]
    if len(data) < 20 or data[0] >> 4 not in (4, 6):
        raise CaptureError(f"{data[:8].hex()} ... is neither IPv4 nor IPv6; {_RIGHT}")
    return data


def _made(text: str) -> bytes:
    plain = text
    while _REMARK.search(plain):
        plain = _REMARK.sub(" ", plain)
    ends = [(_end(a), _end(b)) for a, b in _ENDS.findall(plain)]
    pairs = [(a, b) for a, b in ends if a is not None and b is not None]
    if not pairs:
        raise CaptureError(f"{' '.join(text.split())[:60]!r} shows no packet; {_RIGHT}")
    inner = _packet(*pairs[-1], plain)
    if len(pairs) == 1:
        return inner
    (source, destination), *_ = pairs
    if source.address.version != 6 or destination.address.version != 6 or inner[0] >> 4 != 4:
        raise CaptureError(f"{source.address} around {pairs[-1][0].address} is no tunnel; {_RIGHT}")
    return ipv6.write(0, len(inner), ipv6.IPV4, int(source.address), int(destination.address)) + inner


def _end(text: str) -> End | None:
    """An address, with or without .port behind it."""
    for address, port in ((text, None), text.rpartition(".")[::2]):
        try:
            if port is not None and not 0 <= int(port) <= 0xFFFF:
                continue
            found = IPv6Address(address) if ":" in address else IPv4Address(address)
        except ValueError:
            continue
        return End(found, None if port is None else int(port))
    return None


def _packet(source: End, destination: End, text: str) -> bytes:
    """A packet between two ends of one version, with the protocol that the line names."""
    one, other = source.address, destination.address
    if one.version != other.version:
        raise CaptureError(f"{one} and {other} are not of one IP version; {_RIGHT}")
    ends = int(one), int(other)
    if source.port is not None and destination.port is not None:
        protocol = ipv4.UDP if "UDP" in text else ipv4.TCP
        body = _transport(protocol, source.port, destination.port)
    else:
        query = _QUERY_ID.search(text)
        if query is None:
            raise CaptureError(f"{one} > {other} has neither ports nor an echo identifier; {_RIGHT}")
        protocol = ipv4.ICMP if one.version == 4 else ipv6.ICMPV6
        body = struct.pack("!BBHHH", _ECHO4 if one.version == 4 else _ECHO6, 0, 0, int(query[1]), 1)
    pseudo = pseudo4 if one.version == 4 else pseudo6
    whole = 0 if protocol == ipv4.ICMP else pseudo(*ends, protocol, len(body))
    at = {ipv4.TCP: 16, ipv4.UDP: 6}.get(protocol, 2)
    body = body[:at] + struct.pack("!H", checksum(body, whole) or 0xFFFF) + body[at + 2 :]
    if one.version == 4:
        return ipv4.build(protocol, *ends, body)
    return ipv6.write(0, len(body), protocol, *ends) + body


def _transport(protocol: int, source: int, destination: int) -> bytes:
    if protocol == ipv4.UDP:
        return struct.pack("!HHHH", source, destination, 8, 0)
    return struct.pack("!HHIIBBHHH", source, destination, 1, 0, 0x50, _SYN, 0xFFFF, 0, 0)
