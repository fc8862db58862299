# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a device cannot be reached, and which variable of the host to look at."""

from __future__ import annotations

import socket
import ssl

from .target import Target

WHERE = "ansible_host and ansible_port of the host"


def unreachable(error: OSError | UnicodeError, target: Target) -> str:
    """What an error of a connection means, and what to look at."""
    place = target.place
    match error:
        case socket.gaierror() | UnicodeError():
            return f"{target.host} has no address that is known here; look at ansible_host of the host"
        case ConnectionRefusedError():
            return f"nothing listens on {place}; look at {WHERE}, and whether that server is on in the device"
        case ssl.SSLCertVerificationError():
            wrong = f"the certificate of {place} is not trusted ({error.verify_message.rstrip('.')})"
            if "mismatch" in wrong:
                return f"{wrong}; look at ansible_host of the host"
            return f"{wrong}; name the file of its authority in ansible_httpapi_ca_path of the host"
        case ssl.SSLError():
            return f"{place} does not speak HTTPS; look at {WHERE}"
        case TimeoutError():
            return (
                f"{place} does not answer within {target.timeout:g} s; look at {WHERE}, and at the way there"
            )
    return f"{place} cannot be reached: {error.strerror or error}; look at {WHERE}"
