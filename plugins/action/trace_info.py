# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traces addresses, customers and captured packets in the plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from pathlib import Path
from typing import Any, TypeVar

from ansible_collections.ipv4aas.fleet.engine.codec import encode
from ansible_collections.ipv4aas.fleet.engine.plan.model import FleetPlan
from ansible_collections.ipv4aas.fleet.engine.problem import Problem, Refused
from ansible_collections.ipv4aas.fleet.engine.verify.capture import CaptureError, packet_of
from ansible_collections.ipv4aas.fleet.engine.verify.explain import explain, meanings_of
from ansible_collections.ipv4aas.fleet.engine.verify.holders import Evidence, Holder
from ansible_collections.ipv4aas.fleet.engine.verify.session_log import Lease, moment, read_log
from ansible_collections.ipv4aas.fleet.engine.verify.trace import holdings, owners
from ansible_collections.ipv4aas.fleet.plugins.doc_fragments.options import ModuleDocFragment
from ansible_collections.ipv4aas.fleet.plugins.modules.trace_info import DOCUMENTATION
from ansible_collections.ipv4aas.fleet.plugins.plugin_utils import trace_text
from ansible_collections.ipv4aas.fleet.plugins.plugin_utils.action import FleetAction
from ansible_collections.ipv4aas.fleet.plugins.plugin_utils.plan_file import load_plan

QUESTIONS = ("ipv4", "customer", "capture")
_PROTOCOLS = {None: 0, "tcp": 6, "udp": 17, "icmp": 1}

Value = TypeVar("Value")


class ActionModule(FleetAction):
    """trace_info"""

    BYPASS_HOST_LOOP = True
    _requires_connection = False
    DOCUMENTS = (DOCUMENTATION, ModuleDocFragment.PLAN)

    def work(self, options: dict[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
        values = _Values(options)
        asked = [name for name in QUESTIONS if options[name] is not None]
        if len(asked) != 1:
            given = " and ".join(asked) or "nothing"
            values.wrong(" or ".join(QUESTIONS), f"{given} is asked", "ask one thing")
        address = values.read("ipv4", IPv4Address, "an IPv4 address such as 192.0.2.1")
        customer = values.read("customer", _prefix, "an IPv6 prefix or address such as 2001:db8::/56")
        when = values.read("time", moment, "a time with its zone such as 2013-06-12T10:00:00+09:00")
        if options["port"] is not None and not 0 <= options["port"] <= 0xFFFF:
            values.wrong("port", f"{options['port']} is no port", "0 to 65535")
        values.check()
        plan = load_plan(options["plan"])
        if options["capture"] is not None:
            return {"changed": False, **_decoded(plan, options["capture"])}
        evidence = Evidence(
            moment=when,
            protocol=_PROTOCOLS[options["protocol"]],
            leases=_leases(options["logs"]),
            key=b""
            if options["key_file"] is None
            else _read("key_file", Path(options["key_file"]).read_bytes),
        )
        found: tuple[Holder, ...] = ()
        if address is not None:
            found = owners(plan, address, options["port"], evidence)
        elif customer is not None:
            found = holdings(plan, customer, evidence)
        return {"changed": False, "holders": encode(found), "text": trace_text.of_holders(found)}


class _Values:
    """Options as what they stand for; all faults at once."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._options = options
        self._problems: list[Problem] = []

    def wrong(self, name: str, wrong: str, right: str) -> None:
        self._problems.append(Problem(name, wrong, right))

    def read(self, name: str, convert: Callable[[str], Value], right: str) -> Value | None:
        text = self._options[name]
        if text is None:
            return None
        try:
            return convert(text)
        except ValueError as error:
            self.wrong(name, str(error), right)
            return None

    def check(self) -> None:
        if self._problems:
            raise Refused(self._problems)


def _prefix(text: str) -> IPv6Network:
    """An address is the prefix that has it alone; host bits are no mistake of who copies an address."""
    return IPv6Network(text, strict=False)


def _leases(paths: list[str]) -> tuple[Lease, ...]:
    leases: list[Lease] = []
    for index, path in enumerate(paths):
        with _read(f"logs[{index}]", partial(open, path, encoding="utf-8")) as lines:
            leases += read_log(lines, path)
    return tuple(leases)


def _read(name: str, file: Callable[[], Value]) -> Value:
    """What an option names. Raises Refused where it cannot be read."""
    try:
        return file()
    except OSError as error:
        problem = Problem(
            name, f"{error.filename} cannot be read: {error.strerror}", "a file that can be read"
        )
        raise Refused([problem]) from error


def _decoded(plan: FleetPlan, text: str) -> dict[str, Any]:
    try:
        address = IPv6Address(text.strip())
    except ValueError:
        pass
    else:
        meanings = meanings_of(plan, address)
        return {"meanings": encode(meanings), "text": trace_text.of_meanings(meanings)}
    try:
        explanation = explain(plan, packet_of(text))
    except CaptureError as error:
        wrong, _separator, right = str(error).partition("; ")
        raise Refused([Problem("capture", wrong, right)]) from error
    return {**encode(explanation), "text": trace_text.of_explanation(explanation)}
