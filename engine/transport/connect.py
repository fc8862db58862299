# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which session speaks a dialect of a platform: as ``access`` of its features.yml says.

netconf: ``filter``, what of the configuration can hold services (RFC 6241 section 6), and ``time_step``,
seconds that times to confirm are multiples of. ssh: ``line``, a module of this folder and its class, and the
class's own parameters. file: the fields of daemon.Daemon. person: ``why`` nothing carries it to the device.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..codec import decode
from ..platforms.registry import all_features
from ..problem import Problem, Refused
from .daemon import Daemon
from .session import Session

if TYPE_CHECKING:
    from .target import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class NetconfAccess:
    """What of a NETCONF server is its platform's."""

    filter: str
    time_step: int = 1


def session_for(platform: str, dialect: str, target: Target, *, allow_weaker: bool = False) -> Session:
    """A session, not yet open (``with`` opens it), with a device reached over the network.

    ``allow_weaker`` accepts a device without confirmed commit. Raises Refused for a platform
    or a dialect that is reached in no such way.
    """
    transport = all_features()[platform].transports.get(dialect)
    if transport == "netconf":
        from .netconf import NetconfSession

        how = netconf_access(platform)
        return NetconfSession(
            target, subtree_filter=how.filter, time_step=how.time_step, allow_weaker=allow_weaker
        )
    access = dict(_access(platform, dialect))
    if transport == "ssh" and "line" in access:
        from .ssh import SshSession

        module, name = access.pop("line").split(".")
        line = getattr(import_module(f".{module}", __package__), name)
        return SshSession(line(target, **access), allow_weaker=allow_weaker)
    raise Refused(
        [Problem("ipv4aas_dialect", f"{platform} cannot be reached in {dialect}", "see platforms_info")]
    )


def netconf_access(platform: str, dialect: str = "netconf") -> NetconfAccess:
    """How a platform's NETCONF server is asked. Raises CodecError for a fault of the features.yml."""
    return decode(NetconfAccess, _access(platform, dialect), f"{platform}: access.{dialect}")


def daemon_of(platform: str, dialect: str) -> Daemon:
    """The daemon whose file a dialect is. Raises CodecError for a fault of the features.yml."""
    return decode(Daemon, _access(platform, dialect), f"{platform}: access.{dialect}")


def _access(platform: str, dialect: str) -> dict[str, Any]:
    return all_features()[platform].access.get(dialect, {})
