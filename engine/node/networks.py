# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Some IPv4 networks, asked packet by packet."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network


class Networks:
    """Whether an address (an integer) is in one of them; falsy where there is none."""

    def __init__(self, networks: Iterable[IPv4Network]) -> None:
        self._masks = [(int(network.network_address), int(network.netmask)) for network in networks]

    def __len__(self) -> int:
        return len(self._masks)

    def __contains__(self, address: int) -> bool:
        for network, mask in self._masks:  # noqa: SIM110  any() takes twice as long
            if address & mask == network:
                return True
        return False
