# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A session in which something happens at a given moment, and a controller that dies at one."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible_collections.ipv4aas.fleet.engine.plan.model import NodePlan
from ansible_collections.ipv4aas.fleet.engine.platforms import registry
from ansible_collections.ipv4aas.fleet.engine.transport.connect import session_for
from ansible_collections.ipv4aas.fleet.engine.transport.deploy import Outcome, deploy
from ansible_collections.ipv4aas.fleet.engine.transport.target import Target
from nodes import rendered

# Every moment at which a device, a connection or the controller may die.
MOMENTS = (
    "before begin",
    "after begin",
    "after propose",
    "after apply",
    "before confirm",
    "after confirm",
)
_VERBS = ("begin", "propose", "apply", "confirm", "revert", "read")


class Interrupted:
    """A session that does ``fault`` once, at a moment such as "after apply"."""

    def __init__(self, session: Any, moment: str, fault: Callable[[], None]) -> None:
        self.session, self.moment, self.fault, self.done = session, moment, fault, False

    def __enter__(self) -> Interrupted:
        self.session.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self.session.__exit__(*error)

    def __getattr__(self, name: str) -> Any:
        verb = getattr(self.session, name)
        if name not in _VERBS:
            return verb

        def interrupted(*arguments: Any) -> Any:
            self._at(f"before {name}")
            result = verb(*arguments)
            self._at(f"after {name}")
            return result

        return interrupted

    def _at(self, moment: str) -> None:
        if moment == self.moment and not self.done:
            self.done = True
            self.fault()


def roll_out(
    plan: NodePlan,
    target: Target,
    *,
    confirm_within: int,
    moment: str = "",
    fault: Callable[[], None] = lambda: None,
    **options: Any,
) -> Outcome:
    """Deploys a plan to a device, with a fault at a moment."""
    session = session_for(plan.platform, plan.dialect, target)
    with Interrupted(session, moment, fault) as open_session:
        return deploy(
            open_session,
            registry.driver(plan.platform),
            plan,
            rendered(plan),
            plan.dialect,
            confirm_within=confirm_within,
            **options,
        )


def roll_out_and_die(
    plan: NodePlan, target: Target, *, confirm_within: int, moment: str, folder: Path
) -> None:
    """The same in a controller of its own that gets SIGKILL at the moment."""
    order = folder / "order"
    order.write_bytes(pickle.dumps((plan, target, confirm_within, moment)))
    here = Path(__file__).resolve()
    path = os.pathsep.join([str(here.parent), *(entry for entry in sys.path if entry)])
    result = subprocess.run(
        [sys.executable, str(here), str(order)],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
    )
    assert result.returncode == -signal.SIGKILL, result.stderr


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    the_plan, the_target, the_time, the_moment = pickle.loads(Path(sys.argv[1]).read_bytes())
    roll_out(the_plan, the_target, confirm_within=the_time, moment=the_moment, fault=_die)
