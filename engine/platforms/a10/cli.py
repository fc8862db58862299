# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same objects as lines of the running-config of ACOS.

Words of NAT64 are those of a public vThunder configuration; those of DS-Lite and MAP-E are concluded from the
names of aXAPI, which are the words of the command line where both are known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ...techniques.service import Service
from .. import indented
from ..diff import line_diff
from ..driver import Change
from ..indented import Block
from ..objects import Body, Edit, Objects, edits
from ..values import Leaf, canonical, parse_error
from . import objects
from .objects import (
    BASIC,
    CLASS_LIST,
    DS_LITE,
    GROUP,
    INSIDE,
    LID,
    MAP_E,
    MSS,
    NAT64,
    POOL,
    PREFIX,
    Kind,
    at,
    put,
)
from .parse import services

_POOL_NUMBERS = ("port-batch-v2-size",)
_USABLE = "usable-nat-ports"
_USABLE_PORTS = (f"{_USABLE}-start", f"{_USABLE}-end")
_MSS_VALUE = {"fixed": "mss-value", "subtract": "mss-subtract"}
_RULES = "prefix-rule-list"
_NUMBERS = ("ea-length", "share-ratio", "port-start")
# Words of a line in a mode -> where its value is in the object.
Table = dict[str, tuple[str, ...]]
_LID: Table = {
    "name": ("name",),
    "source-nat-pool": ("source-nat-pool", "pool-name"),
    "user-quota tcp": ("user-quota", "quota-tcp", "tcp-quota"),
    "user-quota udp": ("user-quota", "quota-udp", "udp-quota"),
    "user-quota icmp": ("user-quota", "icmp"),
    "user-quota session": ("user-quota", "session"),
    "user-quota-prefix-length": ("user-quota-prefix-length",),
}
_DOMAIN: Table = {key: (key,) for key in ("format", "tunnel-endpoint-address")}
_COMMON: Table = {key: (key,) for key in ("rule-ipv4-address-port-settings", *_NUMBERS)}
_RULE: Table = {
    key: (key,) for key in ("rule-ipv6-prefix", "rule-ipv4-prefix", "ipv4-address-port-settings", *_NUMBERS)
}


def written(made: Objects) -> str:
    """The lines of our objects."""
    return _text(objects.owned(made))


def objects_of(text: str) -> Objects:
    """All objects of a configuration. Raises ParseError."""
    return _read(text)[0]


def owned(text: str) -> str:
    """See platforms.driver.Driver."""
    return _text(objects.owned(_read(text)[0]))


def parse(text: str, wanted: tuple[Service, ...]) -> tuple[Service, ...]:
    """See platforms.driver.Driver. A message shows the line that begins the object."""
    made, lines = _read(text)

    def locate(path: str, value: Any, *keys: str) -> Leaf:
        block = lines[path]
        return Leaf(str(value), block.line, f"{block.text}: {'.'.join(keys)}" if keys else block.text)

    return services(objects.owned(made), locate, wanted)


def change(running: str, wanted: str) -> Change:
    """See platforms.driver.Driver. Commands for configuration mode."""
    before, after = objects.owned(_read(running)[0]), objects.owned(_read(wanted)[0])
    return Change(
        _commands(edits(before, after, objects.ORDER)),
        _commands(edits(after, before, objects.ORDER)),
        line_diff(_text(before), _text(after)),
    )


# -- lines of an object -------------------------------------------------------------------------


def _text(made: Objects) -> str:
    blocks = [_blocks(path, body) for path, body in made.items()]
    return "!\n".join(_write(lines) for lines in blocks)


def _write(blocks: Iterable[Block], depth: int = 0) -> str:
    return "".join(f"{'  ' * depth}{block.text}\n{_write(block.children, depth + 1)}" for block in blocks)


def _blocks(path: str, body: Body) -> list[Block]:
    """One block with lines in it, or for a single object one line for each value."""
    kind = objects.kind_of(path)
    if kind is POOL:
        first, last, mask = (body.get(key, 0) for key in ("start-address", "end-address", "netmask"))
        words = [f"cgnv6 nat pool {body['pool-name']} {first} {last} netmask {mask}"]
        words += [f"{key} {body[key]}" for key in _POOL_NUMBERS if key in body]
        if _USABLE in body:
            words.append(" ".join((_USABLE, *(str(body.get(key, 0)) for key in _USABLE_PORTS))))
        return [Block(" ".join(words))]
    if kind is GROUP:
        members = (Block(f"member {member.get('pool-name', '')}") for member in body.get("member-list", ()))
        return [Block(f"cgnv6 nat pool-group {body['pool-group-name']}", 0, tuple(members))]
    if kind is LID:
        return [Block(f"cgnv6 lsn-lid {body['lid-number']}", 0, tuple(_lines(body, _LID)))]
    if kind is CLASS_LIST:
        entries = (Block(_entry(one)) for one in body.get("ipv6-list", ()))
        return [Block(f"class-list {body['name']} ipv6", 0, tuple(entries))]
    if kind is PREFIX:
        return [Block(f"cgnv6 nat64 prefix {body['prefix-val']} class-list {body['class-list']}")]
    if kind is MAP_E:
        return [Block(f"cgnv6 map encapsulation domain {body['name']}", 0, tuple(_domain(body)))]
    return [Block(f"cgnv6 {_family(kind)} {line}") for line in _switches(kind, body)]


