# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is rendered for m46e is run by Fujitsu's own program, between sites and out of a plane.

The program is not part of the project and not packaged: IPV4AAS_M46E names the folder where
matsuhira/m46e-app was compiled.

red_west, blue_west - west \\
red_east, blue_east - east - core - out - internet (198.51.100.10)
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from ipaddress import IPv4Network, IPv6Address, IPv6Network
from pathlib import Path

import pytest
from ansible_collections.ipv4aas.fleet.engine.mapping.plane import Plane, PlaneRoute
from ansible_collections.ipv4aas.fleet.engine.platforms.registry import FOLDER
from ansible_collections.ipv4aas.fleet.engine.techniques.planes import plane_of
from ansible_collections.ipv4aas.fleet.engine.techniques.service import Service
from netns import Host, Net
from platform_cases import CASES

PROGRAMS = os.environ.get("IPV4AAS_M46E", "")

pytestmark = [
    pytest.mark.root,
    pytest.mark.servers,
    pytest.mark.skipif(not PROGRAMS, reason="IPV4AAS_M46E does not name a folder with m46eapp and m46ectl"),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
]

FIXED = IPv6Network("2001:db8:0:46::/64")
OUTSIDE = IPv4Network("0.0.0.0/0")
INTERNET = "198.51.100.10"
LANS = {"west": IPv4Network("10.0.1.0/24"), "east": IPv4Network("10.0.2.0/24")}
PREFIXES = {
    "west": IPv6Network("2001:db8:0:101::/64"),
    "east": IPv6Network("2001:db8:0:102::/64"),
    "out": IPv6Network("2001:db8:0:103::/64"),
}
PLANES = {"red": 1, "blue": 2}
NUMBERS = {"west": 1, "east": 2, "out": 3}


def service(technique: str, color: str, site: str) -> Service:
    """What a site carries of a plane."""
    inside = (LANS.get(site, OUTSIDE),)
    table = tuple(PlaneRoute(LANS.get(name, OUTSIDE), prefix) for name, prefix in PREFIXES.items())
    resolved = technique == "sa46t-pr"
    return Service(
        name=color,
        technique=technique,
        role="gateway" if site == "out" else "edge",
        gateway_address=IPv6Address("::"),
        plane=Plane(PREFIXES[site] if resolved else FIXED, PLANES[color]),
        plane_routes=table if resolved else (),
        inside=inside,
    )


def devices(site: str, *colors: str) -> dict:
    if site == "out":
        return {"wan": {"address": "192.0.2.1/24", "gateway": "192.0.2.2", "service": "red"}}
    address = f"{LANS[site][1]}/24"
    return {color: {"address": address, "service": color} for color in colors}


@dataclass
class Domain:
    """Sites, the hosts behind them and the folder where the planes' files are."""

    sites: dict[str, Host]
    hosts: dict[str, Host]
    core: Host
    folder: Path

    def run(self, site: str, *services: Service, **options: dict) -> None:
        """Make a site run services."""
        text = CASES["m46e"].rendered("conf", *services, **options)
        (self.folder / f"{site}.conf").write_text(text)
        done = self.apply(site, str(self.folder / f"{site}.conf"))
        assert done.returncode == 0, done.stderr

    def apply(self, site: str, *words: str):
        """apply.py on a site."""
        own = self.folder / site
        own.mkdir(exist_ok=True)
        program = own / "apply.py"
        program.write_text((FOLDER / "m46e" / "apply.py").read_text().replace("/run/ipv4aas/m46e", str(own)))
        path = f"PATH={PROGRAMS}:{os.environ['PATH']}"
        return self.sites[site].run("env", path, "python3", str(program), *words, check=False)

    def route(self, network: IPv6Network, site: str) -> None:
        """What the IGP would do."""
        self.core.ip(f"route replace {network} via 2001:db8:f:{NUMBERS[site]}::2")

    def reaches(self, host: str, address: str) -> bool:
        """Whether a ping comes back; the first packets may wait for neighbours and for routes."""
        for _ in range(5):
            if self.hosts[host].run("ping", "-c1", "-W1", address, check=False).returncode == 0:
                return True
        return False


