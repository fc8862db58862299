/* Copyright: (c) 2026, ipv4aas.fleet contributors
 * SPDX-License-Identifier: GPL-3.0-or-later
 * The carrier side where the gateway translates addresses: who its subscribers are. As session_gateway.py.
 */
#pragma once

#include "napt.h"

/* The prefix of all subscribers. */
const volatile address6 CUSTOMERS = {}, CUSTOMERS_MASK = {};
const volatile __u8 CUSTOMERS_ONLY = 0;	/* 1: all of it may be theirs */

INLINE bool is_unicast6(const address6 *address)
{
	__be64 one = bpf_cpu_to_be64(1);

	if (*(const __u8 *)address == 0xff)
		return false;
	return address->part[0] || (address->part[1] && address->part[1] != one);
}

INLINE bool is_customer(const address6 *address)
{
	address6 prefix = read6(&CUSTOMERS), mask = read6(&CUSTOMERS_MASK);

	if ((address->part[0] & mask.part[0]) != prefix.part[0])
		return false;
	LEAVE_IF(!mask.part[1], true);	/* the verifier takes the rest away, or this */
	return (address->part[1] & mask.part[1]) == prefix.part[1];
}

/* Whether an IPv6 source can be a subscriber: no gateway is open to the world (RFC 6908). */
INLINE bool may_speak(const address6 *source)
{
	address6 gateway = read6(&CONFIG.gateway);

	if (!is_customer(source))
		return false;
	return CUSTOMERS_ONLY || (is_unicast6(source) && !same6(source, &gateway));
}
