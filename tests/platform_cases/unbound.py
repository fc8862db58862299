# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Unbound."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ansible_collections.ipv4aas.fleet.engine.platforms.own_file import NOTHING
from ansible_collections.ipv4aas.fleet.engine.techniques.service import Service
from helper_samples import resolver_service
from hypothesis import strategies as st

from .case import Case
from .daemon_device import FileDevice, check_unbound
from .infoblox import DNS64
from .infoblox import fit as with_dns64


def fit(service: Service) -> Service:
    """Every A record is synthesised from."""
    made = with_dns64(service)
    assert made.dns64 is not None
    return replace(made, dns64=replace(made.dns64, private=()))


@dataclass(frozen=True, kw_only=True)
class UnboundCase(Case):
    """One prefix for the whole server."""

    def services(self, technique: str, role: str) -> st.SearchStrategy[tuple[Service, ...]]:
        return (
            super()
            .services(technique, role)
            .map(
                lambda made: tuple(
                    replace(one, translation_prefix=made[0].translation_prefix) for one in made
                )
            )
        )


CASE = UnboundCase(
    platform="unbound",
    options={},
    device=lambda dialect: FileDevice(NOTHING, check_unbound),
    golden={
        "conference": (resolver_service(),),
        "464xlat": (resolver_service(technique="464xlat", dns64=replace(DNS64, private=())),),
    },
    endings={"conf": "conf"},
    fit=fit,
    facts=lambda text, dialect: [] if text == NOTHING else text.splitlines(),
)
