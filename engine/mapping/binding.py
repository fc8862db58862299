# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The binding table of lw4o6: who owns which address and ports is looked up (RFC 7596 section 6)."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from .portset import PortSet


@dataclass(frozen=True, slots=True)
class Binding:
    """One subscriber. Raises PortSetError where the port set cannot be one."""

    softwire: IPv6Address  # the lwB4's tunnel address
    ipv4: IPv4Address
    psid_offset: int = 0  # RFC 7596 section 5.1: SHOULD be 0, contiguous ports
    psid_len: int = 0
    psid: int = 0
    gateway_address: IPv6Address | None = None  # of the lwAFTR, where it is not the service's

    def __post_init__(self) -> None:
        PortSet(self.psid_offset, self.psid_len, self.psid)

    @property
    def ports(self) -> PortSet:
        """Ports that the subscriber may use."""
        return PortSet(self.psid_offset, self.psid_len, self.psid)
