# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services from our objects. Raises ParseError with the line of what cannot be understood."""

from __future__ import annotations

from itertools import chain

from ...techniques.service import Service
from ..assembly import in_order
from ..objects import Objects
from . import bindings, domains, sessions
from .found import Found, Locate


def services(ours: Objects, locate: Locate, wanted: tuple[Service, ...]) -> tuple[Service, ...]:
    """In the order of ``wanted``, then those that nobody wants, by name."""
    found = Found(ours, locate)
    made = (part.services(found, wanted) for part in (sessions, domains, bindings))
    # Of a name that is there twice the last counts.
    return in_order({service.name: service for service in chain.from_iterable(made)}.values(), wanted)
