# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the SA46T techniques make of a service: the table of its plane, and the two sides of a PT."""

from __future__ import annotations

from ..mapping.plane import Plane, PlaneError, PlaneRoute, PlaneTable
from . import TECHNIQUES
from .service import Service


def plane_of(service: Service) -> Plane:
    """The own plane; of a PT that of the FP domain. Raises PlaneError where there is none."""
    if service.plane is None:
        raise PlaneError(f"service {service.name} has no plane")
    return service.plane


def plane_table(service: Service) -> PlaneTable:
    """Where the IPv4 addresses of the plane are. A PR knows only its entries (m46e-pr section 3.3).

    Raises PlaneError.
    """
    plane = plane_of(service)
    resolved = TECHNIQUES[service.technique].mapping == "plane-table"
    return PlaneTable(plane.plane_id, service.plane_routes, None if resolved else plane)


def resolved_side(service: Service) -> Plane:
    """What a PT is in the PR domain: its End-user prefix there, the same plane ID.

    The tables of the PR domain have it as the prefix of the networks of the FP domain. Raises PlaneError.
    """
    plane = plane_of(service)
    if service.end_user_prefix is None:
        raise PlaneError(f"service {service.name} has no prefix of its own in the PR domain")
    if service.end_user_prefix.overlaps(plane.prefix):
        raise PlaneError(f"service {service.name}: {service.end_user_prefix} is in both domains")
    return Plane(service.end_user_prefix, plane.plane_id)


def resolved_routes(service: Service) -> tuple[PlaneRoute, ...]:
    """Entries of a PT for the PR domain; those for its own prefix are about the FP domain."""
    own = resolved_side(service).prefix
    return tuple(route for route in service.plane_routes if route.prefix != own)
