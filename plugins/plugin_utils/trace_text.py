# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was traced, in lines for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ansible_collections.ipv4aas.fleet.engine.verify.explain import Explanation, Meaning, Shown, Verdict
from ansible_collections.ipv4aas.fleet.engine.verify.holders import Holder

_RANGES = 4  # shown of a port set


def of_holders(holders: Iterable[Holder]) -> str:
    """One line each."""
    return "".join(f"{_holder(holder)}\n" for holder in holders)


def of_meanings(meanings: Iterable[Meaning]) -> str:
    """One line each."""
    lines = [_meaning(meaning) for meaning in meanings]
    return "".join(f"{line}\n" for line in lines) or "no address of any service of the plan\n"


def of_explanation(explanation: Explanation) -> str:
    """The packet, what its addresses are, and what becomes of it."""
    verdicts = [_verdict(verdict) for verdict in explanation.verdicts]
    return "".join(
        (
            f"{_shown(explanation.packet)}\n",
            of_meanings(explanation.meanings),
            *(f"{line}\n" for line in verdicts or ["no node of the plan would get it"]),
        )
    )


def _holder(holder: Holder) -> str:
    return ", ".join(_parts(holder))


def _parts(holder: Holder) -> Iterator[str]:
    who = str(holder.customer or holder.address)
    yield f"{holder.service} ({holder.technique}): {who}" + (f" ({holder.node})" if holder.node else "")
    yield f"{holder.ipv4.network_address if holder.ipv4.prefixlen == 32 else holder.ipv4}"
    if holder.ports:
        yield f"ports {_ports(holder)}"
    if holder.psid is not None:
        yield f"PSID {holder.psid}"
    if holder.since:
        yield f"from {holder.since} to {holder.until or 'now'}"
    yield f"by {holder.evidence}" + (f" {holder.rule}" if holder.rule else "")


def _ports(holder: Holder) -> str:
    shown = [f"{low}-{high}" if low < high else str(low) for low, high in holder.ports[:_RANGES]]
    more = len(holder.ports) - len(shown)
    return " ".join(shown) + (f" and {more} more ranges" if more else "")


def _meaning(meaning: Meaning) -> str:
    parts = [f"{meaning.address}: {meaning.what}, {meaning.service}"]
    if meaning.identifier:
        parts.append(f"identifier {meaning.identifier}")
    if meaning.ipv4 is not None and meaning.holder is None:
        parts.append(str(meaning.ipv4))
    if meaning.remark:
        parts.append(meaning.remark)
    if meaning.holder is not None:
        parts.append(_holder(meaning.holder))
    return "; ".join(parts)


def _verdict(verdict: Verdict) -> str:
    word = "accepted" if verdict.accepted else "not accepted"
    sent = "; ".join(f"sends {_shown(shown)}" for shown in verdict.sent)
    line = f"{', '.join(verdict.nodes)} ({verdict.service}): {word}, {verdict.reason}: {verdict.meaning}"
    return f"{line}; {sent}" if sent else line


def _shown(shown: Shown) -> str:
    outer = f"{shown.source6} > {shown.destination6}" if shown.source6 is not None else ""
    ports = ("", "") if shown.source_port is None else (f".{shown.source_port}", f".{shown.destination_port}")
    if shown.source4 is None:
        return f"IP6 {shown.source6}{ports[0]} > {shown.destination6}{ports[1]}"
    inner = f"IP {shown.source4}{ports[0]} > {shown.destination4}{ports[1]}"
    return f"IP6 {outer}: {inner}" if outer else inner
