# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a node does what it was told to, from what it says of itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

# Beside the control socket, for who may look but not touch.
STATUS_SOCKET = "status.sock"


def devices(status: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any] | None]:
    """The device that the services need in each namespace (home is ""); None for one that is lost."""
    if not status["services"]:
        return {}
    return {"": status["device"], **status["namespaces"]}


def problems(status: Mapping[str, Any]) -> Iterator[str]:
    """Why packets may not be served as configured; a session log that is not written is not among it."""
    if "fault" in status:
        yield f"the configuration does not run: {status['fault']}"
    elif not status["active"]:
        yield "the configuration does not run yet"
    for namespace, device in devices(status).items():
        if device is None:
            yield "the device is gone" + (f" from network namespace {namespace}" if namespace else "")
