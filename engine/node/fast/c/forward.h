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

/* Own tunnel addresses beside that of the service. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, address6);
	__type(value, __u8);
} ends SEC(".maps");

/* A gateway's tunnel addresses are those of the service and its subscribers, an edge has one. */
INLINE bool is_own(context *c)
{
	struct ipv6hdr *ip6 = at(c, L2, HEADER6);
	address6 own = CONFIG.role == EDGE ? read6(&CONFIG.own) : read6(&CONFIG.gateway), destination;

	if (!ip6)
		return false;
	destination = read_address(&ip6->daddr);
	return same6(&destination, &own) || (CONFIG.more_ends && bpf_map_lookup_elem(&ends, &destination));
}

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
		return is_own(c) ? gateway_from_softwire(c, out) : FOREIGN;
	case BY_SESSION:
		if (CONFIG.carriage == TRANSLATION)
			return clat_from_domain(c, out);
		return is_own(c) ? b4_from_softwire(c, out) : FOREIGN;
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
	if (!is_own(c))
		return FOREIGN;
	return CONFIG.role == EDGE ? edge_from_softwire(c, out) : aftr_from_softwire(c, out);
}

INLINE int dispatch(context *c, bool translates, int *out)
{
	__be16 *eth = at(c, 0, L2), protocol;

	if (!eth || !is_ours_to_take(c))
		return FOREIGN;
	protocol = eth[6];
	if (protocol == bpf_htons(ETH_P_IP))
		return translates ? translate_native(c, out) : from_native(c, out);
	if (protocol == bpf_htons(ETH_P_IPV6))
		return translates ? translate_domain(c, out) : from_domain(c, out);
	return FOREIGN;
}

INLINE int handle(context *c, bool translates)
{
	__u32 octets = length(c);
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
