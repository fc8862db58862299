# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action of the same name, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: render
short_description: Write the configuration of every planned node
version_added: 0.1.0
description:
  - Writes a configuration for each node of the plan and for each language of its platform, as
    C(nodes/<node>/<platform>.<dialect>.<extension>) below O(dest), and removes those that are not planned
    any more.
  - Each configuration is parsed back and has to say what the plan says; where it does not, the task fails and
    names the difference.
  - Nodes whose platform cannot do what is planned are reported with the reason and with the node that takes
    their place. Where none does, the task fails with all that is wrong.
  - Runs once for all hosts of the play, on the controller, and contacts no device.
options:
  compile:
    description:
      - Compiles the inventory, as M(ipv4aas.fleet.plan) does, in place of reading O(plan). So check mode
        can say what would be written where it left the plan as it was.
    type: bool
    default: false
    version_added: 0.4.0
extends_documentation_fragment:
  - ipv4aas.fleet.options.plan
  - ipv4aas.fleet.options.dest
attributes:
  check_mode:
    description: Says what would be written and writes nothing.
    support: full
  diff_mode:
    description: Shows how each configuration changes.
    support: full
author:
  - ipv4aas.fleet contributors (@ipv4aas)
"""

EXAMPLES = r"""
- name: Write all configurations and show what differs from the last time
  ipv4aas.fleet.render:
    plan: build/plan.json
    dest: build
  diff: true
  run_once: true
"""

RETURN = r"""
configurations:
  description: The files of each node.
  returned: success
  type: dict
  sample:
    br1: [build/nodes/br1/linux.json]
refused:
  description: Why a node has no configuration, and which node takes its place.
  returned: success
  type: dict
  sample:
    fx5k: {reason: no manual is public, seat_taken_by: br2}
"""
