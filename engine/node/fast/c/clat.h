/* Copyright: (c) 2026, ipv4aas.fleet contributors
 * SPDX-License-Identifier: GPL-3.0-or-later
 * The customer side of 464XLAT (RFC 6877 section 6.3), as plain_edge.py and clat.py.
 */
#pragma once

#include "embedding.h"
#include "explicit.h"
#include "networks.h"
#include "translation.h"

/* Where an IPv4 address is: of an inside host, or of all others. False: the prefix must not carry it. */
INLINE bool clat_to6(const volatile struct embedding *place, __be32 ipv4, address6 *ipv6)
{
	if (explicit_to6(ipv4, ipv6))
		return true;
	*ipv6 = embed(place, ipv4);
	return may_carry(place, ipv4);
}

/* Whether an IPv6 address is one that the edge has for its own hosts. */
INLINE bool clat_owns(const address6 *ipv6)
{
	const struct network *found;
	__be32 ipv4;

	if (holds(&CONFIG.inside, ipv6))
		return true;
	if (!explicit_to4(ipv6, &ipv4))
		return false;
	found = network_of(ipv4);
	return found && found->inside;
}

/* Whether a packet is for an inside host. Other addresses of the prefix may be those of native IPv6 hosts: octet u
 * and suffix have to be 0 as the edge itself writes them. */
INLINE bool clat_serves(const address6 *ipv6, __be32 *ipv4)
{
	const struct network *found;
	address6 written;

	if (!explicit_to4(ipv6, ipv4)) {
		*ipv4 = extract(&CONFIG.inside, ipv6);
		written = embed(&CONFIG.inside, *ipv4);
		if (!same6(&written, ipv6))
			return false;
	}
	found = network_of(*ipv4);
	return found && found->may_be_inside;
}

/* From an inside host into the domain. */
INLINE int clat_from_native(context *c, int *out)
{
	const struct network *target;
	struct ends6 onward;
	struct packet4 p = {};
	int verdict;

	verdict = read_native(c, &p, &target);
	if (verdict)
		return verdict;
	if (!clat_to6(&CONFIG.inside, p.ends.source, &onward.source) ||
	    !clat_to6(&CONFIG.outside, p.ends.destination, &onward.destination))
		return punt_martian;
	return to6(c, &p, &p.ends, &onward, out);
}

/* From the domain to an inside host. */
INLINE int clat_from_domain(context *c, int *out)
{
	struct ipv6hdr *ip6 = at(c, L2, HEADER6);
	const struct network *found;
	struct ends6 from;
	struct packet4 p = {};
	struct ends to;
	int verdict;

	if (!ip6)
		return FOREIGN;
	from.destination = read_address(&ip6->daddr);
	if (!clat_serves(&from.destination, &to.destination))
		return FOREIGN;
	verdict = read_ipv6(c, ip6, &from, &p);
	if (verdict)
		return verdict;
	if (asks_node(&p, &from.destination, &CONFIG.own))
		return punt_protocol;
	if (clat_owns(&from.source))
		return punt_source;
	if (!explicit_to4(&from.source, &to.source)) {
		if (!holds(&CONFIG.outside, &from.source))
			return punt_source;
		to.source = extract(&CONFIG.outside, &from.source);
		if (!may_carry(&CONFIG.outside, to.source))
			return punt_martian;
	}
	to.source_port = p.ends.source_port;
	to.destination_port = p.ends.destination_port;
	found = network_of(to.source);
	if (found && found->inside)
		return punt_source;
	return to4(c, &p, &from, &to, out);
}
