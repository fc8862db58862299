# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The daemons of Debian that the collection configures: where their file is, and how they are asked.

Sources: the man pages and units of Debian 12's packages, see docs/platforms.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from .daemon import Daemon

# Asks Kea over its control socket (Kea Administrator Reference Manual, "Management API"); $1 is the command.
_ASK_KEA = """python3 -c '
import json, socket, sys
channel = socket.socket(socket.AF_UNIX)
channel.settimeout(20)
channel.connect("/run/kea/kea6-ctrl-socket")
channel.sendall(json.dumps({"command": sys.argv[1]}).encode())
answer = json.load(channel.makefile())
sys.exit(answer["text"] if answer["result"] else 0)
'"""
_KEA_FILE, _KEA_MAIN = "/etc/kea/ipv4aas.json", "/etc/kea/kea-dhcp6.conf"

DAEMONS: Mapping[str, Daemon] = MappingProxyType(
    {
        daemon.name: daemon
        for daemon in (
            Daemon(
                name="unbound",
                file="/etc/unbound/unbound.conf.d/ipv4aas.conf",
                check="unbound-checkconf $1",
                check_all="unbound-checkconf",
                reload="unbound-control reload",
                alive="unbound-control status",
            ),
            Daemon(
                name="bind",
                file="/etc/bind/ipv4aas.conf",
                # It stands inside the block of options, see the role service_host.
                check='{ echo "options {"; cat $1; echo "};"; } > $1.whole && named-checkconf $1.whole',
                check_all="named-checkconf -z",
                reload="rndc reconfig",
                alive="rndc status",
            ),
            Daemon(
                name="kea",
                file=_KEA_FILE,
                check=f'sed "s|{_KEA_FILE}|$1|" {_KEA_MAIN} > $1.whole && kea-dhcp6 -t $1.whole',
                check_all=f"kea-dhcp6 -t {_KEA_MAIN}",
                reload=f"{_ASK_KEA} config-reload",
                alive=f"{_ASK_KEA} version-get",
            ),
            Daemon(
                name="radvd",
                file="/etc/radvd.conf",
                check="radvd --configtest --logmethod stderr_clean --config $1",
                check_all="radvd --configtest --logmethod stderr_clean",
                reload='kill -HUP "$(cat /run/radvd.pid)"',
                alive='kill -0 "$(cat /run/radvd.pid)"',
            ),
            Daemon(
                name="hb46pp",
                file="/var/lib/ipv4aas/hb46pp.json",
                check="python3 -m json.tool $1",
                check_all="true",
                reload="true",  # the server reads the file for each request
                alive="true",
            ),
        )
    }
)
