# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action of the same name, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: plan
short_description: Compile the whole inventory into a fleet plan
version_added: 0.1.0
description:
  - Reads C(ipv4aas_*) variables of every host of the inventory, whatever the limit of the run, and computes
    what each node has to run, with addresses, port sets, rules, MTU and MSS.
  - Everything that is wrong is reported at once, one line each, with the place in the inventory, what is
    wrong and what would be right. Nothing is written then.
  - Runs once for all hosts of the play, on the controller, and contacts no device.
options:
  compare:
    description:
      - Plans every service again with each technique, only the word changed, and prints a table of what it
        would be, or what the inventory lacks for it.
    type: bool
    default: false
extends_documentation_fragment:
  - ipv4aas.fleet.options.dest
attributes:
  check_mode:
    description: Says what would be written and writes nothing.
    support: full
  diff_mode:
    description: Shows how the plan file changes.
    support: full
author:
  - ipv4aas.fleet contributors (@ipv4aas)
"""

EXAMPLES = r"""
- name: Compile the inventory
  ipv4aas.fleet.plan:
    dest: build
  run_once: true
  register: fleet

- name: Print what each technique would be for the services of the inventory
  ipv4aas.fleet.plan:
    compare: true
  run_once: true

- name: Show how many ports a customer has
  ansible.builtin.debug:
    msg: "{{ fleet.services.hall7.ports_per_customer }}"
"""

RETURN = r"""
path:
  description: The plan file.
  returned: success
  type: str
  sample: build/plan.json
services:
  description: Figures of each service, by its name.
  returned: success
  type: dict
  sample:
    hall7:
      technique: map-e
      customers: 256
      ports_per_customer: 960
      ipv4_mtu: 1460
nodes:
  description:
    - For each node that is planned, whether a configuration is deployed to it and why not.
  returned: success
  type: dict
  sample:
    br1: {platform: linux, deploy: true, reason: ""}
    asr9k: {platform: asr9000, deploy: false, reason: br1 takes its place}
findings:
  description: What the rules of good practice say of the inventory.
  returned: success
  type: list
  elements: dict
  sample:
    - place: ipv4aas_services.hall7.ipv4_pools
      rule: MAP016
      severity: info
      wrong: 130.129.255.92/30 is longer than /24
      right: announce a covering prefix
      source: operational practice
comparison:
  description: For each service every technique, with what the inventory lacks for it and its figures.
  returned: when I(compare) is true
  type: list
  elements: dict
  sample:
    - service: hall7
      technique: map-e
      columns:
        - technique: ds-lite
          title: DS-Lite
          needs: []
          cells: {where NAT runs: carrier side, ports per customer: "960"}
comparison_text:
  description: The same as tables in Markdown.
  returned: when I(compare) is true
  type: str
  sample: Service hall7 ...
"""
