# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a device's command line behaves towards who types, for the emulator in tests/emulator."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Manners:
    """Patterns match whole lines. What is not known to be the device's is said in the platform's case."""

    exec_prompt: str = "box#"
    inside_prompt: str = "box(config{mode})#"  # {mode} shows that a submode is open, where there are some
    marks: tuple[str, str] = ("", "")  # what stands for {mark} in both: nothing typed yet, something typed
    mode: str = "-sub"  # what stands for {mode} in a submode
    enter: str = "configure terminal"
    leave: str = "end"
    exit: str = "exit"  # leaves a submode; "": the device knows by the line where it belongs
    top: str = r"(?!)"  # leaves all submodes
    always: bool = False  # one is in configuration mode from the login on
    opens: str = r"(?!)"  # lines that open a submode
    read: str = "show running-config"
    show: str = "do "  # before exec commands in configuration mode
    quiet: str = r"terminal .*"  # commands that are taken and do nothing
    refused: str = "% Invalid input detected at '^' marker."  # said of a line that the device does not know
    candidate: bool = False
    compare: str = r"(?!)"
    check: str = r"(?!)"
    discard: str = r"(?!)"
    commit: str = r"(?!)"
    trial: str = r"(?!)"  # one group: the time
    unit: int = 1  # seconds of that time
    confirm: str = r"(?!)"
    revert: str = r"(?!)"
    save: str = r"(?!)"
