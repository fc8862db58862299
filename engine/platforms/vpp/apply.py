#!/usr/bin/env python3
# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes a running VPP what a file of its commands says; a program for the host, it needs Python only.

    apply.py FILE          change VPP, then look whether it runs what the file says
    apply.py --check FILE  say what VPP would be told

VPP keeps no configuration and deletes MAP domains by an index that it chose itself, so a change is computed
from what ``show map domain`` says (src/plugins/map/map.c, format_map_domain). Domains are known by their tag
and IPv4 prefix, and only tags that begin with ipv4aas are touched. In the file ``map add rule index N`` is
about the N-th domain of the file, from 0. Of other commands VPP does not tell which are ours: those that were
given are remembered in /run, together with VPP's process, since a VPP that is started anew has none of them.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

MEMORY = Path("/run/ipv4aas/vpp.json")
OURS = re.compile(r"ipv4aas(-.+)?")
SHOWN = re.compile(r"\[(?P<index>\d+)\] tag \{(?P<tag>\S*)\} (?P<rest>.*)")
SHOWN_RULE = re.compile(r"\s*rule psid: (?P<psid>\d+) ip6-dst (?P<to>\S+)")
DOMAIN = "map add domain "
RULE = re.compile(r"map add rule index (?P<at>\d+) psid (?P<psid>\d+) ip6-dst (?P<to>\S+)")
# What a command that sets one value is taken back by: VPP's own value at its start (map_init of map.c).
DEFAULTS = {
    "map params fragment": "map params fragment outer honor-df",
    "map params security-check": "map params security-check enable fragments off",
    "map params tcp-mss": "map params tcp-mss 0",
    "nat64 plugin": "nat64 plugin disable",
}
# Without a way back; a later one takes the place of an earlier one.
LASTING = ("dslite set ",)

Rules = dict[int, str]  # PSID -> softwire
Domains = dict[tuple[str, str], tuple[str, Rules]]  # (tag, IPv4 prefix) -> command, rules
Indices = dict[tuple[str, str], int]  # VPP's own


class ApplyError(Exception):
    """VPP said no, or does not run what it was told."""


