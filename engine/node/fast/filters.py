# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether this host filters or counts what it forwards: such packets must not go past the kernel.

Numbers are those of uapi/linux/netfilter/nf_tables.h and nfnetlink.h.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from struct import Struct

from .rtnetlink import NETFILTER, Netlink, Overrun, attributes

_GENERIC = Struct("!BBH")  # struct nfgenmsg
_GETCHAIN = 10 << 8 | 4  # NFNL_SUBSYS_NFTABLES, NFT_MSG_GETCHAIN
_NAME, _HOOK, _HOOK_NUMBER = 3, 4, 1
_FAMILIES = (1, 2, 10)  # inet, ip, ip6
_FORWARDING = (0, 2, 4)  # prerouting, forward, postrouting
_LEGACY = (Path("/proc/net/ip_tables_names"), Path("/proc/net/ip6_tables_names"))


def filter_of_forwarding() -> str:
    """What there is, of the namespace that the thread is in; empty: nothing."""
    for path in _LEGACY:
        with contextlib.suppress(OSError):
            if path.read_text().strip():
                return "iptables"
    try:
        netlink = Netlink(protocol=NETFILTER)
    except OSError:
        return ""  # a kernel without
    try:
        for message in netlink.dump(_GETCHAIN, _GENERIC.pack(0, 0, 0)):
            family = message.body[0]
            found = attributes(message.body, _GENERIC.size)
            hook = attributes(found.get(_HOOK, b"")).get(_HOOK_NUMBER)
            if hook and family in _FAMILIES and int.from_bytes(hook, "big") in _FORWARDING:
                return f"nftables chain {found.get(_NAME, b'').rstrip(bytes(1)).decode(errors='replace')}"
    except (OSError, Overrun):
        pass  # nf_tables is not there, or changes: the next look tells
    finally:
        netlink.close()
    return ""
