# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packers for keys, values and constants, made of the types (BTF) that an object carries.

A number of the network (__be16, __be32, __be64, or an array or struct of nothing but these) is packed most
significant octet first, all others as the machine has them. So the C source is the one place of each layout.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from struct import Struct
from typing import Any

from .libbpf import Object, library

_INT, _ARRAY, _STRUCT, _UNION, _ENUM, _TYPEDEF = 1, 3, 4, 5, 6, 8
_VAR, _DATASEC, _ENUM64 = 14, 15, 19
_MODIFIERS = (_TYPEDEF, 9, 10, 11)  # typedef, volatile, const, restrict
_LETTERS = {1: "B", 2: "H", 4: "I", 8: "Q"}
_TYPE = Struct("=III")
_MEMBER, _VALUE, _DIMENSION, _SECTION = (Struct(f) for f in ("=III", "=Ii", "=III", "=III"))


@dataclass(frozen=True, slots=True)
class Field:
    """One member: where it is, how many octets it has, and whether it is a number of the network."""

    name: str
    at: int
    size: int
    network: bool
    fields: tuple[Field, ...] = ()  # of a struct inside
    count: int = 0  # of an array of structs or of numbers of the machine; `size` is then one element's


class Layout:
    """A struct of an object."""

    def __init__(self, name: str, size: int, fields: Iterable[Field]) -> None:
        self.name, self.size = name, size
        self.fields: Mapping[str, Field] = {field.name: field for field in fields}

    def pack(self, **values: Any) -> bytes:
        """Octets; members that are not given are 0. Raises KeyError for one that is not there."""
        octets = bytearray(self.size)
        for name, value in values.items():
            _put(octets, 0, self.fields[name], value)
        return bytes(octets)

    def unpack(self, data: bytes) -> dict[str, Any]:
        """Inverse."""
        return {name: _get(data, 0, field) for name, field in self.fields.items()}

    def flat(self, *paths: str) -> Struct:
        """These members, as "one.of.another", in the order that they have; of the network as octets."""
        form, end = "=", 0
        for path in paths:
            at, field = 0, Field("", 0, 0, False, tuple(self.fields.values()))
            for name in path.split("."):
                field = next(inner for inner in field.fields if inner.name == name)
                at += field.at
            form += f"{at - end}x" + (f"{field.size}s" if field.network else _LETTERS[field.size])
            end = at + field.size
        return Struct(f"{form}{self.size - end}x")

    def packer(self, *names: str) -> Callable[..., bytes]:
        """A fast pack() of these members, in this order: numbers of the machine, or octets of the network."""
        form, order, end = "=", [], 0
        for position, field in sorted(enumerate(map(self.fields.__getitem__, names)), key=lambda x: x[1].at):
            form += f"{field.at - end}x" if field.at > end else ""
            form += f"{field.size}s" if field.network else _LETTERS[field.size]
            end = field.at + field.size
            order.append(position)
        form += f"{self.size - end}x"
        made = Struct(form)
        if order == sorted(order):
            return made.pack
        return lambda *values: made.pack(*(values[n] for n in order))


def _put(octets: bytearray, base: int, field: Field, value: Any) -> None:
    start = base + field.at
    if field.count:
        for n, item in enumerate(value):
            _put(octets, start + n * field.size, Field("", 0, field.size, field.network, field.fields), item)
    elif isinstance(value, (bytes, bytearray)):
        if len(value) != field.size:
            raise ValueError(f"{field.name}: {len(value)} octets in place of {field.size}")
        octets[start : start + field.size] = value
    elif field.fields and not field.network:
        inner = {item.name: item for item in field.fields}
        for name, item in value.items():
            _put(octets, start, inner[name], item)
    else:
        order = "big" if field.network else sys.byteorder
        octets[start : start + field.size] = int(value).to_bytes(field.size, order)


def _get(data: bytes, base: int, field: Field) -> Any:
    start = base + field.at
    if field.count:
        one = Field("", 0, field.size, field.network, field.fields)
        return [_get(data, start + n * field.size, one) for n in range(field.count)]
    if field.fields and not field.network:
        return {item.name: _get(data, start, item) for item in field.fields}
    order = "big" if field.network else sys.byteorder
    return int.from_bytes(data[start : start + field.size], order)


