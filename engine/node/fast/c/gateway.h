/* Copyright: (c) 2026, ipv4aas.fleet contributors
 * SPDX-License-Identifier: GPL-3.0-or-later
 * The carrier side where edges have port sets: border relay (RFC 7597, 7599), lwAFTR (RFC 7596). As gateway.py.
 */
#pragma once

#include "embedding.h"
#include "encapsulation.h"
#include "mapping.h"
#include "translation.h"

/* The subscriber's own gateway address, or that of the service. */
INLINE address6 near_of(const struct owner *owner)
{
	return !CONFIG.more_ends || is_zero6(&owner->gateway) ? read6(&CONFIG.gateway) : owner->gateway;
}

/* To the customer, by either carriage. */
INLINE int to_customer(context *c, const struct packet4 *p, const struct owner *owner, int *out)
{
	if (CONFIG.carriage == TRANSLATION) {
		struct ends6 onward = { .destination = owner->softwire };

		if (!may_carry(&CONFIG.outside, p->ends.source))
			return punt_martian;
		onward.source = embed(&CONFIG.outside, p->ends.source);
		return to6(c, p, &p->ends, &onward, out);
	} else {
		struct outer outer = { .source = near_of(owner), .destination = owner->softwire };

		return encapsulate(c, p, &p->ends, &outer, out);
	}
}

/* From the Internet to the customer who owns destination address and port. */
INLINE int gateway_from_native(context *c, int *out)
{
	struct iphdr *ip = at(c, L2, HEADER4);
	const struct rule *rule = ip ? rule_of(ip->daddr) : NULL;
	struct packet4 p = {};
	struct owner owner;
	int verdict;

	if (!rule)
		return FOREIGN;
	verdict = read4(c, ip, L2, length(c) - L2, &p);
	if (verdict)
		return verdict;
	verdict = owner_of(rule, p.ends.destination, p.ends.destination_port, &owner);
	if (verdict)
		return verdict;
	return to_customer(c, &p, &owner, out);
}

/* From a customer's tunnel, to the Internet or to another customer. */
INLINE int gateway_from_softwire(context *c, int *out)
{
	struct outer outer, onward;
	const struct rule *rule;
	struct packet4 p = {};
	struct owner owner;
	address6 near;
	int verdict;

	verdict = read_softwire(c, &outer, &p);
	if (verdict)
		return verdict;
	rule = rule_of(p.ends.source);
	if (!rule)
		return punt_source;
	if (owner_of(rule, p.ends.source, p.ends.source_port, &owner))
		return punt_source;
	verdict = check_owner(rule, &owner, &outer.source);
	if (verdict)
		return verdict;
	if (CONFIG.more_ends) {		/* else it has been asked */
		near = near_of(&owner);
		if (!same6(&outer.destination, &near))
			return punt_source;
	}
	rule = rule_of(p.ends.destination);
	if (!rule)
		return decapsulate(c, &p, &p.ends, &outer, out);
	verdict = owner_of(rule, p.ends.destination, p.ends.destination_port, &owner);
	if (verdict)
		return verdict;
	onward.source = near_of(&owner);
	onward.destination = owner.softwire;
	return turn(c, &p, &p.ends, &outer, &onward, out);
}

/* The same by translation: what is for the Internet has an address of its own there. */
INLINE int gateway_from_domain(context *c, int *out)
{
	struct ipv6hdr *ip6 = at(c, L2, HEADER6);
	struct ends6 from, onward;
	struct ends to;
	const struct rule *rule;
	struct packet4 p = {};
	struct owner owner;
	int verdict;

	if (!ip6)
		return FOREIGN;
	from.destination = read_address(&ip6->daddr);
	if (!holds(&CONFIG.outside, &from.destination))
		return FOREIGN;
	verdict = read_ipv6(c, ip6, &from, &p);
	if (verdict)
		return verdict;
	if (asks_node(&p, &from.destination, &CONFIG.gateway))
		return punt_protocol;
	to = p.ends;
	verdict = sender_of(&from.source, p.ends.source_port, &to.source);
	if (verdict)
		return verdict;
	to.destination = extract(&CONFIG.outside, &from.destination);
	if (!may_carry(&CONFIG.outside, to.destination))
		return punt_martian;
	rule = rule_of(to.destination);
	if (!rule)
		return to4(c, &p, &from, &to, out);
	verdict = owner_of(rule, to.destination, to.destination_port, &owner);
	if (verdict)
		return verdict;
	if (!may_carry(&CONFIG.outside, to.source))
		return punt_martian;
	onward.source = embed(&CONFIG.outside, to.source);
	onward.destination = owner.softwire;
	return turn6(c, &p, &from, &to, &onward, out);
}
