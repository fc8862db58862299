# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Frozen dataclasses to and from JSON values, by their type hints."""

from __future__ import annotations

import dataclasses
import functools
import ipaddress
import types
import typing
from typing import Any, TypeVar, Union

T = TypeVar("T")

_TEXT_TYPES = (
    ipaddress.IPv4Address,
    ipaddress.IPv4Network,
    ipaddress.IPv6Address,
    ipaddress.IPv6Network,
)


class CodecError(ValueError):
    """The document does not fit the type; the message starts with the path of the value."""


def encode(value: Any) -> Any:
    """JSON value of a dataclass tree: fields in order, addresses as text."""
    if value is None or isinstance(value, (str, int, float)):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {name: encode(getattr(value, name)) for name in _fields(type(value))[0]}
    if isinstance(value, (tuple, list)):
        return [encode(item) for item in value]
    if isinstance(value, dict):
        return {str(key): encode(item) for key, item in value.items()}
    if isinstance(value, _TEXT_TYPES):
        return str(value)
    return value


def decode(cls: type[T], document: Any, path: str = "") -> T:
    """Inverse of encode. Raises CodecError for a missing, unknown or wrong value."""
    return typing.cast(T, _decode(cls, document, path or cls.__name__))


def _decode(hint: Any, value: Any, path: str) -> Any:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return value
    if origin in (Union, types.UnionType):
        if value is None and type(None) in args:
            return None
        return _decode(next(arg for arg in args if arg is not type(None)), value, path)
    if origin is tuple:
        if not isinstance(value, list):
            raise CodecError(f"{path}: expected a list, got {value!r}")
        return tuple(_decode(args[0], item, f"{path}[{i}]") for i, item in enumerate(value))
    if origin is dict:
        if not isinstance(value, dict):
            raise CodecError(f"{path}: expected a mapping, got {value!r}")
        return {key: _decode(args[1], item, f"{path}.{key}") for key, item in value.items()}
    if dataclasses.is_dataclass(hint):
        return _decode_dataclass(hint, value, path)
    if hint in _TEXT_TYPES:
        if not isinstance(value, str):  # ipaddress would take a number too
            raise CodecError(f"{path}: expected an address as text, got {value!r}")
        return _convert(hint, value, path)
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise CodecError(f"{path}: expected {hint.__name__}, got {value!r}")
    return value


def _decode_dataclass(cls: Any, value: Any, path: str) -> Any:
    if not isinstance(value, dict):
        raise CodecError(f"{path}: expected a mapping, got {value!r}")
    hints, needed = _fields(cls)
    unknown = sorted(set(value) - set(hints))
    if unknown:
        raise CodecError(f"{path}: unknown {', '.join(unknown)}")
    absent = [name for name in needed if name not in value]
    if absent:
        raise CodecError(f"{path}: missing {', '.join(absent)}")
    return _convert(
        lambda items: cls(**items),
        {name: _decode(hints[name], item, f"{path}.{name}") for name, item in value.items()},
        path,
    )


@functools.cache
def _fields(cls: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Types of all fields, and the names of those without a default: a service may have a million values."""
    hints, fields = typing.get_type_hints(cls), dataclasses.fields(cls)
    absent = dataclasses.MISSING
    needed = tuple(f.name for f in fields if f.default is absent and f.default_factory is absent)
    return {f.name: hints[f.name] for f in fields}, needed


def _convert(make: Any, value: Any, path: str) -> Any:
    try:
        return make(value)
    except ValueError as error:
        raise CodecError(f"{path}: {error}") from error
