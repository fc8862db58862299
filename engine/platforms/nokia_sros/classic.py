# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Classic CLI: what ``admin display-config`` prints, and what is typed below ``configure``.

Its lines are read as paths of the model and written from them, so that both languages mean the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from .. import indented
from ..indented import Block
from .lines import Line, Words, name_of

_INDENT = 4
_LEFT_OUT = re.compile(r"\s*(?:#.*|echo .*|exit(?: all)?|configure)")
_WORD = re.compile(r'"(?:\\.|[^"\\])*"|\S+')
# Words that the model has otherwise: in the classic CLI, in the model.
_RENAMED = {
    "pool": (
        ("port-reservation blocks", "port-reservation port-blocks"),
        ("port-forwarding-range", "port-forwarding range-end"),
    ),
    "nat-policy": (("tcp-mss-adjust", "tcp mss-adjust"),),
}
_FLAGS = ("drop-zero-ipv4-checksum",)
_UP, _DOWN = "no shutdown", "shutdown"
# What can change only while the thing around it is shut down: leaves that the model restarts it for.
_RESTARTS = {
    "pool": ("port-reservation", "port-forwarding"),
    "large-scale": ("nat64", "dual-stack-lite subscriber-prefix-length"),
    "domain": ("dmr-prefix", "fpe", "map-t-group", "mapping-rule"),
}


@dataclass(frozen=True, slots=True)
class View:
    """A line that opens a view, and what is added where it makes the thing."""

    text: str
    create: str = ""


Views = tuple[View, ...]


# --- reading --------------------------------------------------------------------------------------


def read(text: str) -> list[Line]:
    """Every line of NAT as the model has it."""
    lines = ["" if _LEFT_OUT.fullmatch(line) else line for line in text.splitlines()]
    found: list[Line] = []
    for block in indented.read("\n".join(lines)):
        words = _words(block)
        if words[0] == "router":
            found += _router(("router", *(words[1:2] or ["Base"])), block)
        elif words[0] == "service":
            found += _service(block)
    return found


def _words(block: Block) -> Words:
    first, *words = _WORD.findall(block.text)
    return (first, *(word for word in words if word != "create"))


def _service(block: Block) -> Iterator[Line]:
    for child in block.children:
        words = _words(child)
        if words[0] == "vprn":
            yield from _router(("service", *words[:2]), child)
        for entry in child.children if words == ("nat",) else ():
            kind, *name = _words(entry)
            if kind == "map-domain":
                yield from _below(entry, ("service", "nat", "map-t", "domain", *name), kind)
            elif kind == "nat-policy":
                yield from _below(entry, ("service", "nat", kind, *name), kind)


def _router(path: Words, block: Block) -> Iterator[Line]:
    for nat in block.children:
        for side in nat.children if nat.text == "nat" else ():
            yield from _side((*path, "nat"), side)


def _side(path: Words, side: Block) -> Iterator[Line]:
    if side.text == "inside":
        yield from _below(side, (*path, "inside", "large-scale"), "large-scale")
    for entry in side.children if side.text in ("outside", "map") else ():
        words = _words(entry)
        if words[0] == "map-domain":
            yield Line((*path, "map", *words), entry.line)
        elif words[0] == "pool" and len(words) > 1:
            pool = (*path, "outside", *words[:2])
            for word, value in zip(words[2::2], words[3::2], strict=False):
                yield Line((*pool, word, value), entry.line)
            yield from _below(entry, pool, "pool")


def _below(block: Block, path: Words, kind: str) -> Iterator[Line]:
    for child in block.children:
        words = _words(child)
        if child.text in (_UP, _DOWN):
            yield Line((*path, "admin-state", "enable" if child.text == _UP else "disable"), child.line)
        elif kind == "nat-policy" and words[0] == "pool":
            yield Line((*path, "pool", "name", *words[1:2]), child.line)
            yield Line((*path, "pool", "router-instance", *words[3:4]), child.line)
        elif words[0] == "address-range":
            yield Line((*path, *words[:2], "end", *words[2:]), child.line)
        else:
            deeper = (*path, *_in_the_model(child, words, kind, path))
            yield Line(deeper, child.line)
            yield from _below(child, deeper, kind)


