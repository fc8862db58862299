# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action of the same name, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: platforms_info
short_description: Which platform can do which technique in which role, and how sure that is
version_added: 0.3.0
description:
  - Lists what the C(features.yml) of every platform says. Runs once for all hosts of the play, on the
    controller, and contacts no device.
options:
  techniques:
    description: Only these techniques. Without it all.
    type: list
    elements: str
    default: []
  roles:
    description: Only these roles. Without it all.
    type: list
    elements: str
    choices: [gateway, edge, resolver, provisioner, router, announcer]
    default: []
  platforms:
    description: Only these platforms. Without it all.
    type: list
    elements: str
    default: []
  possible:
    description: Leaves out what a platform is known not to do.
    type: bool
    default: false
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
- name: Who can be a border relay of MAP-E?
  ipv4aas.fleet.platforms_info:
    techniques: [map-e]
    roles: [gateway]
    possible: true
  run_once: true
  register: found

- name: Show it
  ansible.builtin.debug:
    msg: "{{ found.text.splitlines() }}"
  run_once: true
"""

RETURN = r"""
rows:
  description: One for each technique, role and platform.
  returned: success
  type: list
  elements: dict
  contains:
    technique:
      description: As the inventory writes it.
      type: str
    role:
      description: Gateway, edge, resolver, provisioner, router or announcer.
      type: str
    platform:
      description: As the inventory writes it.
      type: str
    title:
      description: The platform's name.
      type: str
    state:
      description: C(yes) or C(no).
      type: str
    reason:
      description: Why not, where it is C(no).
      type: str
    confidence:
      description: Where the syntax comes from; see docs/platforms.md.
      type: str
    source:
      description: The document that the syntax follows.
      type: str
    dialects:
      description: The languages in which it can be configured.
      type: list
      elements: str
    caveats:
      description: What to know before it is used.
      type: list
      elements: str
    not_carried:
      description: What its configuration has no words for, so that it is neither set nor checked.
      type: list
      elements: str
text:
  description: The same for people, a table with the caveats below it.
  returned: success
  type: str
"""
