/* Copyright: (c) 2026, ipv4aas.fleet contributors
 * SPDX-License-Identifier: GPL-3.0-or-later
 * The carrier side where edges have port sets: border relay (RFC 7597), lwAFTR (RFC 7596). As gateway.py.
 */
#pragma once

#include "encapsulation.h"
#include "mapping.h"

/* The subscriber's own gateway address, or that of the service. */
INLINE address6 near_of(const struct owner *owner)
{
	return is_zero6(&owner->gateway) ? read6(&CONFIG.gateway) : owner->gateway;
}

/* From the Internet to the customer who owns destination address and port. */
INLINE int gateway_from_native(context *c, int *action)
{
	struct iphdr *ip = at(c, L2, HEADER4);
	const struct rule *rule = ip ? rule_of(ip->daddr) : NULL;
	struct outer outer = {};
	struct packet4 p = {};
	struct owner owner;
	int verdict;

	if (!rule)
		return FOREIGN;
	verdict = read4(c, L2, length(c) - L2, &p);
	if (verdict)
		return verdict;
	verdict = owner_of(rule, p.ends.destination, p.ends.destination_port, &owner);
	if (verdict)
		return verdict;
	outer.source = near_of(&owner);
	outer.destination = owner.softwire;
	return encapsulate(c, &p, &p.ends, &outer, action);
}

/* From a customer, to the Internet or to another customer. */
INLINE int gateway_from_softwire(context *c, int *action)
{
	struct outer outer, onward;
	const struct rule *rule;
	struct packet4 p = {};
	struct owner owner;
	address6 near;
	int verdict;

	verdict = read_outer(c, &outer, &p);
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
	near = near_of(&owner);
	if (!same6(&outer.destination, &near))
		return punt_source;
	rule = rule_of(p.ends.destination);
	if (!rule)
		return decapsulate(c, &p, &p.ends, &outer, action);
	verdict = owner_of(rule, p.ends.destination, p.ends.destination_port, &owner);
	if (verdict)
		return verdict;
	onward.source = near_of(&owner);
	onward.destination = owner.softwire;
	return turn(c, &p, &p.ends, &outer, &onward, action);
}
