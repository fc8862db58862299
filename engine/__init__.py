# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The library behind ipv4aas.fleet: no Ansible inside, importable by itself."""

from .loading import keep_byte_code

keep_byte_code(__name__, __spec__.loader)

VERSION = "0.3.0"
