# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libbpf by ctypes: objects, maps, programs, links, pins, test runs.

Numbers of commands and flags are those of the kernel's uapi/linux/bpf.h.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import errno
import mmap
import os
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

XDP, TCX_INGRESS = 37, 46  # enum bpf_attach_type
ANY, NOEXIST, EXIST = 0, 1, 2  # flags of an update
_LIVE_FRAMES = 2  # BPF_F_TEST_XDP_LIVE_FRAMES

_WARN = 0
_LOG = 4096  # characters of what libbpf says that are kept
_LONGEST = 16 << 20


class BpfError(OSError):
    """The kernel or libbpf refused; the message has what libbpf said."""


class _TestRun(ctypes.Structure):
    """struct bpf_test_run_opts."""

    _fields_ = (
        ("sz", ctypes.c_size_t),
        ("data_in", ctypes.c_void_p),
        ("data_out", ctypes.c_void_p),
        ("data_size_in", ctypes.c_uint32),
        ("data_size_out", ctypes.c_uint32),
        ("ctx_in", ctypes.c_void_p),
        ("ctx_out", ctypes.c_void_p),
        ("ctx_size_in", ctypes.c_uint32),
        ("ctx_size_out", ctypes.c_uint32),
        ("retval", ctypes.c_uint32),
        ("repeat", ctypes.c_int),
        ("duration", ctypes.c_uint32),
        ("flags", ctypes.c_uint32),
        ("cpu", ctypes.c_uint32),
        ("batch_size", ctypes.c_uint32),
    )


class _XdpContext(ctypes.Structure):
    """struct xdp_md."""

    _fields_ = (
        ("data", ctypes.c_uint32),
        ("data_end", ctypes.c_uint32),
        ("data_meta", ctypes.c_uint32),
        ("ingress_ifindex", ctypes.c_uint32),
        ("rx_queue_index", ctypes.c_uint32),
        ("egress_ifindex", ctypes.c_uint32),
    )


class _BatchOptions(ctypes.Structure):
    """struct bpf_map_batch_opts."""

    _fields_ = (("sz", ctypes.c_size_t), ("elem_flags", ctypes.c_uint64), ("flags", ctypes.c_uint64))


_POINTERS = (
    "bpf_object__open_mem",
    "bpf_object__next_map",
    "bpf_object__find_map_by_name",
    "bpf_object__find_program_by_name",
    "bpf_object__next_program",
    "bpf_object__btf",
    "bpf_map__initial_value",
    "btf__type_by_id",
    "ring_buffer__new",
)
_TEXTS = ("bpf_map__name", "bpf_program__name", "btf__name_by_offset")
_TAKES = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
_SAYS = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)


@cache
def library() -> ctypes.CDLL:
    """libbpf itself. Raises BpfError where it is not installed."""
    name = ctypes.util.find_library("bpf") or "libbpf.so.1"
    try:
        found = ctypes.CDLL(name, use_errno=True)
    except OSError as error:
        raise BpfError(errno.ENOENT, f"libbpf is not there ({error}); install the package libbpf1") from error
    for function in _POINTERS:
        getattr(found, function).restype = ctypes.c_void_p
    for function in _TEXTS:
        getattr(found, function).restype = ctypes.c_char_p
    found.libbpf_set_print(_HEAR)
    return found


_said: list[str] = []


def _hear(level: int, form: bytes, arguments: int) -> int:
    """Keep warnings: the verifier's words are among them."""
    if level == _WARN:
        text = ctypes.create_string_buffer(_LONGEST)
        ctypes.CDLL(None).vsnprintf(text, _LONGEST, form, ctypes.c_void_p(arguments))
        # The verifier says what it does not like at the end.
        _said.append(text.value.decode(errors="replace")[-_LOG:])
        del _said[:-40]
    return 0


_HEAR = _SAYS(_hear)  # libbpf calls it as long as the process lives


def _checked(result: int, what: str) -> int:
    """A result that is not negative. Raises BpfError."""
    if result < 0:
        number = ctypes.get_errno() or -result
        said, _said[:] = "".join(_said).strip(), []
        raise BpfError(number, f"{what}: {os.strerror(number)}" + (f"\n{said}" if said else ""))
    return result