def _in_the_model(block: Block, words: Words, kind: str, path: Words) -> Words:
    if words[0] in _FLAGS:
        return (*words, "true")
    if words[0] == "address" and path[-1] == "dual-stack-lite":
        return ("endpoint", *words[1:])
    for classic, model in _RENAMED.get(kind, ()):
        if block.opens(classic):
            return (*model.split(), *words[len(classic.split()) :])
    return words


# --- writing --------------------------------------------------------------------------------------


def write(lines: Iterable[Line]) -> str:
    """Text of lines as the device prints it."""
    lines = list(lines)
    return _typed(((*_place(line, lines),) for line in lines), lambda views: True, closing=True)


def commands(running: Iterable[Line], wanted: Iterable[Line]) -> str:
    """Lines below ``configure``, in the order in which the device takes them, without ``exit``."""
    before, after = list(running), list(wanted)
    made = {views for line in before for views in _openings(_place(line, before)[0])}
    paths = {line.path for line in after}
    gone = {line for line in before if line.path not in paths or (_is_policy(line) and line not in after)}
    bounced = _bounced(before, after, gone)
    built_up = (line for line in after if line not in before or line in gone or line in bounced)
    return _typed(
        [*_taken_down(before, after, gone | bounced), *(_place(line, after) for line in built_up)],
        lambda views: _keys(views) not in made,
        closing=False,
    )


def _taken_down(before: list[Line], after: list[Line], gone: set[Line]) -> Iterator[tuple[Views, str]]:
    """What goes, the last first: a thing is shut down, then emptied, then it goes itself."""
    kept = {line.words[:depth] for line in after for depth in range(1, len(line.words) + 1)}
    waiting: list[Views] = []  # things that go once all in them has gone
    for line in reversed(before):
        views, command = _place(line, before)
        while waiting and not _is_in(views, waiting[-1]):
            yield _without(waiting.pop())
        whole = [views for path, views in _wholes(line, views) if path not in kept]
        waiting += [thing for thing in whole if thing not in waiting]
        if line in gone and _is_switch(line):
            yield views, _DOWN
        elif line in gone and command and not whole:
            yield views, _no(command)
    yield from map(_without, reversed(waiting))


def _without(views: Views) -> tuple[Views, str]:
    return views[:-1], f"no {views[-1].text}"


def _bounced(before: list[Line], after: list[Line], gone: set[Line]) -> set[Line]:
    """Switches of things that stay, with something in them that can change only while they are down."""
    switches = {line for line in before if _is_switch(line) and line in after}
    routers = {line.thing for line in gone if _is_policy(line)}
    found = {switch for switch in switches if switch.thing in routers}
    for line in [*filter(_restarts, set(before) ^ set(after)), *(one for one in gone if _is_range(one))]:
        around = [one for one in switches if line.words[: len(one.words) - 2] == one.words[:-2]]
        found |= {max(around, key=lambda one: len(one.words))} if around else set()
    return found


def _is_policy(line: Line) -> bool:
    """Whether a router refers to its policy there: the policy can go only without it."""
    return line.kind == "large-scale" and line.leaf == "nat-policy"


def _is_range(line: Line) -> bool:
    return line.inside[:1] == ("address-range",)


def _restarts(line: Line) -> bool:
    inside = " ".join(line.inside)
    return not _is_switch(line) and any(inside.startswith(word) for word in _RESTARTS.get(line.kind, ()))


def _is_switch(line: Line) -> bool:
    return line.words[-2:] == ("admin-state", "enable")


def _wholes(line: Line, views: Views) -> Iterator[tuple[Words, Views]]:
    """The object and the part of it that a line is in, outermost first: path in the model, and views."""
    if line.kind not in ("large-scale", "map-domain"):
        depth = next((at for at, view in enumerate(views, 1) if line.thing[-1] in view.text), len(views))
        yield line.thing, views[:depth]
    if line.part != line.thing:
        yield line.part, views


def _is_in(views: Views, whole: Views) -> bool:
    return _keys(views[: len(whole)]) == _keys(whole)


def _no(command: str) -> str:
    first, *rest = command.split()
    return f"no {command}" if first == "map-domain" else f"no {rest[0] if first == 'no' else first}"


