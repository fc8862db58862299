/* Copyright: (c) 2026, ipv4aas.fleet contributors
 * SPDX-License-Identifier: GPL-3.0-or-later
 * The customer side where the gateway translates addresses: B4 (RFC 6333 section 5), as plain_edge.py and b4.py.
 */
#pragma once

#include "encapsulation.h"
#include "networks.h"

/* From an inside host to the gateway. */
INLINE int b4_from_native(context *c, int *out)
{
	struct outer outer = { .source = read6(&CONFIG.own), .destination = read6(&CONFIG.gateway) };
	const struct network *target;
	struct packet4 p = {};
	int verdict;

	verdict = read_native(c, &p, &target);
	if (verdict)
		return verdict;
	return encapsulate(c, &p, &p.ends, &outer, out);
}

/* From the gateway to an inside host. */
INLINE int b4_from_softwire(context *c, int *out)
{
	address6 gateway = read6(&CONFIG.gateway);
	const struct network *found;
	struct packet4 p = {};
	struct outer outer;
	int verdict;

	verdict = read_softwire(c, &outer, &p);
	if (verdict)
		return verdict;
	if (!same6(&outer.source, &gateway))
		return punt_source;
	found = network_of(p.ends.destination);
	if (!found || !found->may_be_inside)
		return punt_unknown;
	found = network_of(p.ends.source);
	if (found && found->inside)
		return punt_source;
	return decapsulate(c, &p, &p.ends, &outer, out);
}
