#!/usr/bin/env python3
# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands for OpenWrt's ``uci`` command: batch, set, add_list, delete, changes, commit, export.

As there: changes are kept as a list in the save folder (-t; $UCI_SAVE here, /tmp/.uci there) until a
commit writes the package anew, without comments; ``batch`` goes on after an error and exits 0; what
is not there is "uci: Entry not found". Ours: only named sections can be addressed.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import sys
from pathlib import Path

NAME = re.compile(r"[A-Za-z0-9_]+\Z")
TARGET = re.compile(r"([\w-]+)\.([\w]+)(?:\.([\w]+))?(?:=(.*))?\Z", re.DOTALL)

# A section is [type, name, {option: value or list of values}].
Section = list


class UciError(Exception):
    """The text that follows "uci: "."""


def read(path: Path) -> list[Section]:
    sections: list[Section] = []
    for line in path.read_text("utf-8").splitlines():
        try:
            words = shlex.split(line, comments=True)
        except ValueError as error:
            raise UciError(f"Parse error ({error})") from error
        if not words or words[0] == "package":
            continue
        if words[0] == "config" and len(words) in (2, 3):
            sections.append([words[1], words[2] if len(words) == 3 else "", {}])
        elif words[0] == "option" and len(words) == 3 and sections:
            sections[-1][2][words[1]] = words[2]
        elif words[0] == "list" and len(words) == 3 and sections:
            sections[-1][2].setdefault(words[1], []).append(words[2])
        else:
            raise UciError(f"Parse error (invalid command: {line})")
    return sections


def write(package: str, sections: list[Section], header: bool) -> str:
    text = f"package {package}\n" if header else ""
    for kind, name, options in sections:
        text += f"\nconfig {kind} {quoted(name)}".rstrip() + "\n" if name else f"\nconfig {kind}\n"
        for key, value in options.items():
            if isinstance(value, list):
                text += "".join(f"\tlist {key} {quoted(item)}\n" for item in value)
            else:
                text += f"\toption {key} {quoted(value)}\n"
    return text + "\n"


def quoted(value: str) -> str:
    return "'" + value.replace("'", "'\\''") + "'"


class Uci:
    """Configuration folder and save folder."""

    def __init__(self, config: Path, save: Path) -> None:
        self.config, self.save = config, save

    def saved(self, package: str) -> list[list[str]]:
        path = self.save / package
        return [shlex.split(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []

    def load(self, package: str) -> list[Section]:
        path = self.config / package
        if not path.exists():
            raise UciError("Entry not found")
        sections = read(path)
        for command in self.saved(package):
            edit(sections, command)
        return sections

    def change(self, command: list[str]) -> None:
        match = TARGET.match(command[1]) if len(command) == 2 else None
        if match is None:
            raise UciError("Invalid argument")
        edit(self.load(match[1]), command)
        self.save.mkdir(parents=True, exist_ok=True)
        with (self.save / match[1]).open("a", encoding="utf-8") as file:
            file.write(shlex.join(command) + "\n")

    def packages(self) -> list[str]:
        return sorted(path.name for path in self.config.glob("*"))

    def run(self, words: list[str]) -> None:
        command, *rest = words
        if command in ("set", "add_list", "delete"):
            self.change(words)
        elif command == "changes":
            for package in rest or self.packages():
                for saved in self.saved(package):
                    print(changed(saved))
        elif command == "export":
            for package in rest or self.packages():
                print(write(package, self.load(package), header=True), end="")
        elif command == "commit":
            for package in rest or self.packages():
                if self.saved(package):
                    text = write(package, self.load(package), header=False)
                    new = self.config / f".{package}.uci"
                    new.write_text(text, "utf-8")
                    new.rename(self.config / package)
                    (self.save / package).unlink()
        else:
            raise UciError("Unknown command")


def edit(sections: list[Section], command: list[str]) -> None:
    verb = command[0]
    match = TARGET.match(command[1])
    if match is None:
        raise UciError("Invalid argument")
    _package, name, option, value = match.groups()
    section = next((each for each in sections if each[1] == name), None)
    if verb == "delete":
        if section is None or (option and option not in section[2]):
            raise UciError("Entry not found")
        if option:
            del section[2][option]
        else:
            sections.remove(section)
    elif value is None or (section is None and option):
        raise UciError("Invalid argument")
    elif option is None:
        if not NAME.match(value):
            raise UciError("Invalid argument")
        if section is None:
            sections.append([value, name, {}])
        else:
            section[0] = value
    elif verb == "add_list":
        old = section[2].get(option, [])
        section[2][option] = [*(old if isinstance(old, list) else [old]), value]
    else:
        section[2][option] = value


def changed(command: list[str]) -> str:
    verb, (target, _, value) = command[0], command[1].partition("=")
    if verb == "delete":
        return f"-{target}"
    return f"{target}{'+=' if verb == 'add_list' else '='}{quoted(value)}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="uci")
    parser.add_argument("-c", dest="config", type=Path, default=Path("/etc/config"))
    parser.add_argument("-t", dest="save", type=Path, default=Path(os.environ.get("UCI_SAVE", "/tmp/.uci")))
    parser.add_argument("command", nargs="+")
    order = parser.parse_args()
    uci = Uci(order.config, order.save)
    if order.command != ["batch"]:
        return complain(uci, order.command)
    for line in sys.stdin:
        if words := shlex.split(line):
            complain(uci, words)
    return 0


def complain(uci: Uci, words: list[str]) -> int:
    try:
        uci.run(words)
    except UciError as error:
        print(error if str(error) == "Unknown command" else f"uci: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
