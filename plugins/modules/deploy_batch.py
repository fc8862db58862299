# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action of the same name, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: deploy_batch
short_description: Bring many devices to their planned configurations, in one task
version_added: 0.4.0
description:
  - Does for many hosts what M(ipv4aas.fleet.deploy) does for one, in threads, where there are many hosts of
    a process for each core. Ansible would start a process for each host, which costs more than the work.
  - Runs once for all hosts of the play, on the controller. Devices that are reached over NETCONF, SSH or
    HTTPS are changed; other hosts are named in RV(elsewhere), and nothing is done to them.
  - Each host is a line of the output as soon as it is through, and has its own record in the journal. The
    task fails where one of them fails, after all that had begun have ended.
options:
  targets:
    description:
      - By host the earlier run whose changes are put back, as O(to) for this host.
    type: dict
    default: {}
extends_documentation_fragment:
  - ipv4aas.fleet.options.deploy
  - ipv4aas.fleet.options.plan
  - ipv4aas.fleet.options.dest
  - ipv4aas.fleet.options.device
  - ipv4aas.fleet.options.batch
attributes:
  check_mode:
    description: Each device validates the change, where it can, and forgets it. No journal is written.
    support: full
  diff_mode:
    description: Shows for each host what changes of the configuration that the services own.
    support: full
seealso:
  - module: ipv4aas.fleet.deploy
author:
  - ipv4aas.fleet contributors (@ipv4aas)
"""

EXAMPLES = r"""
- name: Bring the devices of the batch to their plan
  ipv4aas.fleet.deploy_batch:
    hosts: "{{ ansible_play_batch }}"
    host_variables:
      timeout: deploy_timeout
  run_once: true
  register: batch

- name: Bring the hosts that Ansible itself is connected to to their plan
  ipv4aas.fleet.deploy:
  when: inventory_hostname in batch.elsewhere
"""

RETURN = r"""
hosts:
  description: What M(ipv4aas.fleet.deploy) would return, by host.
  returned: always
  type: dict
failed_hosts:
  description: Hosts that failed.
  returned: always
  type: list
  elements: str
elsewhere:
  description: Hosts that are reached over Ansible's own connection and were not changed.
  returned: always
  type: list
  elements: str
"""
