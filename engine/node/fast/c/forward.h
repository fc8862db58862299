/* Copyright: (c) 2026, ipv4aas.fleet contributors
 * SPDX-License-Identifier: GPL-3.0-or-later
 * The programs of a hook: whose packet it is, its way, and what is counted.
 */
#pragma once

#include "aftr.h"
#include "clat.h"
#include "edge.h"
#include "gateway.h"
#include "nat64.h"
#include "plain_edge.h"
#include "plane.h"

/* Programs of the node's services, one behind the other. */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u32);
} chain SEC(".maps");

INLINE int from_native(context *c, int *out)
{
	switch (CONFIG.mapping) {
	case BY_RULE:
	case BY_BINDING:
		return gateway_from_native(c, out);
	case BY_SESSION:
		return CONFIG.carriage == TRANSLATION ? clat_from_native(c, out) :
							b4_from_native(c, out);
	case BY_PLANE:
		return plane_from_native(c, out);
	default:
		return FOREIGN;
	}
}

INLINE int from_domain(context *c, int *out)
{
	switch (CONFIG.mapping) {
	case BY_RULE:
	case BY_BINDING:
		if (CONFIG.carriage == TRANSLATION)
			return gateway_from_domain(c, out);
		return gateway_from_softwire(c, out);
	case BY_SESSION:
		if (CONFIG.carriage == TRANSLATION)
			return clat_from_domain(c, out);
		return b4_from_softwire(c, out);
	case BY_PLANE:
		return plane_from_softwire(c, out);
	case BY_REWRITE:
		return rewrite_prefixes(c, out);
	default:
		return FOREIGN;
	}
}

/* Seats that keep sessions: a program of their own, as the stack has no room for all seats and a NAPT. */
INLINE int translate_native(context *c, int *out)
{
	if (CONFIG.role == EDGE)
		return edge_from_native(c, out);
	return CONFIG.carriage == TRANSLATION ? nat64_from_native(c, out) : aftr_from_native(c, out);
}

INLINE int translate_domain(context *c, int *out)
{
	if (CONFIG.carriage == TRANSLATION)
		return CONFIG.role == EDGE ? edge_from_domain(c, out) : nat64_from_domain(c, out);
	return CONFIG.role == EDGE ? edge_from_softwire(c, out) : aftr_from_softwire(c, out);
}

INLINE int dispatch(context *c, bool translates, int *out)
{
	struct ethhdr *eth;
	__be16 protocol;

	HAVE(eth, c, 0, L2, FOREIGN);
	if (!is_ours_to_take(c, eth))
		return FOREIGN;
	protocol = ((__be16 *)eth)[6];	/* as a member it would be read octet by octet */
	if (protocol == bpf_htons(ETH_P_IP))
		return translates ? translate_native(c, out) : from_native(c, out);
	if (protocol == bpf_htons(ETH_P_IPV6))
		return translates ? translate_domain(c, out) : from_domain(c, out);
	return FOREIGN;
}

INLINE int handle(context *c, bool translates)
{
	__u64 octets = length(c);
	int out = UNTOUCHED, verdict;

	make_linear(c);
	verdict = dispatch(c, translates, &out);
	if (verdict == FOREIGN) {
		if (CONFIG.next_service)
			bpf_tail_call(c, &chain, CONFIG.next_service);
		return leave(c, UNTOUCHED);
	}
	if (verdict >= punt_malformed && out == UNTOUCHED && !may_punt()) {
		verdict = punt_limited;
		out = SPOILT;
	}
	count(verdict, octets);
	return leave(c, out);
}

HOOK int forward(context *c)
{
	return handle(c, false);
}

HOOK int forward_sessions(context *c)
{
	return handle(c, true);
}
