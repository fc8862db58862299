# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that several actions have."""

from __future__ import annotations


class ModuleDocFragment:
    """Options that several actions have."""

    PLAN = r"""
options:
  plan:
    description:
      - The plan that M(ipv4aas.fleet.plan) wrote, from the folder in which Ansible was started.
    type: path
    default: build/plan.json
"""

    DEST = r"""
options:
  dest:
    description:
      - Folder for what is written on the controller, from the folder in which Ansible was started.
    type: path
    default: build
"""

    DEVICE = r"""
options:
  timeout:
    description:
      - Seconds to wait for the connection and for each answer of a device that is reached over NETCONF,
        SSH or HTTPS.
      - Linux hosts are reached over Ansible's own connection, with the settings that this has.
    type: int
    default: 60
  known_hosts:
    description:
      - File with the host keys of devices that are reached over NETCONF or SSH. Without it
        C(~/.ssh/known_hosts).
      - Keys are checked unless C(ansible_host_key_checking) or the configuration of Ansible says otherwise.
    type: path
notes:
  - Address, port, user, password and key come from the variables C(ansible_host), C(ansible_port),
    C(ansible_user), C(ansible_password) and C(ansible_ssh_private_key_file).
  - Over HTTPS the certificate is checked unless C(ansible_httpapi_validate_certs) is off, by the authorities
    of the system or of the file C(ansible_httpapi_ca_path).
"""

    DEPLOY = r"""
options:
  confirm_within:
    description: Seconds after which the device takes an unconfirmed change back.
    type: int
    default: 120
  allow_weaker:
    description:
      - Also change a device that has no confirmed commit. A fault after the change can then leave it changed.
    type: bool
    default: false
  post_check:
    description:
      - Command, as a list, that is run on the controller once the change is active. Where it ends with
        another status than 0 the change is taken back.
      - It finds the name of the host in the environment variable E(IPV4AAS_HOST), and has the time of
        O(confirm_within).
    type: list
    elements: str
  probes:
    description:
      - Checks of M(ipv4aas.fleet.verify) that have to succeed once the change is active, from every host of
        the group C(ipv4aas_vantages) whose C(ipv4aas_vantage_of) is an edge with a service of this host, as
        soon as that edge and (for a host that is no gateway) the gateways stand as planned by the journal.
      - Where there is no such host, what the device itself says that it runs decides. Where there is one and
        it cannot be asked, the change is taken back.
      - Runs the playbook C(ipv4aas.fleet.verify) with the inventory, variables and vault files of this run.
    type: list
    elements: str
    choices: [mtu, fragments, tcp_udp, icmp, web, dns64, p2p_inbound]
    default: []
    version_added: 0.3.0
  run:
    description:
      - Name of the run in the journal, the same for all hosts of a run. Without it the time of the task.
    type: str
  to:
    description:
      - Name of an earlier run. What that run changed is put back as it was before, in place of what the
        plan says.
      - Hosts that the run did not change are skipped.
    type: str
"""

    BATCH = r"""
options:
  hosts:
    description:
      - The hosts, in the order in which they are begun. Those that are reached over Ansible's own connection,
        such as Linux hosts, are left out and named in RV(elsewhere); they need a task for each host.
    type: list
    elements: str
    required: true
  host_variables:
    description:
      - Options that each host may have its own value of, and the variable of the host that has it. Where a
        host has none, or an empty string, the value of this task counts, or the default where that is
        another host's own.
    type: dict
    default: {}
  threads:
    description:
      - How many hosts are worked on at the same time. Without it the forks of Ansible.
    type: int
"""
