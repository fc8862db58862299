/* Copyright: (c) 2026, ipv4aas.fleet contributors
 * SPDX-License-Identifier: GPL-3.0-or-later
 * The customer side of 464XLAT (RFC 6877 section 6.3), as plain_edge.py and clat.py.
 */
#pragma once

#include "embedding.h"
#include "networks.h"
#include "translation.h"

/* From an inside host into the domain. */
INLINE int clat_from_native(context *c, int *action)
{
	struct iphdr *ip = at(c, L2, HEADER4);
	const struct network *target;
	struct ends6 onward;
	struct packet4 p = {};
	int verdict;

	if (!ip)
		return FOREIGN;
	verdict = check_native(ip, &target);
	if (verdict)
		return verdict;
	verdict = read4(c, L2, length(c) - L2, &p);
	if (verdict)
		return verdict;
	if (!may_carry(&CONFIG.outside, p.ends.destination))
		return punt_martian;
	onward.source = embed(&CONFIG.inside, p.ends.source);
	onward.destination = embed(&CONFIG.outside, p.ends.destination);
	return to6(c, &p, &p.ends, &onward, action);
}

/* From the domain to an inside host. */
INLINE int clat_from_domain(context *c, int *action)
{
	struct ipv6hdr *ip6 = at(c, L2, HEADER6);
	const struct network *found;
	struct ends6 from;
	struct packet4 p = {};
	struct ends to;
	int verdict;

	if (!ip6)
		return FOREIGN;
	__builtin_memcpy(&from.destination, &ip6->daddr, sizeof(from.destination));
	if (!holds(&CONFIG.inside, &from.destination))
		return FOREIGN;
	verdict = read_ipv6(c, &from, &p);
	if (verdict)
		return verdict;
	if (asks_node(&p, &from.destination, &CONFIG.own))
		return punt_protocol;
	if (!holds(&CONFIG.outside, &from.source) || holds(&CONFIG.inside, &from.source))
		return punt_source;
	to = p.ends;
	to.source = extract(&CONFIG.outside, &from.source);
	if (!may_carry(&CONFIG.outside, to.source))
		return punt_martian;
	to.destination = extract(&CONFIG.inside, &from.destination);
	found = network_of(to.destination);
	if (!found || !found->may_be_inside)
		return punt_unknown;
	found = network_of(to.source);
	if (found && found->inside)
		return punt_source;
	return to4(c, &p, &from, &to, action);
}
