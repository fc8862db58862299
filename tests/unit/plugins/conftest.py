# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs an action in this process, with a connection that answers from a function."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

RunAction = Callable[..., dict[str, Any]]
Answer = Callable[[str, bytes], tuple[int, str, str]]


class Connection:
    """Gives commands and their standard input to a function."""

    transport = "test"
    become = None
    allow_executable = False

    def __init__(self, answer: Answer | None) -> None:
        self._answer = answer
        self._shell = SimpleNamespace(tmpdir="/nowhere")

    def exec_command(
        self, command: str, in_data: bytes | None = None, sudoable: bool = True
    ) -> tuple[int, bytes, bytes]:
        assert self._answer is not None, f"no device may be contacted: {command}"
        code, out, error = self._answer(command, in_data or b"")
        return code, out.encode(), error.encode()

    def get_option(self, name: str) -> Any:
        return None


@pytest.fixture
def run_action(tmp_path, monkeypatch) -> RunAction:
    """run_action(name, args, variables, check_mode=False, answer=None) -> the result; the folder is empty."""
    monkeypatch.chdir(tmp_path)

    def run(
        name: str,
        args: dict[str, Any] | None = None,
        variables: dict[str, Any] | None = None,
        *,
        check_mode: bool = False,
        answer: Answer | None = None,
    ) -> dict[str, Any]:
        module = importlib.import_module(f"ansible_collections.ipv4aas.fleet.plugins.action.{name}")
        variables = {"inventory_hostname": "br1", **(variables or {})}
        loader = DataLoader()
        task = SimpleNamespace(
            args=dict(args or {}),
            check_mode=check_mode,
            diff=False,
            no_log=False,
            async_val=0,
            action=f"ipv4aas.fleet.{name}",
        )
        action = module.ActionModule(
            task,
            Connection(answer),
            SimpleNamespace(executable=None, remote_user="root"),
            loader,
            Templar(loader=loader, variables=variables),
        )
        return action.run(task_vars=variables)

    return run


@pytest.fixture
def hostvars() -> dict[str, dict[str, Any]]:
    """A small fleet: a software gateway, an edge, a device with a fallback, and a foreign host."""
    services = {
        "hall7": {
            "technique": "map-e",
            "customers": {"ipv6": "2001:3e8:6000::/56", "prefix_length": 64},
            "ipv4_pools": ["130.129.255.92/30"],
            "sharing": {"customers_per_address": 64, "reserved_ports": 4096},
            "gateway": {"address": "2001:3e8:0:2900::1", "anycast": True},
            "backbone_mtu": 1500,
        }
    }
    common = {"ipv4aas_services": services, "ipv4aas_carries": ["hall7"], "ansible_user": "secret"}
    edge = {**common, "ipv4aas_role": "edge", "ipv4aas_lan": ["192.168.42.0/24"]}
    return {
        "br1": {**common, "ipv4aas_role": "gateway", "ipv4aas_platform": "linux"},
        "ce42": {
            **edge,
            "ipv4aas_platform": "linux",
            "ipv4aas_customer_prefix": "2001:3e8:6000:42::/64",
        },
        "fx5k": {
            **common,
            "ipv4aas_role": "gateway",
            "ipv4aas_platform": "fx5000",
            "ipv4aas_fallback": "br2",
        },
        "br2": {"ipv4aas_services": services, "ipv4aas_platform": "linux"},
        "webserver": {"ipv4aas_services": services},
    }
