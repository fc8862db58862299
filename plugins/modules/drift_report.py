# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action of the same name, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: drift_report
short_description: One report of the drift of the fleet, grouped by cause
version_added: 0.1.0
description:
  - Takes what M(ipv4aas.fleet.drift_info) returned for each host and writes C(drift.json) and C(drift.txt)
    below O(dest), grouped by cause, so that one mistake on a thousand devices is one line.
  - A device that a run of the journal below O(dest) left a service on, and that the inventory has no more,
    counts as one that could not be read.
  - Runs once for all hosts of the play, on the controller, and contacts no device.
options:
  reports:
    description: What M(ipv4aas.fleet.drift_info) returned, by host.
    type: dict
    required: true
  fail_on_drift:
    description: Fail where a device differs from the plan or could not be read.
    type: bool
    default: false
extends_documentation_fragment:
  - ipv4aas.fleet.options.dest
attributes:
  check_mode:
    description: Says what would be written and writes nothing.
    support: full
  diff_mode:
    description: Shows how the report changes.
    support: full
author:
  - ipv4aas.fleet contributors (@ipv4aas)
"""

EXAMPLES = r"""
- name: Look for drift
  ipv4aas.fleet.drift_info:
  register: drift
  failed_when: false

- name: Report it
  ipv4aas.fleet.drift_report:
    reports: "{{ dict(asked | zip(asked | map('extract', hostvars, 'drift'))) }}"
    fail_on_drift: true
  run_once: true
  vars:
    asked: "{{ ansible_play_hosts_all }}"
"""

RETURN = r"""
verdict:
  description: same; drift where a device differs; unread where none does and some could not be read.
  returned: always
  type: str
  sample: drift
same:
  description: Hosts that run what is planned.
  returned: always
  type: list
  elements: str
causes:
  description: Each way to differ from the plan, with its hosts. The one with most hosts comes first.
  returned: always
  type: list
  elements: dict
  sample:
    - kind: changed
      service: hall7
      path: rules[0].psid_offset
      found: "6"
      planned: "4"
      meaning: 256 customers would use 1,008 other ports in place of 960
      hosts: [br1]
unread:
  description: Each reason why a device could not be read, with its hosts.
  returned: always
  type: list
  elements: dict
skipped:
  description: Each reason why a host was not looked at, with its hosts.
  returned: always
  type: list
  elements: dict
text:
  description: The same for people.
  returned: always
  type: str
  sample: 5 of 5 devices run what is planned
"""
