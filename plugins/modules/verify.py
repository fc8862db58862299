# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the action of the same name, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: verify
short_description: Ask the running network, from a host behind an edge, whether the service works
version_added: 0.1.0
description:
  - Runs one check with real traffic from the current host, a Linux host behind an edge, and returns a
    verdict. What is right comes from the plan of that edge.
  - The program of the probe travels with the task and leaves nothing on the host. It needs Python 3.11 or
    newer and root.
  - Most checks need a responder on a host of the IPv4 internet, see the role P(ipv4aas.fleet.verify#role).
options:
  check:
    description: Name of the check.
    type: str
    required: true
    choices:
      - mtu
      - fragments
      - tcp_udp
      - drafts
      - dns64
      - icmp
      - web
      - p2p_mapping
      - p2p_peer
      - p2p_inbound
      - reach
      - seen
      - spoof
      - stream
  edge:
    description: The edge before the current host. Without it the variable C(ipv4aas_vantage_of).
    type: str
  service:
    description: The service that is asked. Without it the first one of the edge.
    type: str
  references:
    description: IPv4 addresses of the host that answers on the internet.
    type: list
    elements: str
    required: true
  token:
    description: What the responder wants to hear before it does anything.
    type: str
    required: true
  peer:
    description: For V(p2p_peer), the edge of the other customer.
    type: str
  resolver:
    description:
      - For V(dns64), the resolver of the plan that is asked. Its prefixes, exclusions and clients come from
        the plan, and what its platform is known to do otherwise than RFC 6147 from the platform's data.
    type: str
  more:
    description:
      - What else a check wants to know, such as C(seconds) for V(stream).
      - For V(dns64) C(address), where the resolver is asked; C(names) that it is asked for beside
        C(ipv4only.arpa); C(upstream), a name server without DNS64 that knows these names.
      - Without C(upstream), what the DNS says to AAAA is concluded from what the resolver tells, and an error
        or a TTL that it should not tell may go unseen.
    type: dict
    default: {}
extends_documentation_fragment:
  - ipv4aas.fleet.options.plan
attributes:
  check_mode:
    description: Does the same as without it, probes change nothing.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
author:
  - ipv4aas.fleet contributors (@ipv4aas)
"""

EXAMPLES = r"""
- name: Is the path MTU right in both directions
  ipv4aas.fleet.verify:
    check: mtu
    edge: ce42
    references: [198.51.100.80]
    token: "{{ verify_token }}"

- name: Does a resolver synthesise as RFC 6147 and the plan say
  ipv4aas.fleet.verify:
    check: dns64
    edge: ix
    resolver: dns1
    references: []
    token: "{{ verify_token }}"
    more:
      address: 2001:db8:53::53
      names: [www.example.com, v4only.example.com]
      upstream: 2001:db8:53::1
"""

RETURN = r"""
check:
  description: Name of the check.
  returned: when a verdict was reached
  type: str
  sample: mtu
verdict:
  description: V(pass), V(fail) or, where the technique has no such thing, V(n/a). V(fail) fails the task.
  returned: when a verdict was reached
  type: str
  sample: pass
cause:
  description: What is wrong, for people.
  returned: when a verdict was reached
  type: str
details:
  description: What was seen.
  returned: when a verdict was reached
  type: dict
"""
