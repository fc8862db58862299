# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices for the transport tests."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# The servers are shared with other integration tests, the emulators with other transports.
TESTS = Path(__file__).resolve().parents[2]
for folder in (TESTS / "integration", TESTS / "emulator", Path(__file__).parent):
    sys.path.insert(0, str(folder))

from netconf_devices import FOLDERS, MODULES, OWN_MODELS, Make, foreign  # noqa: E402
from servers import NetconfDevice, loadable_models, model_folder  # noqa: E402


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of YANG modules that netconfd can load, by the vendor's folder."""
    source, target = model_folder(), tmp_path_factory.mktemp("yang")
    assert source is not None
    return {name: loadable_models(source / name, target / name) for name in (*FOLDERS.values(), "ietf")}


@pytest.fixture
def make_device(tmp_path: Path, models: dict[str, Path]) -> Iterator[Make]:
    """Starts netconfd as a platform, with further netconfd options."""
    devices: list[NetconfDevice] = []

    def make(platform: str, *options: str, datastore: str = "candidate") -> NetconfDevice:
        device = NetconfDevice(
            tmp_path / f"device{len(devices)}",
            [models[FOLDERS[platform]], models["ietf"], OWN_MODELS],
            MODULES[platform],
            options=(f"--target={datastore}", *options),
            running=foreign(platform),
        )
        devices.append(device)
        device.start()
        return device

    yield make
    for device in devices:
        device.stop()
