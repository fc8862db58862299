# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HB46PP: the table of answers that the rule server of this collection gives, by customer.

An entry for each service: the prefixes that customers have, and an answer for each prefix of customers; one
for all, or with lw4o6 one for each End-user prefix.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv6Network
from typing import Any

from ...codec import CodecError, decode, encode
from ...plan.model import NodePlan
from ...problem import Problem, Refused
from ...provision import hb46pp
from ...provision.hb46pp import AnswerError, Names
from ...techniques.service import PROVISIONER, Delegation, Service
from .. import assembly, own_file, own_list
from ..driver import Change, ParseError

_NAMES = "enabler_name, and where wanted service_name, isp_name and ttl (seconds up to 604800)"


class Hb46pp:
    """The driver."""

    name = "hb46pp"

    def context(self, node: NodePlan, dialect: str) -> dict[str, Any]:
        """Raises Refused for options that do not fit and for what an answer cannot say."""
        names = _names(node)
        entries, problems = [], []
        for service in node.services:
            try:
                entries.append(_entry(service, names))
            except AnswerError as error:
                wrong = f"hb46pp {node.name} cannot tell it: {error}"
                problems.append(Problem(f"ipv4aas_services.{service.name}", wrong, "another provisioner"))
        if problems:
            raise Refused(problems)
        return {"document": own_list.write(entries)}

    def owned(self, text: str, dialect: str) -> str:
        """See platforms.driver.Driver. The whole file."""
        return own_list.owned(text)

    def parse(self, text: str, dialect: str, wanted: tuple[Service, ...]) -> tuple[Service, ...]:
        """See platforms.driver.Driver."""
        return own_list.services(text, lambda entry, place: _service(entry, place, wanted))

    def change(self, running: str, wanted: str, dialect: str) -> Change:
        """See platforms.driver.Driver."""
        return own_list.change(running, wanted)


def _names(node: NodePlan) -> Names:
    try:
        return decode(Names, {key: node.options[key] for key in _KEYS if key in node.options}, "names")
    except CodecError as error:
        place, _colon, wrong = str(error).removeprefix("names").partition(": ")
        raise Refused([Problem(f"{node.name}.ipv4aas_options{place}", wrong, _NAMES)]) from error


_KEYS = ("enabler_name", "service_name", "isp_name", "ttl")


def _entry(service: Service, names: Names) -> dict[str, Any]:
    if service.bindings:
        answers = {
            str(hb46pp.prefix_of(service, binding)): hb46pp.answer(service, names, binding)
            for binding in service.bindings
        }
    else:
        common = hb46pp.answer(service, names)
        answers = {str(delegation.prefix): common for delegation in service.delegations}
    if not answers:
        raise AnswerError("it has no customers")
    return {"service": service.name, "delegations": encode(service.delegations), "answers": answers}


def _service(entry: Any, place: str, wanted: tuple[Service, ...]) -> Service:
    try:
        name, found = str(entry["service"]), entry["answers"]
        delegations = decode(tuple[Delegation, ...], entry["delegations"], f"{place}.delegations")
        delegations = tuple(own_file.check_delegation(each) for each in delegations)
        answers = {IPv6Network(prefix): hb46pp.fields(answer) for prefix, answer in found.items()}
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ParseError(f"{place}: is no entry of ours: {error}") from error
    told = list(answers.values())
    if not told:
        raise ParseError(f"{place}: has no answers")
    carried = {"role": PROVISIONER, "delegations": delegations} | told[0]
    if "bindings" in carried:
        carried |= _bound(name, told, wanted)
    elif any(other != told[0] for other in told):
        raise ParseError(f"{place}: customers are not told the same")
    service = assembly.found_service(name, wanted, carried)
    _check_customers(service, answers, place)
    return service


def _check_customers(service: Service, answers: Mapping[IPv6Network, dict[str, Any]], place: str) -> None:
    """Raises ParseError where a customer gets another one's answer, or none."""
    if not service.bindings:
        asked, known = answers.keys(), {delegation.prefix for delegation in service.delegations}
        if asked != known:
            shown = (", ".join(map(str, sorted(prefixes))) for prefixes in (asked, known))
            raise ParseError(f"{place}: answers are for {next(shown)}, customers have {next(shown)}")
    for prefix, fields in answers.items():
        for binding in fields.get("bindings", ()):
            try:
                own = hb46pp.prefix_of(service, binding)
            except AnswerError as error:
                raise ParseError(f"{place}: {error}") from error
            if own != prefix:
                raise ParseError(f"{place}: the answer for {prefix} is that of {own}")


def _bound(name: str, told: list[dict[str, Any]], wanted: tuple[Service, ...]) -> dict[str, Any]:
    """The bindings of all customers, each with its lwAFTR where that is not the service's."""
    pairs = [(binding, fields["gateway_address"]) for fields in told for binding in fields["bindings"]]
    return own_file.bound(pairs, name, wanted)


DRIVER = Hb46pp()
