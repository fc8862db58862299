# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NEC AccessTechnica Aterm: the device is the sheet on somebody's desk."""

from __future__ import annotations

from ipaddress import IPv6Network

from .case import Case
from .services import shownet


class Desk:
    def __init__(self) -> None:
        self.sheet = "# Check sheet: no service\n"

    def show(self) -> str:
        return self.sheet

    def apply(self, payload: str) -> None:
        self.sheet = payload or self.sheet


# The well-known prefix is not for hosts with private addresses (RFC 6052 section 3.1).
_PLAT = IPv6Network("2001:db8:64::/96")

CASE = Case(
    platform="aterm",
    options={},
    device=lambda dialect: Desk(),
    golden={
        "ds-lite": (shownet("ds-lite", "edge"),),
        "464xlat": (shownet("464xlat", "edge", translation_prefix=_PLAT),),
    },
    endings={"md": "md"},
    # The sheet is ours as a whole: without a service nothing of it remains.
    facts=lambda text, dialect: [] if "no service" in text else text.splitlines(),
)
