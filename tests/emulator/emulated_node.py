# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands for a host with the software node: its command line and its own store, without a network.

Real is the engine's Store: proposals, trials, locks, the file. Time passes when the test says so.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from ansible_collections.ipv4aas.fleet.engine.codec import encode
from ansible_collections.ipv4aas.fleet.engine.node.store import Store, StoreError


class SoftwareNode:
    """One host. ``run`` is what transport.local.LocalSession wants."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.folder, self.now = folder, 0.0
        self.store = Store(folder)
        self.session = 0  # those with a lower number have lost their connection

    def connect(self) -> Any:
        """Runs commands until the connection is cut."""
        mine = self.session

        def run(argv: list[str], stdin: str) -> tuple[int, str, str]:
            if self.session != mine:
                raise ConnectionError("the connection is gone")
            words = argparse.ArgumentParser()
            words.add_argument("verb")
            words.add_argument("--owner")
            words.add_argument("--within", type=float)
            words.add_argument("--wait", type=float)
            try:
                return 0, json.dumps(self._do(words.parse_args(argv[1:]), stdin)), ""
            except (StoreError, ValueError) as error:
                return 1, "", json.dumps({"error": str(error)})

        return run

    def _do(self, words: argparse.Namespace, stdin: str) -> Any:
        store = self.store
        if words.verb == "read":
            return encode(store.running)
        if words.verb == "begin":
            self._begin(words.owner, words.wait)
        elif words.verb == "propose":
            return {"diff": store.propose(words.owner, json.loads(stdin), self.now)}
        elif words.verb == "apply":
            store.accept(words.owner, words.within, self.now)
        elif words.verb == "confirm":
            store.confirm(words.owner, self.now)
        elif words.verb == "revert":
            store.revert(words.owner, self.now)
        return store.view(self.now)

    def _begin(self, owner: str, wait: float) -> None:
        """Waits for another's lock, as the command does."""
        patience = self.now + wait
        while True:
            try:
                return self.store.begin(owner, self.now)
            except StoreError:
                if self.now >= patience:
                    raise
            self.now += 1
            self.store.tick(self.now)

    @property
    def waiting(self) -> bool:
        return self.store.trial is not None

    def text(self) -> str:
        return json.dumps(encode(self.store.running))

    def elapse(self) -> None:
        """The time of a trial passes."""
        self.now += 3600
        self.store.tick(self.now)

    def drop_sessions(self) -> None:
        self.session += 1

    def restart(self) -> None:
        self.drop_sessions()
        self.store = Store(self.folder)
