# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action of the same name, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: drift_info
short_description: Compare what a device runs with its plan, in meaning
version_added: 0.1.0
description:
  - Reads the configuration of the device, parses it, and compares it with the plan. Tells which parameter
    differs, how many customers it concerns, and a packet that would now be treated in another way.
  - Reads only; never changes anything.
  - A host that the plan does not have, but that has C(ipv4aas_platform) or is in the journal below O(dest),
    is read too. Where it carries a service, that is drift of the kind C(no intent).
  - Hosts whose place another node takes, and those with C(ipv4aas_deploy) false, are skipped with the reason.
options:
  fail_on_drift:
    description: Fail where the device differs from the plan.
    type: bool
    default: false
extends_documentation_fragment:
  - ipv4aas.fleet.options.plan
  - ipv4aas.fleet.options.dest
  - ipv4aas.fleet.options.device
attributes:
  check_mode:
    description: Does the same as without it.
    support: full
  diff_mode:
    description: Shows the lines that M(ipv4aas.fleet.deploy) would change.
    support: full
author:
  - ipv4aas.fleet contributors (@ipv4aas)
"""

EXAMPLES = r"""
- name: Look for drift
  ipv4aas.fleet.drift_info:
    plan: build/plan.json
  register: drift
"""

RETURN = r"""
drift:
  description: Whether the device differs from the plan.
  returned: success
  type: bool
services:
  description: What differs, by service.
  returned: success
  type: list
  elements: dict
  sample:
    - service: hall7
      kind: changed
      differences:
        - path: rules[0].psid_offset
          planned: "4"
          found: "6"
          meaning: 256 customers would use 1,008 other ports in place of 960
      customers: 256
      examples: ["2001:3e8:6000::/64"]
      packet: {packet: "UDP from ...", planned: forwarded, found: dropped}
not_checked:
  description: What the platform has no words for, so that nothing can be said of it.
  returned: success
  type: list
  elements: str
  sample: [mss_clamp]
text:
  description: The same for people, one finding a line.
  returned: success
  type: str
skipped_reason:
  description: Why this host is not looked at.
  returned: skipped
  type: str
"""
