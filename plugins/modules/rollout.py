# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action of the same name, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: rollout
short_description: Open and close a run over many hosts
version_added: 0.3.0
description:
  - With O(state=free) only fails where another run holds the lock of the rollout.
  - With O(state=open) takes the lock of the rollout, says which hosts are to be changed and in which order,
    and writes the document of the run, C(journal/<run>.json) below O(dest).
  - With O(state=closed) writes into it what stands where, prints that as a table, and gives the lock up.
    It can be closed more than once.
  - The lock is C(rollout.lock) below O(dest). It is the run's as long as the process of C(ansible-playbook)
    lives; that of a dead one is taken over, and its run is marked as interrupted.
  - Runs once for all hosts.
options:
  state:
    description: What to do.
    type: str
    choices: [free, open, closed]
    default: open
  kind:
    description: Whether hosts go to their plan or back to before an earlier run.
    type: str
    choices: [deploy, rollback]
    default: deploy
  run:
    description:
      - Name of the run. Without it the time, with a number where that is taken.
      - Needed to close it.
    type: str
  of:
    description: The earlier run that is taken back, or that a deployment resumes.
    type: str
  through:
    description:
      - Whether later runs are taken back with O(of), on all hosts that they changed. Without it a later run
        that changed one of the same hosts is an error.
    type: bool
    default: false
  hosts:
    description: The hosts that may be changed, in the order of the inventory.
    type: list
    elements: str
    default: []
  canary:
    description: Those that go first.
    type: list
    elements: str
    default: []
  batches:
    description: How many hosts go at a time; for the document only.
    type: list
    elements: raw
    default: []
extends_documentation_fragment:
  - ipv4aas.fleet.options.plan
  - ipv4aas.fleet.options.dest
attributes:
  check_mode:
    description: Says which hosts are to be changed; takes no lock, asks for none, and writes nothing.
    support: full
  diff_mode:
    description: Shows nothing.
    support: none
author:
  - ipv4aas.fleet contributors (@ipv4aas)
"""

EXAMPLES = r"""
- name: Open the run
  ipv4aas.fleet.rollout:
    hosts: "{{ ansible_play_hosts_all }}"
  run_once: true
  register: rollout

- name: Say what stands where
  ipv4aas.fleet.rollout:
    state: closed
    run: "{{ rollout.run }}"
  run_once: true
"""

RETURN = r"""
run:
  description: Name of the run.
  returned: O(state=open)
  type: str
  sample: 20261123T084500Z
order:
  description: The hosts that are to be changed, the canary first.
  returned: O(state=open)
  type: list
  elements: str
canary:
  description: Those of them that go first.
  returned: O(state=open)
  type: list
  elements: str
  version_added: 0.4.0
rest:
  description: The others, in their order.
  returned: O(state=open)
  type: list
  elements: str
  version_added: 0.4.0
targets:
  description: Of a rollback, the run to before which each host goes back.
  returned: O(state=open)
  type: dict
  sample: {br1: 20261123T084500Z}
document:
  description: The document of the run.
  returned: O(state=open), not in check mode
  type: str
  sample: build/journal/20261123T084500Z.json
verdict:
  description: Of the run; done where all hosts stand as wanted.
  returned: O(state=closed)
  type: str
  sample: done
text:
  description: What stands where, as a table.
  returned: O(state=closed)
  type: str
"""
