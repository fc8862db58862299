# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action of the same name, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: verify_judge
short_description: Judge what a probe saw together with what the gateways counted meanwhile
version_added: 0.1.0
description:
  - Some checks cannot be judged from behind an edge alone, but whether traffic crossed a gateway, why a
    packet was dropped and which interface identifiers arrived is counted by the software gateways.
  - Takes the result of M(ipv4aas.fleet.verify) and the output of C(ipv4aas-node status) of every gateway
    before and after it. Contacts no device.
options:
  check:
    description:
      - V(p2p) wants the result of the check C(p2p_peer). With a mesh the gateways may not count anything,
        without one they have to turn the packets round.
      - V(drafts) wants the result of the check C(drafts). An edge that computes its addresses in another
        way than the gateways is named as the cause - by another draft, in another prefix or plane - and so
        is a resolver with another prefix.
      - V(spoof) wants the result of the check C(spoof), and in O(seen) the one of the check C(seen). Every
        forged packet has to be counted under its reason, and none may arrive.
    type: str
    required: true
    choices: [p2p, drafts, spoof]
  probe:
    description: Result of M(ipv4aas.fleet.verify).
    type: dict
    required: true
  seen:
    description: For V(spoof), the result of the check C(seen).
    type: dict
  before:
    description:
      - Results of a loop over gateways that ran C(ipv4aas-node status) before the probe, with the gateway's
        name as C(item) and the output as C(stdout).
    type: list
    elements: dict
    required: true
  after:
    description: The same, after the probe.
    type: list
    elements: dict
    required: true
  running:
    description: For V(drafts), what C(ipv4aas-node read) prints on the edge, where that is software.
    type: dict
    default: {}
  edge:
    description: The edge before the current host. Without it the variable C(ipv4aas_vantage_of).
    type: str
  service:
    description: The service that is asked. Without it the first one of the edge.
    type: str
extends_documentation_fragment:
  - ipv4aas.fleet.options.plan
attributes:
  check_mode:
    description: Does the same as without it.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
author:
  - ipv4aas.fleet contributors (@ipv4aas)
"""

EXAMPLES = r"""
- name: Did the packets of two customers cross a gateway
  ipv4aas.fleet.verify_judge:
    check: p2p
    probe: "{{ peer_result }}"
    before: "{{ status_before.results }}"
    after: "{{ status_after.results }}"
"""

RETURN = r"""
check:
  description: Name of the check.
  returned: always
  type: str
  sample: p2p
verdict:
  description: V(pass), V(fail) or V(n/a). With V(fail) the task fails.
  returned: always
  type: str
  sample: pass
cause:
  description: What is wrong, for people.
  returned: always
  type: str
details:
  description: What was seen and counted.
  returned: always
  type: dict
seconds:
  description: How long the probe took.
  returned: always
  type: float
"""
