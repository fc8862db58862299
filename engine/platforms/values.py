# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values of a device's configuration, each with the line that it stands in."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_interface

from ..mapping.rfc6052 import prefix_problem
from .driver import ParseError

# A line that is not ours may hold what is nobody's business; its value is not shown.
_SECRET = re.compile(r"(?i)((?:pass\w*|secret|key|psk|community)\b['\"]?[\s:=]+)\S.*")


def parse_error(line: int, text: str, wrong: str) -> ParseError:
    """A ParseError that shows the line. ``line`` counts from 1 in the text that was parsed."""
    first, *_ = text.strip().splitlines() or [""]
    shown = _SECRET.sub(r"\1********", first)
    return ParseError(f"line {line}: {shown}: {wrong}")


@dataclass(frozen=True, slots=True)
class Leaf:
    """One value. Every conversion raises ParseError with the line where the value does not fit."""

    value: str
    line: int
    text: str  # the line itself

    def error(self, wrong: str) -> ParseError:
        """A ParseError at this value."""
        return parse_error(self.line, self.text, wrong)

    def integer(self, least: int, most: int) -> int:
        """A decimal number in least..most."""
        if not self.value.isdecimal() or not least <= int(self.value) <= most:
            raise self.error(f"{self.value} is not a number in {least}..{most}")
        return int(self.value)

    def bits(self, most: int) -> int:
        """Exponent of a power of two up to 2^most."""
        number = self.integer(1, 1 << most)
        if number & (number - 1):
            below = 1 << number.bit_length() - 1
            raise self.error(f"{number} is not a power of two; use {below} or {min(2 * below, 1 << most)}")
        return number.bit_length() - 1

    def ipv6(self) -> IPv6Address:
        """An IPv6 address."""
        try:
            return IPv6Address(self.value)
        except ValueError:
            raise self.error(f"{self.value} is not an IPv6 address") from None

    def ipv4_network(self) -> IPv4Network:
        """An IPv4 prefix as A/length, A/mask or "A mask"; bits after the prefix are ignored."""
        try:
            return IPv4Network(self.value.replace(" ", "/"), strict=False)
        except ValueError:
            raise self.error(f"{self.value} is not an IPv4 prefix") from None

    def ipv6_network(self) -> IPv6Network:
        """An IPv6 prefix; bits after the prefix are ignored."""
        try:
            return IPv6Network(self.value, strict=False)
        except ValueError:
            raise self.error(f"{self.value} is not an IPv6 prefix") from None

    def pref64(self) -> IPv6Network:
        """An IPv6 prefix that holds IPv4 addresses (RFC 6052)."""
        prefix = self.ipv6_network()
        wrong = prefix_problem(prefix)
        if wrong:
            raise self.error(f"{prefix}: {wrong}")
        return prefix


@functools.lru_cache(maxsize=1 << 14)
def canonical(word: str) -> str:
    """One spelling for an address or prefix (RFC 5952, no host bits); any other word as it is."""
    if ":" not in word and not word[:1].isdigit():
        return word  # quick, since most words are none
    try:
        parsed = ip_interface(word)
    except ValueError:
        return word
    return str(parsed.network if "/" in word else parsed.ip)