def commands(text: str) -> list[str]:
    """Lines of a file, without comments and needless blanks."""
    lines = (" ".join(line.split()) for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def as_commands(shown: str) -> Iterator[tuple[str, int]]:
    """What ``show map domain`` prints as the commands that would make it, each with VPP's index."""
    index = 0
    for line in shown.splitlines():
        domain, rule = SHOWN.match(line), SHOWN_RULE.match(line)
        if domain:
            index = int(domain["index"])
            words = domain["rest"].split()
            # What comes behind mtu and its value follows from the rest, or counts packets.
            kept = words[: words.index("mtu") + 2]
            tag = "" if domain["tag"] == "[no-tag]" else f"tag {domain['tag']} "
            yield f"{DOMAIN}{tag}{' '.join(kept)}", index
        elif rule:
            yield f"map add rule index {index} psid {rule['psid']} ip6-dst {rule['to']}", index


def domains(lines: list[str]) -> Domains:
    """The domains of commands, with their rules."""
    found: Domains = {}
    order: list[Rules] = []
    for line in lines:
        rule = RULE.fullmatch(line)
        if line.startswith(DOMAIN):
            words = line.split()
            key = (words[words.index("tag") + 1], words[words.index("ip4-pfx") + 1])
            if key in found:
                raise ApplyError(f"{line}: is there twice")
            order.append({})
            found[key] = (line, order[-1])
        elif rule:
            if int(rule["at"]) >= len(order):
                raise ApplyError(f"{line}: there is no domain {rule['at']} before it")
            order[int(rule["at"])][int(rule["psid"])] = rule["to"]
    return found


def others(lines: list[str]) -> list[str]:
    """Commands that are about no domain, each once."""
    return list(dict.fromkeys(line for line in lines if not line.startswith((DOMAIN, "map add rule "))))


def running(shown: str) -> tuple[Domains, Indices]:
    """Our domains in VPP, and their indices."""
    ours: Domains = {}
    indices: Indices = {}
    at: dict[int, Rules] = {}
    for line, index in as_commands(shown):
        rule = RULE.fullmatch(line)
        words = line.split()
        if rule and index in at:
            at[index][int(rule["psid"])] = rule["to"]
        elif not rule and "tag" in words and OURS.fullmatch(words[words.index("tag") + 1]):
            key = (words[words.index("tag") + 1], words[words.index("ip4-pfx") + 1])
            at[index] = {}
            ours[key], indices[key] = (line, at[index]), index
    return ours, indices


def taken_back(line: str) -> list[str]:
    """The commands that undo one."""
    for start, default in DEFAULTS.items():
        if line.startswith(f"{start} "):
            return [default]
    return [] if line.startswith(LASTING) else [f"{line} del"]


def undoing(before: list[str], after: list[str]) -> list[str]:
    """Commands that take back what is no longer wanted; a value that gets another one needs none."""
    given = [line for line in after if line not in before]
    replaced = {start for start in DEFAULTS for line in given if line.startswith(f"{start} ")}
    return [
        command
        for line in reversed(before)
        if line not in after and not any(line.startswith(f"{start} ") for start in replaced)
        for command in taken_back(line)
    ]


def first_step(before: list[str], after: list[str], have: Domains, want: Domains, at: Indices) -> list[str]:
    """Commands up to the new domains, whose indices VPP tells only then."""
    gone = [key for key, (line, _rules) in have.items() if key not in want or want[key][0] != line]
    return [
        *(f"map del domain index {at[key]}" for key in gone),
        *(line for key, (line, _rules) in want.items() if key not in have or key in gone),
        *(line for line in after if line not in before),
    ]


def second_step(have: Domains, want: Domains, at: Indices) -> list[str]:
    """Rules of the domains. VPP has no command to delete one: that of no address is none."""
    steps = []
    for key, (_line, rules) in want.items():
        if key not in have:
            raise ApplyError(f"VPP has not made domain {' '.join(key)}")
        running_rules = have[key][1]
        for psid in sorted(rules.keys() | running_rules.keys()):
            to = rules.get(psid, "::")
            if running_rules.get(psid, "::") != to:
                steps.append(f"map add rule index {at[key]} psid {psid} ip6-dst {to}")
    return steps


class Vpp:
    """A running VPP, by vppctl."""

    def __init__(self, program: str = "vppctl") -> None:
        self._program = program

    def ask(self, *words: str) -> str:
        """What a command prints."""
        done = subprocess.run([self._program, *words], capture_output=True, text=True, check=False)
        if done.returncode:
            raise ApplyError(f"{self._program} {' '.join(words)}: {done.stderr.strip()}")
        return done.stdout

    def tell(self, lines: list[str]) -> None:
        """Runs commands. Those that succeed print nothing."""
        if not lines:
            return
        with tempfile.NamedTemporaryFile("w", suffix=".vpp") as script:
            script.write("".join(f"{line}\n" for line in lines))
            script.flush()
            said = self.ask("exec", script.name).strip()
        if said:
            raise ApplyError(f"VPP says: {said}")

    def process(self) -> str:
        """Which start of VPP this is."""
        found = re.search(r"Current PID:\s+(\d+)", self.ask("show", "version", "verbose"))
        return found[1] if found else ""

    def domains(self) -> tuple[Domains, Indices]:
        """Our domains and their indices."""
        return running(self.ask("show", "map", "domain"))


@dataclass(frozen=True)
class Memory:
    """The commands that a start of VPP was given; not ``sure`` where a change ended half-way."""

    process: str
    commands: list[str]
    sure: bool = True

    def keep(self, path: Path) -> None:
        """Writes it."""
        path.write_text(json.dumps(vars(self)))


def remembered(process: str, path: Path) -> Memory:
    """What was kept of this start of VPP."""
    try:
        found = Memory(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return Memory(process, [])
    return found if found.process == process else Memory(process, [])


def apply(text: str, vpp: Vpp, memory: Path = MEMORY, check: bool = False) -> list[str]:
    """What VPP was told. Raises ApplyError where it then does not run what the text says."""
    lines = commands(text)
    want, after = domains(lines), others(lines)
    kept = remembered(vpp.process(), memory)
    have, at = vpp.domains()
    # After a change that ended half-way everything is taken back, also what VPP may know nothing of.
    undone = undoing(kept.commands, after if kept.sure else [])
    told = first_step(kept.commands if kept.sure else [], after, have, want, at)
    if check:
        return [*undone, *told]
    memory.parent.mkdir(parents=True, exist_ok=True)
    replace(kept, commands=list(dict.fromkeys([*kept.commands, *after])), sure=False).keep(memory)
    for line in undone:
        vpp.ask(*line.split())
    vpp.tell(told)
    have, at = vpp.domains()
    rules = second_step(have, want, at)
    vpp.tell(rules)
    have, _at = vpp.domains()
    if have != want:
        wrong = sorted(" ".join(key) for key in have.keys() | want.keys() if have.get(key) != want.get(key))
        raise ApplyError(f"VPP does not run what it was told: {', '.join(wrong)}")
    replace(kept, commands=after, sure=True).keep(memory)
    return [*undone, *told, *rules]


def main(arguments: list[str]) -> int:
    """The program."""
    check = arguments[:1] == ["--check"]
    try:
        text = Path(arguments[-1]).read_text("utf-8")
        print("".join(f"{line}\n" for line in apply(text, Vpp(), check=check)), end="")
    except (OSError, ApplyError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
