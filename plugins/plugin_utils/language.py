# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the languages of the platforms are, and how files in them are called."""

from __future__ import annotations

from pathlib import Path

TEMPLATES = Path(__file__).resolve().parents[2] / "templates"
# By the transport of the dialect; a file on a host has the name of its dialect.
_EXTENSIONS = {"netconf": "xml", "ssh": "conf", "https": "json", "local": "json"}


def file_name(platform: str, dialect: str, transport: str) -> str:
    """Such as asr9000.cli.conf, linux.json or unbound.conf."""
    return ".".join(dict.fromkeys((platform, dialect, _EXTENSIONS.get(transport, dialect))))
