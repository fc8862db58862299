# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that each host of a task for many may have a value of its own of, and the variables of a host."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from .action import Failed


class OwnOptions:
    """The options of each host: where the host has a variable for one, the value of that.

    ``options`` are as Ansible sees them for the host of the task, whose variables are ``current``; those of
    ``given`` stand in the task. What is that host's own is not the others': they have the default of the
    option. Where a task gives another value than its own, something gave it that counts before a host's
    variables, and it is everybody's.
    """

    def __init__(
        self,
        spec: Mapping[str, Mapping[str, Any]],
        options: Mapping[str, Any],
        given: Collection[str],
        current: Callable[[str], Any],
    ) -> None:
        self._variables = dict(options["host_variables"])
        unknown = sorted(self._variables.keys() - spec.keys())
        if unknown:
            raise Failed(f"host_variables: {', '.join(unknown)} is no option")
        self._validator = ArgumentSpecValidator(
            {name: {**spec[name], "default": None} for name in self._variables}
        )
        self._common = dict(options)
        for option, value in self._own(current).items():
            if option in given and value == options[option]:
                self._common[option] = spec[option].get("default")
            elif option in given:
                del self._variables[option]

    def of(self, variable: Callable[[str], Any]) -> dict[str, Any]:
        """Of the host whose variables these are. Raises Failed for a value that is none of the option."""
        return {**self._common, **self._own(variable)}

    def _own(self, variable: Callable[[str], Any]) -> dict[str, Any]:
        values = {option: variable(name) for option, name in self._variables.items()}
        given = {option: value for option, value in values.items() if value not in (None, "")}
        if not given:
            return {}
        checked = self._validator.validate(given)
        if checked.error_messages:
            names = ", ".join(self._variables[option] for option in given)
            raise Failed(f"{names}: {'; '.join(checked.error_messages)}")
        return {option: checked.validated_parameters[option] for option in given}


def looked_up(host: str, variables: Mapping[str, Any], names: Iterable[str]) -> Callable[..., Any]:
    """As FleetAction.variable, of values that are looked up now; an error is raised when somebody asks."""
    values: dict[str, Any] = {"inventory_hostname": host}
    for name in names:
        if name in variables:
            try:
                values[name] = variables[name]
            except AnsibleError as error:
                values[name] = Failed(f"{name}: {error}")

    def variable(*names: str) -> Any:
        for name in names:
            value = values.get(name)
            if isinstance(value, Failed):
                raise value
            if value is not None:
                return value
        return None

    return variable