@pytest.fixture
def domain(tmp_path):
    with Net("m46e") as net:
        core = net.host("core")
        core.forward()
        sites = {name: net.host(name) for name in NUMBERS}
        hosts = {f"{c}_{s}": net.host(f"{c}-{s}") for c in PLANES for s in LANS} | {
            "internet": net.host("inet")
        }
        for name, site in sites.items():
            site.forward()
            net.cable(site, "up", core, name)
            link = f"2001:db8:f:{NUMBERS[name]}:"
            site.ip(f"addr add {link}:2/64 dev up", f"route add default via {link}:1")
            core.ip(f"addr add {link}:1/64 dev {name}")
        for side, network in LANS.items():
            for color in PLANES:
                net.cable(sites[side], color, hosts[f"{color}_{side}"], "eth0")
                own = f"addr add {network[10]}/24 dev eth0"
                hosts[f"{color}_{side}"].ip(own, f"route add default via {network[1]}")
        net.cable(sites["out"], "wan", hosts["internet"], "eth0")
        hosts["internet"].ip(
            "addr add 192.0.2.2/24 dev eth0",
            f"addr add {INTERNET}/32 dev lo",
            "route add 10.0.0.0/8 via 192.0.2.1",
        )
        domain = Domain(sites, hosts, core, tmp_path)
        yield domain
        for site in sites:
            if list((tmp_path / site).glob("*.conf")):
                domain.apply(site, "--stop", str(tmp_path / f"{site}.conf"))


def run_sites(domain: Domain, technique: str, colors: tuple[str, ...]) -> None:
    """Planes on both sites, and the routes to them."""
    for side in LANS:
        carried = [service(technique, color, side) for color in colors]
        domain.run(side, *carried, devices=devices(side, *colors))
        for one in carried:
            domain.route(plane_of(one).route(LANS[side]), side)


def lost(domain: Domain, host: str, address: str) -> bool:
    """Whether a ping does not come back."""
    return domain.hosts[host].run("ping", "-c1", "-W1", address, check=False).returncode != 0


@pytest.mark.parametrize("technique", ["sa46t", "sa46t-pr"])
def test_two_planes_with_the_same_addresses(domain, technique):
    run_sites(domain, technique, tuple(PLANES))
    far = str(LANS["east"][10])
    assert domain.reaches("red_west", far)
    domain.hosts["red_east"].ip("link set eth0 down")
    # The address is there in the other plane only.
    assert lost(domain, "red_west", far)
    assert domain.reaches("blue_west", far)


@pytest.mark.parametrize("technique", ["sa46t", "sa46t-pr"])
def test_way_out(domain, technique):
    run_sites(domain, technique, ("red",))
    assert domain.reaches("red_west", str(LANS["east"][10]))
    out = service(technique, "red", "out")
    domain.run("out", out, devices=devices("out"))
    domain.route(plane_of(out).route(OUTSIDE), "out")
    if technique == "sa46t":
        # The IGP tells the way out what is in the plane.
        for side in LANS:
            route = plane_of(service(technique, "red", side)).route(LANS[side])
            domain.sites["out"].ip(f"route add {route} via 2001:db8:f:3::1")
    assert domain.reaches("red_west", INTERNET)


def test_table_alone_changes_without_a_restart(domain):
    run_sites(domain, "sa46t-pr", tuple(PLANES))
    far = str(LANS["east"][10])
    assert domain.reaches("red_west", far)

    def process():
        found = domain.sites["west"].run("pgrep", "-f", "red.conf", check=False).stdout.split()
        return sorted(found)

    before = process()
    red, blue = (service("sa46t-pr", color, "west") for color in PLANES)
    short = replace(red, plane_routes=tuple(r for r in red.plane_routes if r.ipv4 != LANS["east"]))
    domain.run("west", short, blue, devices=devices("west", *PLANES))
    assert lost(domain, "red_west", far)
    domain.run("west", red, blue, devices=devices("west", *PLANES))
    assert domain.reaches("red_west", far)
    assert process() == before


def test_plane_that_goes_leaves_the_other(domain):
    run_sites(domain, "sa46t-pr", tuple(PLANES))
    domain.run("west", service("sa46t-pr", "blue", "west"), devices=devices("west", "blue"))
    assert domain.reaches("blue_west", str(LANS["east"][10]))
    assert lost(domain, "red_west", str(LANS["east"][10]))


def test_what_it_does_not_take_is_told(domain):
    red = service("sa46t", "red", "west")
    text = CASES["m46e"].rendered("conf", red, devices=devices("west", "red"))
    (domain.folder / "west.conf").write_text(text.replace("ff0e::/64", "2001:db8::/64"))
    done = domain.apply("west", str(domain.folder / "west.conf"))
    assert done.returncode == 1 and "plane red does not begin" in done.stderr
