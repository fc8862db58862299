# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Frozen dataclasses to and from JSON values, by their type hints."""

from __future__ import annotations

import dataclasses
import functools
import ipaddress
import socket
import types
import typing
from collections.abc import Callable
from typing import Any, TypeVar, Union

T = TypeVar("T")

_TEXT_TYPES = (
    ipaddress.IPv4Address,
    ipaddress.IPv4Network,
    ipaddress.IPv6Address,
    ipaddress.IPv6Network,
)
_FAMILIES = {ipaddress.IPv4Address: socket.AF_INET, ipaddress.IPv6Address: socket.AF_INET6}


class CodecError(ValueError):
    """The document does not fit the type; the message starts with the path of the value."""


class _Wrong(Exception):
    """A value that does not fit, and where below the one that is decoded. Paths cost time: made last."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.place = ""


_Decoder = Callable[[Any], Any]


def encode(value: Any) -> Any:
    """JSON value of a dataclass tree: fields in order, addresses as text."""
    if value is None or isinstance(value, (str, int, float)):
        return value
    if isinstance(value, ipaddress.IPv6Address):
        return _text6(value)
    if isinstance(value, _TEXT_TYPES):
        return str(value)
    if isinstance(value, (tuple, list)):
        return [encode(item) for item in value]
    if isinstance(value, dict):
        return {str(key): encode(item) for key, item in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {name: encode(getattr(value, name)) for name in _fields(type(value))[0]}
    return value


def _text6(address: ipaddress.IPv6Address) -> str:
    """As str(), in a fifth of the time; they differ in addresses that end with IPv4."""
    text = "." if address.scope_id else socket.inet_ntop(socket.AF_INET6, address.packed)
    return str(address) if "." in text else text


def decode(cls: type[T], document: Any, path: str = "") -> T:
    """Inverse of encode. Raises CodecError for a missing, unknown or wrong value."""
    try:
        decoder: _Decoder = _decoder(cls)  # type: ignore[arg-type]
        return typing.cast(T, decoder(document))
    except _Wrong as wrong:
        raise CodecError(f"{path or cls.__name__}{wrong.place}: {wrong}") from wrong.__cause__


@functools.cache
def _decoder(hint: Any) -> _Decoder:
    """What makes a value of a type; made once for each, as a service may have a million values."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return lambda value: value
    if origin in (Union, types.UnionType):
        one = _decoder(next(arg for arg in args if arg is not type(None)))
        if type(None) in args:
            return lambda value: None if value is None else one(value)
        return one
    if origin is tuple:
        return _tuple_decoder(args[0])
    if origin is dict:
        return _dict_decoder(args[1])
    if dataclasses.is_dataclass(hint):
        return _dataclass_decoder(hint)
    if hint in _TEXT_TYPES:
        return _text_decoder(hint)
    return _plain_decoder(hint)


def _tuple_decoder(hint: Any) -> _Decoder:
    one = _decoder(hint)

    def decode_tuple(value: Any) -> Any:
        if not isinstance(value, list):
            raise _Wrong(f"expected a list, got {value!r}")
        made: list[Any] = []
        try:
            for item in value:
                made.append(one(item))
        except _Wrong as wrong:
            wrong.place = f"[{len(made)}]{wrong.place}"
            raise
        return tuple(made)

    return decode_tuple


def _dict_decoder(hint: Any) -> _Decoder:
    one = _decoder(hint)

    def decode_dict(value: Any) -> Any:
        if not isinstance(value, dict):
            raise _Wrong(f"expected a mapping, got {value!r}")
        return {key: _at(f".{key}", one, item) for key, item in value.items()}

    return decode_dict


def _at(place: str, one: _Decoder, value: Any) -> Any:
    try:
        return one(value)
    except _Wrong as wrong:
        wrong.place = place + wrong.place
        raise


def _dataclass_decoder(cls: Any) -> _Decoder:
    hints, needed = _fields(cls)
    known, required = frozenset(hints), frozenset(needed)
    decoders: dict[str, _Decoder] = {}  # filled when asked: a class may hold itself

    def decode_dataclass(value: Any) -> Any:
        if not isinstance(value, dict):
            raise _Wrong(f"expected a mapping, got {value!r}")
        names = value.keys()
        if not names <= known:
            raise _Wrong(f"unknown {', '.join(sorted(names - known))}")
        if not required <= names:
            raise _Wrong(f"missing {', '.join(name for name in needed if name not in value)}")
        nonlocal decoders
        if not decoders:
            # All of them at once: threads decode side by side.
            decoders = {name: _decoder(hint) for name, hint in hints.items()}
        items, at = {}, ""
        try:
            for at, item in value.items():
                items[at] = decoders[at](item)
        except _Wrong as wrong:
            wrong.place = f".{at}{wrong.place}"
            raise
        return _made(lambda made: cls(**made), items)

    return decode_dataclass


def _text_decoder(hint: Any) -> _Decoder:
    family = _FAMILIES.get(hint)

    def decode_text(value: Any) -> Any:
        if not isinstance(value, str):  # ipaddress would take a number too
            raise _Wrong(f"expected an address as text, got {value!r}")
        if family is not None:
            try:
                return hint(int.from_bytes(socket.inet_pton(family, value), "big"))
            except (OSError, ValueError):
                pass  # the long way says what is wrong, or knows better
        return _made(hint, value)

    return decode_text


def _plain_decoder(hint: Any) -> _Decoder:
    def decode_plain(value: Any) -> Any:
        if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
            raise _Wrong(f"expected {hint.__name__}, got {value!r}")
        return value

    return decode_plain


@functools.cache
def _fields(cls: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Types of all fields, and the names of those without a default."""
    hints, fields = typing.get_type_hints(cls), dataclasses.fields(cls)
    absent = dataclasses.MISSING
    needed = tuple(f.name for f in fields if f.default is absent and f.default_factory is absent)
    return {f.name: hints[f.name] for f in fields}, needed


def _made(make: Any, value: Any) -> Any:
    try:
        return make(value)
    except ValueError as error:
        raise _Wrong(str(error)) from error
