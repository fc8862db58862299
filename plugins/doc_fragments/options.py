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
