# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action of the same name, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: trace_info
short_description: Who had an IPv4 address and port, what a customer has, what a captured packet says
version_added: 0.2.0
description:
  - Answers from the plan, by the arithmetic of mapping rules, planes and deterministic NAT, or by the binding
    table; where a gateway gives out ports as they are needed, from its session log and the time.
  - A captured packet is decoded into service, customer, rule, identifier format and port set, and given to
    the packet engine with the configuration that the plan has for the nodes it would come to.
  - Runs once for all hosts of the play, on the controller, and contacts no device.
options:
  ipv4:
    description: Whose is this IPv4 address? One of O(ipv4), O(customer) and O(capture) is needed.
    type: str
  port:
    description:
      - The port that goes with O(ipv4), or the identifier of an ICMP query. Needed for a shared address.
    type: int
  protocol:
    description: The transport that goes with O(port), where a session log tells them apart.
    type: str
    choices: [tcp, udp, icmp]
  time:
    description:
      - When it happened, in ISO 8601 with a time zone. Only session logs depend on it; the plan must be the
        one that was in force.
    type: str
  customer:
    description: What does this customer have? An IPv6 prefix or address.
    type: str
  capture:
    description:
      - What is this? An IPv6 address, a whole packet in hex, or a line of tcpdump such as
        C(2001:db8::1 > 2001:db8::2, IP 192.0.2.1.5000 > 198.51.100.1.80).
    type: str
  logs:
    description: Session logs of gateways, as files on the controller.
    type: list
    elements: path
    default: []
  key_file:
    description:
      - File on the controller with the key of a deterministic NAT whose algorithm is random, as it is on the
        gateways. It is read and never shown.
    type: path
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
- name: Whose was it?
  ipv4aas.fleet.trace_info:
    ipv4: 130.129.255.95
    port: 45089
  register: traced

- name: Whose was it, behind an AFTR
  ipv4aas.fleet.trace_info:
    ipv4: 198.51.100.1
    port: 1050
    protocol: tcp
    time: 2013-06-12T10:00:30+09:00
    logs: [aftr1.log, aftr2.log]

- name: What does the customer have?
  ipv4aas.fleet.trace_info:
    customer: 2001:3e8:6000:c0::/64

- name: What is this packet?
  ipv4aas.fleet.trace_info:
    capture: "2001:3e8:6000:c0:0:8281:ff5f:0 > 2001:3e8:0:2900::1, IP 130.129.255.95.45089 > 133.242.53.30.80"
"""

RETURN = r"""
holders:
  description: Who has the address and port, or what the customer has. Several where planes overlap.
  returned: with O(ipv4) or O(customer)
  type: list
  elements: dict
  sample:
    - service: hall7
      technique: map-e
      evidence: arithmetic of the mapping rule
      ipv4: 130.129.255.95/32
      ports: [[4096, 4159], [8192, 8255]]
      customer: "2001:3e8:6000:c0::/64"
      address: "2001:3e8:6000:c0:0:8281:ff5f:0"
      node: cec0
      psid: 0
      rule: 2001:3e8:6000::/56 130.129.255.92/30 EA 8 offset 4
      since: ""
      until: ""
packet:
  description: The headers of the captured packet.
  returned: with O(capture), where it is a packet
  type: dict
meanings:
  description: What its IPv6 addresses are to the services of the plan.
  returned: with O(capture)
  type: list
  elements: dict
verdicts:
  description:
    - What the nodes that it would come to do with it, as the packet engine runs their planned configuration.
      They know no session yet.
  returned: with O(capture), where it is a packet
  type: list
  elements: dict
  sample:
    - nodes: [br1, br2]
      service: hall7
      accepted: false
      reason: drop_spoofed_source
      meaning: inner source or port is not the sender's
      events: [drop_spoofed_source]
      sent: []
text:
  description: The same for people.
  returned: success
  type: str
"""