def _entry(one: Body) -> str:
    lid = f" lsn-lid {one['v6-lsn-lid']}" if "v6-lsn-lid" in one else ""
    return f"{one['ipv6-addr']}{lid}"


def _family(kind: Kind) -> str:
    return "nat64" if kind is NAT64 else "ds-lite"


def _switches(kind: Kind, body: Body) -> Iterator[str]:
    yield f"inside source class-list {at(body, *INSIDE)}"
    clamp = at(body, *MSS) or {}
    if "mss-clamp-type" in clamp:
        how = clamp["mss-clamp-type"]
        key = _MSS_VALUE.get(how, "")
        number = clamp.get(key, at(kind.defaults, *MSS, key)) if key else None
        yield f"tcp mss-clamp {how}" if number is None else f"tcp mss-clamp {how} {number}"


def _domain(body: Body) -> Iterator[Block]:
    yield from _lines(body, _DOMAIN)
    basic = body.get(BASIC, {})
    rules = (
        Block(f"prefix-rule {rule.get('name', '')}", 0, tuple(_lines(_with_mask(rule), _RULE)))
        for rule in basic.get(_RULES, ())
    )
    yield Block(BASIC, 0, (*_lines(basic, _COMMON), *rules))


def _with_mask(rule: Body) -> Body:
    """The rule with its IPv4 prefix and mask in one value, as a line has them."""
    both = [str(rule[key]) for key in ("rule-ipv4-prefix", "ipv4-netmask") if key in rule]
    return rule | ({"rule-ipv4-prefix": " ".join(both)} if both else {})


def _lines(body: Body, table: Table) -> Iterator[Block]:
    """A line for each value that there is, and those that were not understood."""
    for words, keys in table.items():
        value = at(body, *keys)
        if value is not None:
            yield Block(f"{words} {value}")
    yield from (Block(str(line)) for line in body.get(objects.LINES, ()))


# -- objects of lines ---------------------------------------------------------------------------


def _read(text: str) -> tuple[Objects, dict[str, Block]]:
    """Objects of a running-config, ours or not, and the block that begins each; other lines are left out."""
    made: Objects = {}
    lines: dict[str, Block] = {}
    for block in indented.read(text):
        told = _object(block)
        if told is not None:
            kind, body = told
            path = objects.path_of(kind, body)
            made[path] = _joined(made.get(path, {}), body)
            lines.setdefault(path, block)
    for path, body in made.items():
        if wrong := objects.fault(path, body):
            raise parse_error(lines[path].line, lines[path].text, wrong)
    return made, lines


def _joined(one: Body, other: Body) -> Body:
    """Two lines of one object."""
    joined = dict(one)
    for key, value in other.items():
        joined[key] = _joined(one[key], value) if isinstance(one.get(key), dict) else value
    return joined


def _object(block: Block) -> tuple[Kind, Body] | None:
    match block.text.split():
        case ["cgnv6", "nat", "pool", name, first, last, "netmask", mask, *rest]:
            told = {"pool-name": name, "start-address": first, "end-address": last, "netmask": mask}
            return POOL, told | _pool_words(rest)
        case ["cgnv6", "nat", "pool-group", name]:
            members = [{"pool-name": _after(line, "member")} for line in block.children]
            return GROUP, {"pool-group-name": name, "member-list": members}
        case ["cgnv6", "lsn-lid", number]:
            return LID, {"lid-number": number} | _values(block, _LID)
        case ["class-list", name, objects.CUSTOMERS as kind]:
            return CLASS_LIST, {"name": name, "type": kind, "ipv6-list": list(_entries(block))}
        case ["class-list", name, *kind]:
            return CLASS_LIST, {"name": name, "type": " ".join(kind) or "unsaid"}
        case ["cgnv6", "nat64", "prefix", prefix, "class-list", name]:
            return PREFIX, {"prefix-val": canonical(prefix), "class-list": name}
        case ["cgnv6", "nat64" | "ds-lite" as family, *words]:
            switch = _switch(words)
            return (NAT64 if family == "nat64" else DS_LITE, switch) if switch else None
        case ["cgnv6", "map", "encapsulation", "domain", name]:
            return MAP_E, {"name": name} | _domain_of(block)
    return None


