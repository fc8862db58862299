# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Linux with the engine of this collection."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from ipaddress import IPv6Network

from ansible_collections.ipv4aas.fleet.engine.platforms.registry import all_features
from ansible_collections.ipv4aas.fleet.engine.techniques import TECHNIQUES
from ansible_collections.ipv4aas.fleet.engine.techniques.service import EDGE, Service
from hypothesis import strategies as st

from .case import Case
from .daemon_device import FileDevice, check_node
from .services import shownet

_NOTHING = json.dumps({"node": "", "services": []})
# The well-known prefix carries no addresses of documents and tests (RFC 6052 section 3.1).
_OWN = {"translation_prefix": IPv6Network("2001:db8:64::/96")}
_FIELDS = {
    ("464xlat", "gateway"): _OWN,
    ("464xlat", "edge"): _OWN,
    ("nat64", "gateway"): _OWN,
    ("lw4o6", "edge"): {"end_user_prefix": IPv6Network("2001:3e8:6000:5::/64")},
    ("sa46t-pt", "gateway"): {"end_user_prefix": IPv6Network("2001:db8:0:33::/64")},
}


def fit(service: Service) -> Service:
    """What the node takes (node/check.py): RFC 6333 section 5.3, and a PT has a prefix in the PR domain."""
    if service.technique == "ds-lite":
        return replace(service, fragmentation="outer")
    if service.technique == "sa46t-pt":
        return replace(service, **_FIELDS["sa46t-pt", "gateway"])
    return service


@dataclass(frozen=True, kw_only=True)
class LinuxCase(Case):
    """Edges and planes of one node would have the same LAN."""

    def services(self, technique: str, role: str) -> st.SearchStrategy[tuple[Service, ...]]:
        drawn = super().services(technique, role)
        alone = role == EDGE or TECHNIQUES[technique].mapping.startswith("plane")
        return drawn.map(lambda made: made[:1]) if alone else drawn


CASE = LinuxCase(
    platform="linux",
    options={},
    device=lambda dialect: FileDevice(_NOTHING, check_node),
    golden={
        f"{row.technique}-{row.role}": (
            shownet(row.technique, row.role, **_FIELDS.get((row.technique, row.role), {})),
        )
        for row in all_features()["linux"].techniques
    },
    endings={"json": "json"},
    fit=fit,
    facts=lambda text, dialect: text.splitlines() if json.loads(text)["services"] else [],
)
