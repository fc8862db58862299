# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook trace, as an operator runs it: the packet that the ShowNet 2013 deck prints."""

from __future__ import annotations

import json

LINE = "2001:3e8:6000:c0:0:8281:ff5f:0 > 2001:3e8:0:2900::1, IP 130.129.255.95.45089 > 133.242.53.30.80"


def test_the_packet_of_the_deck_and_its_customer(play):
    assert play("plan").code == 0
    run = play("trace", "-e", json.dumps({"trace_capture": LINE}))
    assert run.code == 0, run.out
    assert "2001:3e8:6000:c0::/64 (seilc0)" in run.out and "identifier rfc7597" in run.out
    assert "accepted, decapsulated" in run.out
    run = play("trace", "-e", "trace_ipv4=130.129.255.95", "-e", "trace_port=45089")
    assert run.code == 0 and "2001:3e8:6000:c0::/64 (seilc0)" in run.out
    run = play("trace", "-e", "trace_customer=2001:3e8:6000:c0::/64")
    assert run.code == 0 and "PSID 0" in run.out


def test_a_question_without_an_answer_says_what_is_missing(play):
    assert play("plan").code == 0
    run = play("trace", "-e", "trace_ipv4=130.129.255.95")
    assert run.code != 0
    assert "port: 130.129.255.95 is shared in hall7" in run.out
