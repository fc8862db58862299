# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every action of the collection shares: its options from its documentation, errors as one message."""

from __future__ import annotations

import gc
from collections.abc import Mapping
from typing import Any, ClassVar

from ansible.module_utils.common.yaml import yaml_load
from ansible.plugins.action import ActionBase
from ansible_collections.ipv4aas.fleet import engine
from ansible_collections.ipv4aas.fleet.engine.codec import CodecError
from ansible_collections.ipv4aas.fleet.engine.platforms.driver import ParseError
from ansible_collections.ipv4aas.fleet.engine.problem import Refused

from .loading import keep_byte_code

_WORDS = ("type", "elements", "required", "default", "choices")


def argument_spec(*documents: str) -> dict[str, dict[str, Any]]:
    """Ansible's argument spec of the options that documentation texts describe."""
    return {
        name: {word: option[word] for word in _WORDS if word in option}
        for document in documents
        for name, option in yaml_load(document).get("options", {}).items()
    }


class Failed(Exception):
    """The task failed; ``result`` goes beside the message."""

    def __init__(self, message: str, **result: Any) -> None:
        self.result = result
        super().__init__(message)


class Skipped(Exception):
    """There is nothing to do for this host; says why."""


class FleetAction(ActionBase):
    """An action whose options are those of its documentation; a subclass says what is done."""

    DOCUMENTS: ClassVar[tuple[str, ...]] = ()

    def work(self, options: dict[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
        """The task's result. Raises Skipped, Failed, Refused, CodecError, ParseError or OSError."""
        raise NotImplementedError

    def variable(self, *names: str) -> Any:
        """The value of the first of these variables that the current host has, None where it has none."""
        for name in names:
            value = self._templar.template(self._variables.get(name))
            if value is not None:
                return value
        return None

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Ansible's entry."""
        # What the worker was forked with is neither looked at nor copied by each collection of garbage.
        gc.freeze()
        keep_byte_code(engine)
        result = super().run(tmp, task_vars)
        _validation, options = self.validate_argument_spec(argument_spec(*self.DOCUMENTS))
        self._variables = task_vars or {}
        try:
            return result | self.work(options, self._variables)
        except Skipped as error:
            return result | {"skipped": True, "skipped_reason": str(error), "msg": str(error)}
        except Failed as error:
            return result | error.result | {"failed": True, "msg": str(error)}
        except (Refused, CodecError, ParseError, OSError) as error:
            return result | {"failed": True, "msg": str(error)}
