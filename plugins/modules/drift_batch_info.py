# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action of the same name, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: drift_batch_info
short_description: Compare what many devices run with their plans, in one task
version_added: 0.4.0
description:
  - Does for many hosts what M(ipv4aas.fleet.drift_info) does for one, in threads, where there are many hosts
    of a process for each core. Ansible would start a process for each host, which costs more than the work.
  - Runs once for all hosts of the play, on the controller. Devices that are reached over NETCONF, SSH or
    HTTPS are looked at; other hosts are named in RV(elsewhere).
  - A device that cannot be read is a result of its own, and no failure of the task.
extends_documentation_fragment:
  - ipv4aas.fleet.options.plan
  - ipv4aas.fleet.options.dest
  - ipv4aas.fleet.options.device
  - ipv4aas.fleet.options.batch
attributes:
  check_mode:
    description: Does the same as without it.
    support: full
  diff_mode:
    description: Shows for each host the lines that M(ipv4aas.fleet.deploy) would change.
    support: full
seealso:
  - module: ipv4aas.fleet.drift_info
author:
  - ipv4aas.fleet contributors (@ipv4aas)
"""

EXAMPLES = r"""
- name: Look for drift
  ipv4aas.fleet.drift_batch_info:
    hosts: "{{ ansible_play_hosts_all }}"
    host_variables:
      timeout: drift_timeout
  run_once: true
  register: drift

- name: Look for drift of the hosts that Ansible itself is connected to
  ipv4aas.fleet.drift_info:
  register: own_drift
  when: inventory_hostname in drift.elsewhere
"""

RETURN = r"""
hosts:
  description: What M(ipv4aas.fleet.drift_info) would return, by host.
  returned: always
  type: dict
failed_hosts:
  description: Hosts that could not be read.
  returned: always
  type: list
  elements: str
elsewhere:
  description: Hosts that are reached over Ansible's own connection and were not looked at.
  returned: always
  type: list
  elements: str
"""
