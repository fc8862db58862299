# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a device is, who logs in, and by which host key it is known."""

from __future__ import annotations

import functools
import logging
from dataclasses import dataclass, field
from pathlib import Path

import paramiko  # type: ignore[import-untyped]

from .session import TransportError

# What the libraries log of a broken connection, they also raise; without a handler it would be printed.
for _library in ("paramiko", "ncclient", "netmiko"):
    logging.getLogger(_library).addHandler(logging.NullHandler())

# Preferred first; a device shows one of its keys, whichever type is asked for.
_KEY_TYPES = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A device to log in to over SSH or HTTPS. The passwords are no part of the repr and of no message."""

    host: str
    username: str
    port: int = 22
    password: str | None = field(default=None, repr=False)
    # Of a command line's privileged mode; "" where it asks for none, None where the mode is not entered.
    enable_password: str | None = field(default=None, repr=False)
    key_file: str | None = None  # private key; without it and a password: agent and ~/.ssh
    known_hosts: str | None = None  # default ~/.ssh/known_hosts
    verify_host_key: bool = True
    ca_file: str | None = None  # HTTPS: certificates of the authorities to trust; default those of the system
    verify_certificate: bool = True  # HTTPS
    timeout: float = 60.0  # seconds for the connection and for each answer

    @property
    def use_own_keys(self) -> bool:
        """Whether the agent and the keys in ~/.ssh are tried."""
        return self.password is None and self.key_file is None

    @property
    def known_hosts_file(self) -> Path:
        return Path(self.known_hosts or "~/.ssh/known_hosts").expanduser()

    @property
    def place(self) -> str:
        """Address and port, for people."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def host_key(self) -> paramiko.PKey:
        """The key by which the device is known. Raises TransportError where there is none."""
        keys = self.host_keys()
        for kind in _KEY_TYPES:
            if kind in keys:
                return keys[kind]
        raise TransportError(
            "connect",
            f"the host key of {self.known_as} is not in {self.known_hosts_file}; add it there after"
            " comparing it",
            "unchanged",
        )

    def host_keys(self) -> dict[str, paramiko.PKey]:
        """All that are known of the device, by their types."""
        known = known_keys(self.known_hosts_file)
        if known is None:
            return {}
        # ssh writes names in small letters.
        return dict(known.lookup(self.known_as) or known.lookup(self.known_as.lower()) or {})

    @property
    def known_as(self) -> str:
        """What a file of host keys calls it."""
        return self.host if self.port == 22 else f"[{self.host}]:{self.port}"

    def without_secrets(self, text: str) -> str:
        """The text with the passwords blanked out, should a library or a device have put them there."""
        for secret in filter(None, (self.password, self.enable_password)):
            text = text.replace(secret, "********")
        return text


def which_file(path: Path) -> tuple[int, ...]:
    """By which a file is known again: one that was written anew is another. Raises OSError."""
    there = path.stat()
    return there.st_ino, there.st_mtime_ns, there.st_size


def known_keys(path: Path) -> paramiko.HostKeys | None:
    """The host keys of a file, None where there is no such file.

    Read once for all devices: a thousand keys take paramiko a tenth of a second.
    """
    try:
        which = which_file(path)
    except OSError:
        return None
    return _read_keys(path, which)


# There may be a file for each device, and as many devices at a time as there are threads.
@functools.lru_cache(maxsize=64)
def _read_keys(path: Path, _which: tuple[int, ...]) -> paramiko.HostKeys:
    return paramiko.HostKeys(str(path))
