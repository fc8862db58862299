# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Leaf types of the inventory: each reads what YAML gives, or says what would be right.

Numbers and booleans are accepted as text too, because Ansible's templating makes text of them.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainValidator
from pydantic_core import PydanticCustomError

from .wording import any_of, shown, use_known

FAULT = "fault"

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_WHOLE = re.compile(r"\s*-?[0-9]{1,30}\s*")
_FLAGS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_NETWORK_EXAMPLE = {4: "192.0.2.0/24", 6: "2001:db8:6000::/56"}
_ADDRESS_EXAMPLE = {4: "192.0.2.1", 6: "2001:db8::1"}
_MSS_RANGE = (536, 65495)  # RFC 9293 section 3.7.1; 65535 - 40


def fault(wrong: str, right: str) -> PydanticCustomError:
    """A fault of one value; read.py makes a Problem of it."""
    return PydanticCustomError(FAULT, "{wrong}", {"wrong": wrong, "right": right})


def _number(value: Any, right: str) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        return int(value)
    raise fault(f"{shown(value)} is not a whole number", right)


def _number_in(value: Any, low: int, high: int) -> int:
    number = _number(value, f"use a number from {low} to {high}")
    if low <= number <= high:
        return number
    side = "below" if number < low else "above"
    raise fault(f"{number} is {side} {low if number < low else high}", f"use {low} to {high}")


def whole(low: int, high: int) -> PlainValidator:
    """A whole number in low..high."""
    return PlainValidator(lambda value: _number_in(value, low, high))


def power_of_two(high: int, *, or_zero: bool = False) -> PlainValidator:
    """1, 2, 4 ... high, and 0 where that means none."""
    right = f"use a power of two from 1 to {high}" + (", or 0" if or_zero else "")

    def read(value: Any) -> int:
        number = _number(value, right)
        if not (0 if or_zero else 1) <= number <= high:
            raise fault(f"{number} is no power of two up to {high}", right)
        if number & (number - 1):
            below = 1 << (number.bit_length() - 1)
            raise fault(f"{number} is not a power of two", f"use {any_of((below, below * 2))}")
        return number

    return PlainValidator(read)


def _network(version: int) -> PlainValidator:
    write = f"write it as {_NETWORK_EXAMPLE[version]}"

    def read(value: Any) -> IPv4Network | IPv6Network:
        text = value.strip() if isinstance(value, str) else ""
        try:
            found = ip_network(text, strict=False)
        except ValueError:
            raise fault(f"{shown(value)} is not an IPv{version} prefix", write) from None
        head, slash, length = text.partition("/")
        if found.version != version:
            raise fault(f"{text} is an IPv{found.version} prefix", f"use an IPv{version} prefix here")
        if not slash:
            raise fault(f"{text} has no prefix length", f"use {found} or the length that is meant")
        if not length.isdigit():
            raise fault(f"{text} has a mask in place of a length", f"use {found}")
        if ip_address(head) != found.network_address:
            raise fault(f"{text} has bits set beyond its /{length}", f"use {found}")
        return found

    return PlainValidator(read)


def _address(version: int) -> PlainValidator:
    write = f"write it as {_ADDRESS_EXAMPLE[version]}"

    def read(value: Any) -> IPv4Address | IPv6Address:
        text = value.strip() if isinstance(value, str) else ""
        head, slash, _ = text.partition("/")
        try:
            found = ip_address(head.partition("%")[0])
        except ValueError:
            raise fault(f"{shown(value)} is not an IPv{version} address", write) from None
        if found.version != version:
            raise fault(f"{text} is an IPv{found.version} address", f"use an IPv{version} address here")
        if slash or "%" in head:
            raise fault(f"{text} is more than an address", f"use {found}")
        return found

    return PlainValidator(read)


def choice(*known: str) -> PlainValidator:
    """One word of ``known``."""

    def read(value: Any) -> str:
        word = value.strip() if isinstance(value, str) else None
        if word in known:
            return word
        raise fault(f"{shown(value)} is not known", use_known(shown(value), known))

    return PlainValidator(read)


def _flag(value: Any) -> bool:
    word = shown(value).strip().lower()
    if isinstance(value, (bool, str)) and word in _FLAGS:
        return _FLAGS[word]
    raise fault(f"{shown(value)} is neither true nor false", "use true or false")


def _name(value: Any) -> str:
    if isinstance(value, str) and _NAME.fullmatch(value):
        return value
    raise fault(f"{shown(value)} is not a name", "use letters, digits, - and _, a letter first")


def _host_name(value: Any) -> str:
    if isinstance(value, str) and value.strip():
        return value.strip()
    raise fault(f"{shown(value)} is not the name of a host", "use the name of a linux host of the inventory")


def _word(value: Any) -> str:
    if isinstance(value, str) and value.strip():
        return value.strip()
    raise fault(f"{shown(value)} is not a name", "use one name, such as aftr.example.net")


def _list(value: Any) -> Any:
    if isinstance(value, list):
        return value
    if isinstance(value, dict):
        raise fault("is a mapping where a list is needed", "start each item with a dash")
    raise fault(f"{shown(value)} is not a list", f"use [{shown(value)}]")


def _filled_list(value: Any) -> Any:
    items = _list(value)
    if not items:
        raise fault("is an empty list", "give one item or more")
    return items


def _clamp(value: Any) -> str | int:
    # YAML 1.1 reads a plain ``off`` as false.
    word = "off" if value is False else value
    if word in ("auto", "off"):
        return str(word)
    if isinstance(word, int) or (isinstance(word, str) and _WHOLE.fullmatch(word)):
        return _number_in(word, *_MSS_RANGE)
    raise fault(f"{shown(value)} is not known", "use auto, off or a number of octets")


def _options(value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    raise fault(f"{shown(value)} is not a mapping", "write name: value pairs")


def _literal_address(value: Any) -> IPv4Address | None:
    """The address in ansible_host, None where that is a name or IPv6."""
    try:
        return IPv4Address(value)
    except ValueError:
        return None


Flag = Annotated[bool, PlainValidator(_flag)]
Name = Annotated[str, PlainValidator(_name)]
HostName = Annotated[str, PlainValidator(_host_name)]
Word = Annotated[str, PlainValidator(_word)]
Clamp = Annotated[str | int, PlainValidator(_clamp)]
Options = Annotated[dict[str, Any], PlainValidator(_options)]
Prefix4 = Annotated[IPv4Network, _network(4)]
Prefix6 = Annotated[IPv6Network, _network(6)]
Address4 = Annotated[IPv4Address, _address(4)]
Address6 = Annotated[IPv6Address, _address(6)]
Management = Annotated[IPv4Address | None, PlainValidator(_literal_address)]
Items = BeforeValidator(_list)
FilledItems = BeforeValidator(_filled_list)
