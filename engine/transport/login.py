# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way to a device up to the login; where it ends before, which variable of the host to look at."""

from __future__ import annotations

import functools
import socket
from collections.abc import Iterator
from pathlib import Path

import paramiko  # type: ignore[import-untyped]
from ncclient.transport.errors import (  # type: ignore[import-untyped]
    AuthenticationError,
    SSHUnknownHostError,
)
from netmiko.exceptions import NetmikoAuthenticationException

from .progress import UNCHANGED
from .reach import WHERE, unreachable
from .session import TransportError
from .target import Target, which_file

_CREDENTIALS = "ansible_user, ansible_password and ansible_ssh_private_key_file of the host"
_OTHER_KEY = (paramiko.BadHostKeyException, SSHUnknownHostError)
_NOT_LET_IN = (paramiko.AuthenticationException, AuthenticationError, NetmikoAuthenticationException)
# What the libraries say in words only -> what it means and what to look at.
_WORDS = {
    "no authentication methods": f"is offered neither a password nor a key; set {_CREDENTIALS}",
    "no acceptable host key": "shows a host key of another type than the one that is known; add that one to"
    " {known} after comparing it",
    "protocol banner": f"does not speak SSH; look at {WHERE}",
    "subsystem": "lets {user} in, but has no NETCONF there; switch it on in the device, or look at"
    " ansible_port of the host",
    "enter enable mode": "does not let {user} into the privileged mode; look at ansible_become_password of"
    " the host",
}


def dial(target: Target) -> socket.socket:
    """A TCP connection whose far end has begun to speak, as SSH servers do. Raises TransportError."""
    place = target.place
    try:
        line = socket.create_connection((target.host, target.port), timeout=target.timeout)
    except (OSError, UnicodeError) as error:
        raise _stop(unreachable(error, target)) from error
    # SSH writes little at a time: each piece would wait for what acknowledges the last one (RFC 896).
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        begun = line.recv(1, socket.MSG_PEEK)
    except TimeoutError as error:
        line.close()
        wrong = f"{place} takes the connection and says nothing for {target.timeout:g} s"
        raise _stop(f"{wrong}; look at ansible_port of the host, and whether the device is busy") from error
    except OSError:
        begun = b""
    if not begun:
        line.close()
        wrong = f"{place} ends the connection without a word"
        raise _stop(f"{wrong}; look at its access lists and at how many sessions it allows")
    return line


def private_key(target: Target) -> paramiko.PKey | None:
    """The key of the key file; None without such a file, and where the password may be its passphrase.

    Read once for all devices. Raises TransportError where the private key cannot be used.
    """
    if target.key_file is None:
        return None
    named = "ansible_ssh_private_key_file of the host"
    try:
        return _read_key(target.key_file, which_file(Path(target.key_file).expanduser()))
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise _stop(f"the key file {target.key_file} cannot be read: {reason}; look at {named}") from error
    except (paramiko.PasswordRequiredException, TypeError) as error:
        if target.password is None:
            wrong = f"the key file {target.key_file} wants a passphrase"
            raise _stop(f"{wrong}; give the key to ssh-agent and leave out {named}") from error
        return None
    except (paramiko.SSHException, paramiko.pkey.UnknownKeyType, ValueError) as error:
        wrong = f"the key file {target.key_file} holds no private key"
        raise _stop(f"{wrong}; name the file without .pub in {named}") from error


def show_host_keys(client: paramiko.SSHClient, target: Target) -> None:
    """Lets a client know the device by its keys; it would read the file of all devices for each."""
    for kind, key in target.host_keys().items():
        client.get_host_keys().add(target.known_as, kind, key)


@functools.lru_cache(maxsize=4)
def _read_key(path: str, _which: tuple[int, ...]) -> paramiko.PKey:
    return paramiko.PKey.from_path(path)


def trouble(error: BaseException, target: Target) -> str:
    """Why a login failed and what to look at; empty where the error's own words say more."""
    causes = list(_causes(error))
    if any(isinstance(each, _OTHER_KEY) for each in causes):
        return (
            f"{target.place} shows another host key than the one in {target.known_hosts_file}; replace it"
            " there if the device has a new one, or else it is not the device"
        )
    said = " ".join(str(each) for each in causes).lower()
    for words, meaning in _WORDS.items():
        if words in said:
            return f"{target.place} {meaning.format(user=target.username, known=target.known_hosts_file)}"
    if any(isinstance(each, _NOT_LET_IN) for each in causes):
        return (
            f"{target.place} does not let {target.username} in with {_shown(target)}; look at {_CREDENTIALS}"
        )
    return ""


def _shown(target: Target) -> str:
    """What was shown at the door, in words."""
    if target.use_own_keys:
        return "the keys of the agent and of ~/.ssh"
    shown = [f"the key {target.key_file}"] if target.key_file is not None else []
    return " or ".join([*shown, *(["the password"] if target.password is not None else [])])


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _stop(wrong: str) -> TransportError:
    return TransportError("connect", wrong, UNCHANGED)
