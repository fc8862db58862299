# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action of the same name, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: deploy
short_description: Bring a device to its planned configuration
version_added: 0.1.0
description:
  - In one task for each host, reads the device, computes the smallest change, applies it under a confirmed
    commit, reads it back, compares it in meaning with the plan, and confirms. Where anything goes wrong the
    change is taken back, or the device takes it back by itself.
  - Touches only what the service owns. A second run changes nothing.
  - Hosts whose place another node takes, that the plan does not have, or that have C(ipv4aas_deploy) false,
    are skipped with the reason.
  - Each host leaves a record C(journal/<run>/<host>.json) below O(dest), with what the services owned of its
    configuration before and after. It is written before the device is touched and again before a change is
    applied, so that it is true also where the controller dies.
  - In a run that M(ipv4aas.fleet.rollout) has opened, a host that fails keeps the others from beginning and
    from confirming. While another run holds the lock of the rollout, this fails.
extends_documentation_fragment:
  - ipv4aas.fleet.options.deploy
  - ipv4aas.fleet.options.plan
  - ipv4aas.fleet.options.dest
  - ipv4aas.fleet.options.device
attributes:
  check_mode:
    description: The device validates the change, where it can, and forgets it. No journal is written.
    support: full
  diff_mode:
    description: Shows what changes of the configuration that the services own.
    support: full
author:
  - ipv4aas.fleet contributors (@ipv4aas)
"""

EXAMPLES = r"""
- name: Bring every device to its plan
  ipv4aas.fleet.deploy:
    plan: build/plan.json
    confirm_within: 60

- name: Put back what a run changed
  ipv4aas.fleet.deploy:
    to: 20261123T084500Z
"""

RETURN = r"""
steps:
  description: The steps that were taken.
  returned: when a device was contacted
  type: list
  elements: str
  sample: [begin, read, change, propose, apply, read back, confirm, read after confirm]
verdict:
  description: changed or unchanged; failed where it failed.
  returned: when not skipped
  type: str
  sample: changed
left:
  description: How the device was left, in words.
  returned: when a device was contacted
  type: str
  sample: changed and confirmed
step:
  description: The step that failed.
  returned: failure
  type: str
  sample: propose
device_diff:
  description: What the device itself says of the proposal.
  returned: success
  type: str
journal:
  description: The record of this host.
  returned: when a device was contacted, not in check mode
  type: str
  sample: build/journal/20261123T084500Z/br1.json
skipped_reason:
  description: Why nothing is deployed to this host.
  returned: skipped
  type: str
  sample: br1 takes its place
"""
