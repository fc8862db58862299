# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The session with the device of a host, from Ansible's own variables.

Ansible imports an action once and forks for each host: what is imported here at the top is not
imported a thousand times.
"""

from __future__ import annotations

import contextlib
import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ansible import constants
from ansible.module_utils.parsing.convert_bool import boolean
from ansible_collections.ipv4aas.fleet.engine.plan.model import NodePlan
from ansible_collections.ipv4aas.fleet.engine.platforms.registry import all_features
from ansible_collections.ipv4aas.fleet.engine.transport.connect import daemon_of, session_for
from ansible_collections.ipv4aas.fleet.engine.transport.daemon import DaemonSession
from ansible_collections.ipv4aas.fleet.engine.transport.local import COMMAND, LocalSession
from ansible_collections.ipv4aas.fleet.engine.transport.session import Session

from .action import Failed, FleetAction

# Linux hosts are reached without these libraries; for others session() says what is missing.
with contextlib.suppress(ImportError):
    for library in ("netmiko", "ncclient.manager"):
        import_module(library)

if TYPE_CHECKING:
    from ansible_collections.ipv4aas.fleet.engine.transport.target import Target

FEATURES = all_features()
# All that target() asks for beside the name.
VARIABLES = (
    "ansible_host",
    "ansible_port",
    "ansible_ssh_port",
    "ansible_user",
    "ansible_ssh_user",
    "ansible_password",
    "ansible_ssh_pass",
    "ansible_ssh_password",
    "ansible_httpapi_pass",
    "ansible_become",
    "ansible_become_method",
    "ansible_become_password",
    "ansible_become_pass",
    "ansible_ssh_private_key_file",
    "ansible_private_key_file",
    "ansible_ssh_host_key_checking",
    "ansible_host_key_checking",
    "ansible_httpapi_ca_path",
    "ansible_httpapi_use_ssl",
    "ansible_httpapi_validate_certs",
)
LOCAL, FILE = "local", "file"
DEFAULT_PORTS = {"netconf": 830, "ssh": 22, "https": 443}


Variable = Callable[..., Any]
Runner = Callable[..., tuple[int, str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A host as an action meets it."""

    name: str
    variable: Variable  # the value of the first of some variables that it has, None where it has none
    run: Runner | None  # a command over Ansible's own connection; None where there is no such connection

    @classmethod
    def current(cls, action: FleetAction) -> Host:
        """That of the task."""
        return cls(name=action.variable("inventory_hostname"), variable=action.variable, run=runner(action))


class Elsewhere(Exception):
    """The host is reached over Ansible's own connection, and there is none here."""


def within_reach(host: Host, node: NodePlan) -> None:
    """Raises Elsewhere for a host that has to have a task of its own."""
    if host.run is None and FEATURES[node.platform].transports.get(node.dialect) in (LOCAL, FILE):
        raise Elsewhere


def session(host: Host, node: NodePlan, options: Mapping[str, Any], *, allow_weaker: bool = False) -> Session:
    """A session, not yet open, in the language of the node's plan. Raises Failed, Refused or Elsewhere."""
    transport = FEATURES[node.platform].transports[node.dialect]
    if transport == LOCAL:
        return LocalSession(_runner_of(host))
    if transport == FILE:
        return DaemonSession(_runner_of(host), daemon_of(node.platform, node.dialect))
    try:
        where = target(host.variable, options, DEFAULT_PORTS[transport])
        return session_for(
            node.platform, node.dialect, where, allow_weaker=allow_weaker, options=node.options
        )
    except ImportError as error:
        raise Failed(f"{error}; install requirements.txt of the collection for {sys.executable}") from error


def is_bare(host: Host, node: NodePlan) -> bool:
    """Whether the host is one for the software node and has none installed. Raises Elsewhere."""
    if FEATURES[node.platform].transports.get(node.dialect) != LOCAL:
        return False
    return _runner_of(host)(["test", "-e", COMMAND[-1]])[0] == 1


def _runner_of(host: Host) -> Runner:
    if host.run is None:
        raise Elsewhere
    return host.run


def target(variable: Variable, options: Mapping[str, Any], default_port: int) -> Target:
    """Where the device is and who logs in; ``variable`` gives the first of some variables that is set."""
    from ansible_collections.ipv4aas.fleet.engine.transport.target import Target

    user = variable("ansible_user", "ansible_ssh_user")
    if not user:
        raise Failed("ansible_user: not set; give the name to log in to the device with")
    method = str(variable("ansible_become_method") or "").rpartition(".")[2]
    enables = _switch(variable, "ansible_become") and method == "enable"
    checked = _switch(variable, "ansible_ssh_host_key_checking", "ansible_host_key_checking")
    if default_port == DEFAULT_PORTS["https"] and _switch(variable, "ansible_httpapi_use_ssl") is False:
        raise Failed("ansible_httpapi_use_ssl: off; plain HTTP would show the password, leave it on")
    return Target(
        host=str(variable("ansible_host", "inventory_hostname")),
        port=_port(variable("ansible_port", "ansible_ssh_port"), default_port),
        username=str(user),
        password=_text(
            variable("ansible_password", "ansible_ssh_pass", "ansible_ssh_password", "ansible_httpapi_pass")
        ),
        enable_password=str(variable("ansible_become_password", "ansible_become_pass") or "")
        if enables
        else None,
        key_file=_text(variable("ansible_ssh_private_key_file", "ansible_private_key_file")),
        known_hosts=options["known_hosts"],
        verify_host_key=constants.config.get_config_value("HOST_KEY_CHECKING")
        if checked is None
        else checked,
        ca_file=_text(variable("ansible_httpapi_ca_path")),
        verify_certificate=_switch(variable, "ansible_httpapi_validate_certs") is not False,
        timeout=float(options["timeout"]),
    )


def runner(action: FleetAction) -> Runner:
    """Runs a command on the current host over Ansible's own connection, with its privileges."""

    def run(command: list[str], stdin: str = "") -> tuple[int, str, str]:
        # Without any input Ansible takes a terminal, which mixes standard output and error.
        answer = action._low_level_execute_command(shlex.join(command), in_data=stdin.encode() or b"\n")
        return answer["rc"], answer["stdout"], answer["stderr"]

    return run


def _switch(variable: Variable, *names: str) -> bool | None:
    """One that may be a word, as it is in -e and in an inventory of INI; None where it is not set."""
    value = variable(*names)
    try:
        return None if value is None else bool(boolean(value))
    except TypeError:
        raise Failed(f"{names[-1]}: {value} is neither yes nor no") from None


def _port(value: Any, default: int) -> int:
    if not value:
        return default
    if not str(value).isdecimal() or not 0 < int(value) < 1 << 16:
        raise Failed(f"ansible_port: {value} is no port; give a number in 1..65535, such as {default}")
    return int(value)


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