class Layouts:
    """All structs, enumerations and constants of an object."""

    def __init__(self, item: Object) -> None:
        self._btf = ctypes.c_void_p(item.btf())
        self._count = library().btf__type_cnt(self._btf)
        self._named: dict[tuple[int, str], int] = {}
        for number in range(1, self._count):
            name, kind = self._head(number)[:2]
            if name:
                self._named.setdefault((kind, name), number)

    def struct(self, name: str) -> Layout:
        """A struct by its name. Raises KeyError."""
        number = self._named[_STRUCT, name]
        return Layout(name, self._size(number), self._members(number))

    def enum(self, name: str) -> dict[str, int]:
        """Names and numbers of an enumeration. Raises KeyError."""
        number = self._named[_ENUM, name]
        rows = self._rows(number, _VALUE)
        return {self._text(offset): value for offset, value in rows}

    def constant(self, name: str) -> Field:
        """Where a constant is in .rodata, and what it is. Raises KeyError."""
        variable = self._named[_VAR, name]
        section = self._named[_DATASEC, ".rodata"]
        for number, start, size in self._rows(section, _SECTION):
            if number == variable:
                return self._field(name, self._head(variable)[3], start, size)
        raise KeyError(name)

    def read_constant(self, content: bytes, name: str) -> Any:
        """A constant in what .rodata has; a struct by its members. Raises KeyError."""
        return _get(content, 0, self.constant(name))

    def set_constants(self, item: Object, values: Mapping[str, Any]) -> None:
        """Constants of an object not loaded yet; a struct by its members. Raises KeyError, BpfError."""
        content = item.constants()
        for name, value in values.items():
            _put(content, 0, self.constant(name), value)
        item.set_constants(content)

    # The types themselves

    def _head(self, number: int) -> tuple[str, int, int, int]:
        """Name, kind, number of rows, and size or type."""
        name, info, size = _TYPE.unpack(ctypes.string_at(self._at(number), _TYPE.size))
        return self._text(name), info >> 24 & 0x1F, info & 0xFFFF, size

    def _at(self, number: int) -> int:
        return int(library().btf__type_by_id(self._btf, number))

    def _text(self, offset: int) -> str:
        return str((library().btf__name_by_offset(self._btf, offset) or b"").decode())

    def _rows(self, number: int, row: Struct) -> Iterator[tuple[Any, ...]]:
        start, count = self._at(number) + _TYPE.size, self._head(number)[2]
        return row.iter_unpack(ctypes.string_at(start, row.size * count)) if count else iter(())

    def _size(self, number: int) -> int:
        library().btf__resolve_size.restype = ctypes.c_int64
        return int(library().btf__resolve_size(self._btf, number))

    def _members(self, number: int) -> tuple[Field, ...]:
        fields = []
        for name, kind, offset in self._rows(number, _MEMBER):
            fields.append(self._field(self._text(name), kind, offset // 8, self._size(kind)))
        return tuple(fields)

    def _field(self, name: str, number: int, at: int, size: int) -> Field:
        number, network = self._bare(number)
        kind = self._head(number)[1]
        if kind == _ARRAY:
            element, _, count = _DIMENSION.unpack(
                ctypes.string_at(self._at(number) + _TYPE.size, _DIMENSION.size)
            )
            inside = self._field(name, element, at, self._size(element))
            # Octets and numbers of the network are one long number, the first one most significant.
            if inside.network or inside.size == 1:
                return Field(name, at, size, True)
            return Field(name, at, inside.size, False, inside.fields, count)
        if kind in (_STRUCT, _UNION):
            fields = self._members(number)
            return Field(name, at, size, all(field.network for field in fields), fields)
        return Field(name, at, size, network)

    def _bare(self, number: int) -> tuple[int, bool]:
        """A type without its other names, and whether one of those says that it is the network's."""
        network = False
        while True:
            name, kind, _, below = self._head(number)
            if kind not in _MODIFIERS:
                return number, network
            network = network or name.startswith(("__be", "__sum"))
            number = below
