/* Copyright: (c) 2026, ipv4aas.fleet contributors
 * SPDX-License-Identifier: GPL-3.0-or-later
 * The carrier side of DS-Lite (RFC 6333 section 6). As aftr.py.
 */
#pragma once

#include "encapsulation.h"
#include "session_gateway.h"

/* What a customer may number its network with. */
const volatile struct network4 INSIDE[MOST_NETWORKS] = {};
const volatile __u32 INSIDE_NETWORKS = 0;

enum { SOFTWIRE_ENDS = 0xc0000000, SOFTWIRE_ENDS_MASK = 0xfffffff8 };	/* 192.0.0.0/29 (RFC 6333 section 5.7) */

INLINE bool is_inside(__be32 address)
{
	__u32 n;

#pragma unroll
	for (n = 0; n < MOST_NETWORKS && n < INSIDE_NETWORKS; n++)
		if ((address & INSIDE[n].mask) == INSIDE[n].address)
			return true;
	return false;
}

/* To the subscriber whose binding has destination address and port. */
INLINE int aftr_from_native(context *c, int *out)
{
	struct iphdr *ip = at(c, L2, HEADER4);
	struct outer outer = {};
	struct packet4 p = {};
	struct ends to;
	int verdict;

	if (!ip || !in_pool(ip->daddr))
		return FOREIGN;
	verdict = read4(c, ip, L2, length(c) - L2, &p);
	if (verdict)
		return verdict;
	/* Before a session is refreshed or made for a packet that cannot go. */
	if (p.wire + HEADER6 > CONFIG.ipv6_mtu)
		return punt_too_big;
	verdict = napt_inbound(&p, &outer.destination, &to, false);
	if (verdict)
		return verdict;
	outer.source = read6(&CONFIG.gateway);
	return encapsulate(c, &p, &to, &outer, out);
}

/* From a subscriber, to the Internet or to another one, who sees its outside address (RFC 4787 REQ-9). */
INLINE int aftr_from_softwire(context *c, int *out)
{
	struct outer outer, onward;
	struct scratch *room;
	struct packet4 p = {};
	struct ends to;
	int verdict;

	verdict = read_softwire(c, &outer, &p);
	if (verdict)
		return verdict;
	if (!may_speak(&outer.source) || !is_inside(p.ends.source))
		return punt_source;
	if ((p.ends.destination & bpf_htonl(SOFTWIRE_ENDS_MASK)) == bpf_htonl(SOFTWIRE_ENDS))
		return punt_unknown;	/* a ping for ourselves, perhaps */
	/* Before a session is made for a packet that cannot go. */
	if (is_lost(&outer, p.tos))
		return punt_congestion;
	if (!in_pool(p.ends.destination)) {
		verdict = napt_outbound(&p, &outer.source, &to);
		return verdict ?: decapsulate(c, &p, &to, &outer, out);
	}
	if (!CONFIG.hairpinning)
		return punt_hairpin;
	room = scratch();
	if (!room || p.wire + HEADER6 > CONFIG.ipv6_mtu)
		return punt_too_big;
	room->seen = p;
	verdict = napt_outbound(&p, &outer.source, &room->seen.ends);
	if (verdict)
		return verdict;
	verdict = napt_inbound(&room->seen, &onward.destination, &to, false);
	if (verdict)
		return verdict;
	onward.source = read6(&CONFIG.gateway);
	return turn(c, &p, &to, &outer, &onward, out);
}