def _pool_words(words: list[str]) -> Body:
    """What stands behind the mask: words with a number, of the usable ports two."""
    told: Body = {}
    rest = iter(words)
    for word in rest:
        if word == _USABLE:
            told |= {_USABLE: 1} | {key: next(rest, "") for key in _USABLE_PORTS}
        elif word in ("shared", "simultaneous-batch-allocation"):
            told[word] = 1
        else:
            told[word] = next(rest, "")
    return told


def _values(block: Block, table: Table, modes: tuple[str, ...] = ()) -> Body:
    """The values of a mode's lines; lines that are not understood are kept, but for those that open modes."""
    told: Body = {}
    for line in block.children:
        words = next((words for words in table if line.opens(words)), None)
        if words is not None:
            put(told, table[words], canonical(_after(line, words)))
        elif not any(line.opens(mode) for mode in modes):
            told.setdefault(objects.LINES, []).append(line.text)
    return told


def _entries(block: Block) -> Iterator[Body]:
    for line in block.children:
        match line.text.split():
            case [prefix, "lsn-lid", lid]:
                yield {"ipv6-addr": canonical(prefix), "v6-lsn-lid": lid}
            case _:
                yield {"ipv6-addr": line.text}


def _switch(words: list[str]) -> Body | None:
    match words:
        case ["inside", "source", "class-list", name]:
            return {"inside": {"source": {"class-list": name}}}
        case ["tcp", "mss-clamp", how, *number]:
            clamp: Body = {"mss-clamp-type": how}
            if number and how in _MSS_VALUE:
                clamp[_MSS_VALUE[how]] = int(number[0]) if number[0].isdecimal() else number[0]
            return {"tcp": {"mss-clamp": clamp}}
    return None


def _domain_of(block: Block) -> Body:
    basic = next((line for line in block.children if line.text == BASIC), Block(BASIC))
    rules = [_rule_of(line) for line in basic.children if line.opens("prefix-rule")]
    return _values(block, _DOMAIN, (BASIC,)) | {
        BASIC: _values(basic, _COMMON, ("prefix-rule",)) | {_RULES: rules}
    }


def _rule_of(block: Block) -> Body:
    told = {"name": _after(block, "prefix-rule")} | _values(block, _RULE)
    address, _blank, mask = str(told.get("rule-ipv4-prefix", "")).partition(" ")
    return told | {"rule-ipv4-prefix": address, "ipv4-netmask": mask}


def _after(line: Block, words: str) -> str:
    return line.text.removeprefix(words).strip()


# -- commands -----------------------------------------------------------------------------------


def _commands(steps: Iterable[Edit]) -> str:
    return "".join(_write(_step(edit)) for edit in steps)


def _step(edit: Edit) -> list[Block]:
    before = _blocks(edit.path, edit.before) if edit.before else []
    after = _blocks(edit.path, edit.after) if edit.after else []
    return _difference(before, after)


def _difference(before: Iterable[Block], after: Iterable[Block]) -> list[Block]:
    """What to type: a line with another value replaces the old one, a mode is entered where it differs."""
    old, new = {_key(block): block for block in before}, {_key(block): block for block in after}
    gone = [Block(f"no {_identity(block)}") for key, block in old.items() if key not in new]
    typed = []
    for key, block in new.items():
        known = old.get(key)
        if known is None or (known.text != block.text and not block.children):
            typed.append(block)
        elif known != block:
            typed.append(Block(block.text, 0, tuple(_difference(known.children, block.children))))
    return gone + typed


def _key(block: Block) -> str:
    """What a line is one of: its words without the value, or all where there are several of a kind."""
    first, *_ = words = block.text.split()
    if block.children or first in ("member", "prefix-rule"):
        return block.text
    return " ".join(words[: {"user-quota": 2, "cgnv6": 4}.get(first, 1)])


def _identity(block: Block) -> str:
    """The words of a line that say which object it is, for those whose line says more."""
    words = block.text.split()
    if block.opens("cgnv6 nat pool"):
        return " ".join(words[:4])
    if block.opens("cgnv6 nat64 prefix"):
        return " ".join(words[:4])
    return " ".join(words[:2]) if block.opens("class-list") else block.text
