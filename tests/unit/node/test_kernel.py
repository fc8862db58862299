# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routes and rules that services need, and what the kernel is told when they change."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest
from ansible_collections.ipv4aas.fleet.engine.node import kernel
from ansible_collections.ipv4aas.fleet.engine.node.kernel import (
    Kernel,
    KernelError,
    Wanted,
    error_source,
    wanted,
)
from node_samples import EDGE_SERVICE, GATEWAY_SERVICE, OTHER_RULE, RULE
from technique_samples import NAT64, XLAT464, edge_of

MINE = "dev tun7 proto 46"


def test_gateway_takes_its_address_and_its_pools():
    both = replace(GATEWAY_SERVICE, rules=(RULE, OTHER_RULE, RULE))
    assert wanted([both], "tun7") == Wanted(
        (f"2001:3e8:0:2900::1/128 {MINE}", f"130.129.255.92/30 {MINE}", f"203.0.113.0/30 {MINE}")
    )


def test_edge_takes_its_map_address_and_the_default_of_its_networks():
    found = wanted([EDGE_SERVICE], "tun7")
    assert found.routes == (
        f"2001:3e8:6000:c0:0:8281:ff5f:0/128 {MINE}",
        f"default {MINE} table 4640",
        f"default {MINE} metric 4640",
    )
    assert found.rules == (
        "pref 4640 from 192.168.192.0/24 lookup main suppress_prefixlength 0 protocol 46",
        "pref 4641 from 192.168.192.0/24 lookup 4640 protocol 46",
    )


def test_edge_without_networks_takes_all_that_the_host_forwards():
    found = wanted([replace(EDGE_SERVICE, inside=())], "tun7")
    assert found.rules == (
        "pref 4640 not from all iif lo lookup main suppress_prefixlength 0 protocol 46",
        "pref 4641 not from all iif lo lookup 4640 protocol 46",
    )


def test_nat64_takes_its_prefix_and_its_pool():
    assert wanted([NAT64], "tun7") == Wanted(
        (f"2001:db8:fffe::1/128 {MINE}", f"2001:db8:64::/96 {MINE}", f"203.0.113.0/28 {MINE}")
    )


def test_clat_takes_its_networks_and_their_default():
    """Not its whole prefix: other hosts may have addresses there."""
    found = wanted([edge_of(XLAT464)], "tun7")
    assert found.routes == (
        f"2001:db8:12:34c0:0:2::/128 {MINE}",
        f"2001:db8:12:34c0:a8::/80 {MINE}",
        f"default {MINE} table 4640",
        f"default {MINE} metric 4640",
    )
    assert len(found.rules) == 2


def test_nothing_for_nothing():
    assert wanted([], "tun7") == Wanted()


class TestApply:
    OLD = Wanted(("a", "b"), ("r",))
    NEW = Wanted(("b", "c"), ("s",))

    @pytest.fixture
    def said(self, monkeypatch):
        """Commands given to ip(8), forced ones with an exclamation mark; those in ``fail`` fail."""
        said = []
        self.fail = None

        def ip(*commands, force=False):
            said.extend(("!" if force else "") + command for command in commands)
            if self.fail in commands and not force:
                raise KernelError(self.fail)

        monkeypatch.setattr(kernel, "_ip", ip)
        return said

    @pytest.fixture
    def started(self, said, tmp_path):
        made = Kernel(tmp_path / "memory")
        made.apply(self.OLD)
        said.clear()
        return made

    def test_only_the_difference_new_things_first(self, started, said):
        started.apply(self.NEW)
        assert said == ["route replace c", "rule add s", "!rule del r", "!route del a"]
        said.clear()
        started.apply(self.NEW)
        assert said == []

    def test_failure_takes_back_what_was_new(self, started, said):
        self.fail = "rule add s"
        with pytest.raises(KernelError):
            started.apply(self.NEW)
        assert said[2:] == ["!rule del s", "!route del c"]
        said.clear()
        started.apply(self.OLD)
        assert said == []


def test_source_of_errors():
    own = [IPv4Address("10.0.0.1"), IPv4Address("192.168.192.1")]
    assert error_source(EDGE_SERVICE, own) == int(own[1])
    assert error_source(GATEWAY_SERVICE, own) == int(own[0])
    assert error_source(EDGE_SERVICE, own[:1]) == error_source(GATEWAY_SERVICE, []) == 0xC0000008


class TestSysctls:
    @pytest.fixture
    def tree(self, tmp_path, monkeypatch):
        """A /proc/sys/net of files; gives its values by name."""
        values = {
            "ipv4/ip_forward": "0",
            "ipv6/conf/all/forwarding": "0",
            "ipv6/conf/all/accept_ra": "0",
            "ipv6/conf/wan/accept_ra": "1",
            "ipv6/conf/lan/accept_ra": "0",
        }
        for name, value in values.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(value + "\n")
        monkeypatch.setattr(kernel, "_SYSCTL", tmp_path)
        return lambda: {name: (tmp_path / name).read_text().strip() for name in values}

    def test_uplink_by_advertisements_survives_forwarding(self, tree, tmp_path):
        kernel.Sysctls(tmp_path / "memory").forward()
        assert tree() == {
            "ipv4/ip_forward": "1",
            "ipv6/conf/all/forwarding": "1",
            "ipv6/conf/all/accept_ra": "0",
            "ipv6/conf/wan/accept_ra": "2",
            "ipv6/conf/lan/accept_ra": "0",
        }

    def test_restored_also_after_a_kill_in_between(self, tree, tmp_path):
        before = tree()
        kernel.Sysctls(tmp_path / "memory").forward()
        again = kernel.Sysctls(tmp_path / "memory")
        again.forward()
        again.restore()
        assert tree() == before
        assert not (tmp_path / "memory").exists()

    def test_what_was_on_stays_on(self, tree, tmp_path):
        (tmp_path / "ipv4/ip_forward").write_text("1")
        sysctls = kernel.Sysctls(tmp_path / "memory")
        sysctls.forward()
        sysctls.restore()
        assert tree()["ipv4/ip_forward"] == "1"
        assert tree()["ipv6/conf/all/forwarding"] == "0"