def _openings(views: Views) -> Iterator[Words]:
    for depth in range(1, len(views) + 1):
        yield _keys(views[:depth])


def _keys(views: Views) -> Words:
    return tuple(view.text for view in views)


def _place(line: Line, lines: list[Line]) -> tuple[Views, str]:
    """The views that a line stands in, and the line; empty where the last view says it all."""
    words, inside = line.words, line.inside
    name = line.thing[-1]
    if line.kind in ("domain", "nat-policy"):
        kind = "map-domain" if line.kind == "domain" else line.kind
        views: Views = (View("service"), View("nat"), View(f"{kind} {name}", " create"))
    else:
        views = (*map(View, router_views(words)), View("nat"))
    if line.kind == "map-domain":
        return (*views, View("map")), f"map-domain {name}"
    if line.kind == "pool":
        return _in_pool(line, (*views, View("outside")), lines)
    if line.kind == "large-scale":
        return _inside(inside, (*views, View("inside")))
    if inside[0] == "mapping-rule":
        return (*views, View(f"mapping-rule {inside[1]}", " create")), _command(inside[2:])
    if inside[0] == "pool":
        return views, _pool_of(line, lines)
    return views, _command(_classic(line.kind, inside))


def router_views(words: Words) -> list[str]:
    """The lines that lead to a router."""
    return ["service", f"vprn {name_of(words[2])}"] if words[0] == "service" else ["router"]


def _in_pool(line: Line, views: Views, lines: list[Line]) -> tuple[Views, str]:
    name, inside = line.thing[-1], line.inside
    group = _value(line, "nat-group", lines)
    views = (*views, View(f"pool {name}", f" nat-group {group} type {_value(line, 'type', lines)} create"))
    if inside[0] in ("type", "nat-group"):
        return views, ""
    if inside[0] == "address-range":
        return (*views, View(f"address-range {inside[1]} {inside[3]}", " create")), ""
    return views, _command(_classic("pool", inside))


def _inside(inside: Words, views: Views) -> tuple[Views, str]:
    if inside[0] == "nat-policy":
        return views, " ".join(inside)
    views = (*views, View(inside[0]))
    if inside[1:2] == ("endpoint",) and len(inside) > 2:
        views = (*views, View(f"address {inside[2]}"))
        return views, _command(inside[3:])
    return views, _command(inside[1:])


def _pool_of(line: Line, lines: list[Line]) -> str:
    router = name_of(_value(line, "pool router-instance", lines))
    return f"pool {_value(line, 'pool name', lines)} router {router}"


def _value(line: Line, leaf: str, lines: list[Line]) -> str:
    path = (*line.thing, *leaf.split())
    return next((other.words[-1] for other in lines if other.words[:-1] == path), "-")


def _classic(kind: str, words: Words) -> Words:
    for classic, model in _RENAMED.get(kind, ()):
        if " ".join(words).startswith(model):
            return (*classic.split(), *words[len(model.split()) :])
    return words


def _command(words: Words) -> str:
    if words[:1] == ("admin-state",):
        return _UP
    return words[0] if words and words[0] in _FLAGS else " ".join(words)


def _typed(steps: Iterable[tuple[Views, str]], creates: Callable[[Views], bool], *, closing: bool) -> str:
    """Lines with the way into their views, and out of them where they are ``closing``."""
    lines: list[str] = []
    here: Views = ()
    made: set[Words] = set()

    def add(depth: int, text: str) -> None:
        if text:
            lines.append(f"{' ' * _INDENT * depth}{text}\n")

    for views, command in (*steps, ((), "")):
        while _keys(views[: len(here)]) != _keys(here):
            here = here[:-1]
            add(len(here) if closing else 0, "exit" if closing else "")
        for depth in range(len(here), len(views)):
            there = views[: depth + 1]
            new = creates(there) and _keys(there) not in made
            made.add(_keys(there))
            add(depth, views[depth].text + (views[depth].create if new else ""))
            here = there
        if not lines or lines[-1] != f"{' ' * _INDENT * len(here)}{command}\n":
            add(len(here), command)
    return "".join(lines)
