# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Infoblox NIOS by WAPI: DNS64 groups of a view, DHCPv6 options of a network."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ...plan.model import NodePlan
from ...problem import Refused
from ...techniques.service import PROVISIONER, RESOLVER, Service
from ..assembly import in_order
from ..driver import Change
from ..objects import Objects, change, read, write
from ..resolver import check_services
from . import dhcp, dns, objects


class Infoblox:
    """The driver. Ours are DNS64 groups and options named ipv4aas-..., and their entries in lists."""

    name = "infoblox"

    def context(self, node: NodePlan, dialect: str) -> dict[str, Any]:
        """The document. Raises Refused for what WAPI cannot be told."""
        resolving = tuple(service for service in node.services if service.role == RESOLVER)
        telling = tuple(service for service in node.services if service.role == PROVISIONER)
        check_services(replace(node, services=resolving))
        problems = [*dns.problems(node, resolving), *dhcp.problems(node, telling)]
        if problems:
            raise Refused(problems)
        made: Objects = {}
        for kind, body in (*dns.made(node, resolving), *dhcp.made(node, telling)):
            made[objects.path_of(kind, body)] = body
        return {"document": write(objects.owned(made))}

    def owned(self, text: str, dialect: str) -> str:
        """See platforms.driver.Driver."""
        return write(objects.owned(read(text)))

    def parse(self, text: str, dialect: str, wanted: tuple[Service, ...]) -> tuple[Service, ...]:
        """See platforms.driver.Driver."""
        found = objects.owned(read(text))
        made = (*dns.services(found, wanted), *dhcp.services(found, wanted))
        # Of a name that is there twice the last counts.
        return in_order({service.name: service for service in made}.values(), wanted)

    def change(self, running: str, wanted: str, dialect: str) -> Change:
        """See platforms.driver.Driver. Edits of platforms.objects."""
        return change(objects.owned(read(running)), objects.owned(read(wanted)), objects.ORDER)


DRIVER = Infoblox()
