# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which session speaks a dialect of a platform."""

from __future__ import annotations

from importlib import import_module

from ..problem import Problem, Refused
from .session import Session
from .target import Target

# What of the configuration can hold services (RFC 6241 section 6), by platform.
NETCONF_FILTERS = {
    "asr9000": '<service xmlns="http://cisco.com/ns/yang/Cisco-IOS-XR-um-service-cfg"/>',
    "juniper_mx": (
        '<configuration xmlns="http://yang.juniper.net/junos/conf/root">'
        '<interfaces xmlns="http://yang.juniper.net/junos/conf/interfaces"/>'
        '<services xmlns="http://yang.juniper.net/junos/conf/services"/>'
        "</configuration>"
    ),
}
# Junos takes the seconds of confirm-timeout for whole minutes: less than 60 is a rollback at once
# (ncclient issues 234 and 238).
NETCONF_TIME_STEPS = {"juniper_mx": 60}
# Module and class of the command line, by platform and dialect.
COMMAND_LINES = {
    ("asr9000", "cli"): ("ios_xr", "IosXr"),
    ("juniper_mx", "cli"): ("junos", "Junos"),
    ("openwrt", "uci"): ("openwrt", "OpenWrt"),
}


def session_for(platform: str, dialect: str, target: Target, *, allow_weaker: bool = False) -> Session:
    """A session, not yet open (``with`` opens it), with a device reached over SSH or NETCONF.

    ``allow_weaker`` accepts a NETCONF server without confirmed commit. Raises Refused for a platform
    or a dialect that is reached in no such way.
    """
    if dialect == "netconf" and platform in NETCONF_FILTERS:
        from .netconf import NetconfSession

        return NetconfSession(
            target,
            subtree_filter=NETCONF_FILTERS[platform],
            time_step=NETCONF_TIME_STEPS.get(platform, 1),
            allow_weaker=allow_weaker,
        )
    if (platform, dialect) in COMMAND_LINES:
        from .ssh import SshSession

        module, name = COMMAND_LINES[platform, dialect]
        return SshSession(getattr(import_module(f".{module}", __package__), name)(target))
    raise Refused(
        [Problem("ipv4aas_dialect", f"{platform} cannot be reached in {dialect}", "see platforms_info")]
    )