class Map:
    """A map of the kernel, by its descriptor."""

    def __init__(self, name: str, descriptor: int, key_size: int, value_size: int) -> None:
        self.name, self.descriptor = name, descriptor
        self.key_size, self.value_size = key_size, value_size

    @classmethod
    def pinned(cls, path: Path, key_size: int, value_size: int) -> Map:
        """One that is kept in a file of bpffs. Raises BpfError."""
        descriptor = _checked(library().bpf_obj_get(os.fsencode(path)), str(path))
        return cls(path.name, descriptor, key_size, value_size)

    def held(self) -> Map:
        """The same map by a descriptor of its own, which outlives the object that made it."""
        return Map(self.name, os.dup(self.descriptor), self.key_size, self.value_size)

    def __setitem__(self, key: bytes, value: bytes) -> None:
        self.update(key, value)

    def update(self, key: bytes, value: bytes, flags: int = ANY) -> None:
        """One entry. Raises BpfError."""
        _checked(
            library().bpf_map_update_elem(self.descriptor, key, value, ctypes.c_uint64(flags)), self.name
        )

    def update_all(self, keys: bytes | bytearray, values: bytes | bytearray) -> None:
        """Many entries, keys and values one behind the other, in one go. Raises BpfError."""
        count = ctypes.c_uint32(len(keys) // self.key_size)
        if not count.value:
            return
        options = _BatchOptions(sz=ctypes.sizeof(_BatchOptions))
        arguments = (_pointer(keys), _pointer(values), ctypes.byref(count), ctypes.byref(options))
        _checked(library().bpf_map_update_batch(self.descriptor, *arguments), self.name)

    def get(self, key: bytes, size: int = 0) -> bytes | None:
        """The value of a key; `size` where it is another than the map's own (per CPU)."""
        value = ctypes.create_string_buffer(size or self.value_size)
        if library().bpf_map_lookup_elem(self.descriptor, key, value):
            return None
        return value.raw

    def delete(self, key: bytes) -> bool:
        """Whether there was one."""
        return not library().bpf_map_delete_elem(self.descriptor, key)

    def items(self, chunk: int = 4096) -> Iterator[tuple[bytes, bytes]]:
        """All entries of a hash or an array; what changes meanwhile may be missed. An array's are in order.

        Raises BpfError.
        """
        keys = ctypes.create_string_buffer(chunk * self.key_size)
        values = ctypes.create_string_buffer(chunk * self.value_size)
        token, before = ctypes.create_string_buffer(max(self.key_size, 8)), None
        options = _BatchOptions(sz=ctypes.sizeof(_BatchOptions))
        while True:
            count = ctypes.c_uint32(chunk)
            result = library().bpf_map_lookup_batch(
                self.descriptor, before, token, keys, values, ctypes.byref(count), ctypes.byref(options)
            )
            if result < 0 and ctypes.get_errno() != errno.ENOENT:
                _checked(result, self.name)
            found, their = keys.raw, values.raw  # each of these is a copy of the whole buffer
            for n in range(count.value):
                key = found[n * self.key_size : (n + 1) * self.key_size]
                yield key, their[n * self.value_size : (n + 1) * self.value_size]
            if result < 0:
                return
            before = token

    def mapped(self, size: int) -> mmap.mmap:
        """The memory of an array with BPF_F_MMAPABLE."""
        return mmap.mmap(self.descriptor, size)

    def pin(self, path: Path) -> None:
        """Keep it in a file of bpffs. Raises BpfError."""
        _checked(library().bpf_obj_pin(self.descriptor, os.fsencode(path)), str(path))

    def close(self) -> None:
        """For maps that belong to no object."""
        os.close(self.descriptor)


class Ring:
    """What programs tell through a map of the type ringbuf."""

    def __init__(self, item: Map, hear: Callable[[bytes], None]) -> None:
        """`hear` gets each record. Raises BpfError."""

        def take(context: int, data: int, size: int) -> int:
            hear(ctypes.string_at(data, size))
            return 0

        self._take = _TAKES(take)
        self._handle = library().ring_buffer__new(item.descriptor, self._take, None, None)
        if not self._handle:
            _checked(-1, item.name)

    def consume(self) -> int:
        """All that is there; how many records. Raises BpfError."""
        return _checked(library().ring_buffer__consume(ctypes.c_void_p(self._handle)), "ring buffer")

    def close(self) -> None:
        """No more."""
        library().ring_buffer__free(ctypes.c_void_p(self._handle))


class Program:
    """A loaded program."""

    def __init__(self, name: str, descriptor: int) -> None:
        self.name, self.descriptor = name, descriptor

    def run(
        self, packet: bytes, *, repeat: int = 1, context: bytes = b"", room: int = 256
    ) -> tuple[int, bytes, int]:
        """One packet through it: return value, packet, ns that a round took. Raises BpfError."""
        out = ctypes.create_string_buffer(len(packet) + room)
        options = _TestRun(
            sz=ctypes.sizeof(_TestRun),
            data_in=_pointer(packet),
            data_size_in=len(packet),
            data_out=ctypes.addressof(out),
            data_size_out=len(out),
            repeat=repeat,
        )
        if context:
            options.ctx_in, options.ctx_size_in = _pointer(context), len(context)
        _checked(library().bpf_prog_test_run_opts(self.descriptor, ctypes.byref(options)), self.name)
        return options.retval, out.raw[: options.data_size_out], options.duration

    def send(self, frame: bytes, count: int, device: int, batch: int = 64) -> None:
        """Real frames through an XDP program, whose verdict holds for them, as if a device had received them.

        `batch` are under way at once. Raises BpfError.

        A frame's memory is used again as the last user left it: the program has to write what it counts on.
        """
        context = _XdpContext(data_end=len(frame), ingress_ifindex=device)
        options = _TestRun(
            sz=ctypes.sizeof(_TestRun),
            data_in=_pointer(frame),
            data_size_in=len(frame),
            ctx_in=ctypes.addressof(context),
            ctx_size_in=ctypes.sizeof(context),
            repeat=count,
            flags=_LIVE_FRAMES,
            batch_size=batch,
        )
        _checked(library().bpf_prog_test_run_opts(self.descriptor, ctypes.byref(options)), self.name)

    def call(self, context: bytearray) -> int:
        """One run of a program of type syscall, which may change its context. Raises BpfError."""
        options = _TestRun(sz=ctypes.sizeof(_TestRun), ctx_in=_pointer(context), ctx_size_in=len(context))
        _checked(library().bpf_prog_test_run_opts(self.descriptor, ctypes.byref(options)), self.name)
        return int(options.retval)


_TABLE = ".data."  # before the name of a variable that is a map of its own
CONSTANTS = ".rodata"  # the map of all constants; libbpf puts the object's name before it


class Object:
    """A file of programs and maps: set constants and sizes, then load()."""

    def __init__(self, data: bytes, name: str) -> None:
        """Raises BpfError for what libbpf cannot read."""
        self.name, self._data = name, data
        self._handle = library().bpf_object__open_mem(data, ctypes.c_size_t(len(data)), None)
        if not self._handle:
            _checked(-1, name)
        self.maps: dict[str, Map] = {}
        self.programs: dict[str, Program] = {}

    def btf(self) -> int:
        """The handle of its types, for layout.py."""
        return int(library().bpf_object__btf(ctypes.c_void_p(self._handle)))

    def _each(self, function: str) -> Iterator[int]:
        following, item = getattr(library(), function), None
        while item := following(ctypes.c_void_p(self._handle), ctypes.c_void_p(item)):
            yield item

    def _found(self, name: str) -> int | None:
        """A map, or the variable of this name that is one (TABLE in c/base.h)."""
        for each in (name, _TABLE + name):
            found = library().bpf_object__find_map_by_name(ctypes.c_void_p(self._handle), each.encode())
            if found:
                return int(found)
        return None

    def _map(self, name: str) -> ctypes.c_void_p:
        found = self._found(name)
        if not found:
            raise BpfError(errno.ENOENT, f"{self.name}: there is no map {name}")
        return ctypes.c_void_p(found)

    def constants(self) -> bytearray:
        """The content of .rodata before it is loaded."""
        size = ctypes.c_size_t()
        start = library().bpf_map__initial_value(self._map(CONSTANTS), ctypes.byref(size))
        return bytearray(ctypes.string_at(start, size.value))

    def set_constants(self, content: bytes | bytearray) -> None:
        """Replaces it. Raises BpfError."""
        result = library().bpf_map__set_initial_value(
            self._map(CONSTANTS), _pointer(content), ctypes.c_size_t(len(content))
        )
        _checked(result, f"{self.name}: {CONSTANTS}")

    def resize(self, name: str, entries: int) -> None:
        """How many entries a map has room for. Raises BpfError."""
        _checked(library().bpf_map__set_max_entries(self._map(name), max(1, entries)), name)

    def has(self, name: str) -> bool:
        """Whether there is a map of this name."""
        return self._found(name) is not None

    def key_size(self, name: str) -> int:
        """Octets of a key."""
        return int(library().bpf_map__key_size(self._map(name)))

    def value_size(self, name: str) -> int:
        """Octets of a value."""
        return int(library().bpf_map__value_size(self._map(name)))

    def reuse(self, name: str, other: Map) -> None:
        """Take a map that is there already in place of an own one. Raises BpfError where it does not fit."""
        _checked(library().bpf_map__reuse_fd(self._map(name), other.descriptor), name)

    def only(self, names: Iterable[str]) -> None:
        """Load no other programs than these."""
        wanted = set(names)
        for item in self._each("bpf_object__next_program"):
            name = library().bpf_program__name(ctypes.c_void_p(item)).decode()
            library().bpf_program__set_autoload(ctypes.c_void_p(item), name in wanted)

    def load(self) -> None:
        """Into the kernel. Raises BpfError with the verifier's words."""
        bpf = library()
        _said.clear()
        _checked(bpf.bpf_object__load(ctypes.c_void_p(self._handle)), self.name)
        for item in self._each("bpf_object__next_map"):
            handle = ctypes.c_void_p(item)
            name = bpf.bpf_map__name(handle).decode().removeprefix(_TABLE)
            name = CONSTANTS if name.endswith(CONSTANTS) else name
            sizes = bpf.bpf_map__key_size(handle), bpf.bpf_map__value_size(handle)
            self.maps[name] = Map(name, bpf.bpf_map__fd(handle), *sizes)
        for item in self._each("bpf_object__next_program"):
            handle = ctypes.c_void_p(item)
            descriptor = bpf.bpf_program__fd(handle)
            if descriptor >= 0:
                name = bpf.bpf_program__name(handle).decode()
                self.programs[name] = Program(name, descriptor)

    def close(self) -> None:
        """Lets go of all that is neither attached nor pinned."""
        if self._handle:
            library().bpf_object__close(ctypes.c_void_p(self._handle))
            self._handle = None


class Link:
    """A program at a hook of a device; goes with the process unless it is pinned."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    @classmethod
    def attach(cls, program: Program, device: int, hook: int, flags: int = 0) -> Link:
        """At XDP or TCX_INGRESS of a device, by its index. Raises BpfError."""
        options: Any = None
        if flags:
            options = ctypes.byref(_LinkOptions(sz=ctypes.sizeof(_LinkOptions), flags=flags))
        descriptor = library().bpf_link_create(program.descriptor, device, hook, options)
        return cls(_checked(descriptor, f"{program.name} at device {device}"))

    @classmethod
    def pinned(cls, path: Path) -> Link:
        """One that is kept in a file of bpffs. Raises BpfError."""
        return cls(_checked(library().bpf_obj_get(os.fsencode(path)), str(path)))

    def update(self, program: Program) -> None:
        """Another program from the next packet on. Raises BpfError."""
        _checked(library().bpf_link_update(self.descriptor, program.descriptor, None), program.name)

    def pin(self, path: Path) -> None:
        """Keep it in a file of bpffs. Raises BpfError."""
        _checked(library().bpf_obj_pin(self.descriptor, os.fsencode(path)), str(path))

    def detach(self) -> None:
        """At once, pinned or not; to let go of it detaches it some time later."""
        library().bpf_link_detach(self.descriptor)

    def close(self) -> None:
        """Detaches it where it is not pinned."""
        os.close(self.descriptor)


class _LinkOptions(ctypes.Structure):
    """struct bpf_link_create_opts, its common part."""

    _fields_ = (
        ("sz", ctypes.c_size_t),
        ("flags", ctypes.c_uint32),
        ("iter_info", ctypes.c_void_p),
        ("iter_info_len", ctypes.c_uint32),
        ("target_btf_id", ctypes.c_uint32),
        ("unused", ctypes.c_uint64 * 2),
    )


def _pointer(data: bytes | bytearray) -> ctypes.c_void_p:
    """Where octets are; they must live as long as it is used."""
    if isinstance(data, bytearray):
        return ctypes.c_void_p(ctypes.addressof((ctypes.c_char * len(data)).from_buffer(data)) if data else 0)
    return ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p)


def cpus() -> int:
    """Values that a per-CPU map has for each key."""
    return int(library().libbpf_num_possible_cpus())
