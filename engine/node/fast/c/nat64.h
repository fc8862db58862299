/* Copyright: (c) 2026, ipv4aas.fleet contributors
 * SPDX-License-Identifier: GPL-3.0-or-later
 * The carrier side of 464XLAT and NAT64: PLAT and NAT64 (RFC 6146). As nat64.py.
 *
 * Every IPv6 host is 192.0.0.2 of a realm of its own.
 */
#pragma once

#include "embedding.h"
#include "session_gateway.h"
#include "translation.h"

enum { HOST = 0xc0000002 };

/* To the subscriber whose binding has destination address and port. */
INLINE int nat64_from_native(context *c, int *out)
{
	struct iphdr *ip = at(c, L2, HEADER4);
	struct ends6 onward;
	struct packet4 p = {};
	struct ends to;
	int verdict;

	if (!ip || !in_pool(ip->daddr))
		return FOREIGN;
	verdict = read4(c, ip, L2, length(c) - L2, &p);
	if (verdict)
		return verdict;
	if (!may_carry(&CONFIG.outside, p.ends.source))
		return punt_martian;
	/* Before a session is refreshed or made for a packet that cannot go. */
	if (p.wire + GROWTH > ipv6_limit(p.fragment & bpf_htons(DF)))
		return punt_too_big;
	if (lacks_checksum(&p))
		return punt_no_checksum;
	verdict = napt_inbound(&p, &onward.destination, &to, false);
	if (verdict)
		return verdict;
	onward.source = embed(&CONFIG.outside, p.ends.source);
	return to6(c, &p, &to, &onward, out);
}

/* From a subscriber, to the Internet or to another one, who sees its outside address (RFC 4787 REQ-9). */
INLINE int nat64_from_domain(context *c, int *out)
{
	struct ipv6hdr *ip6 = at(c, L2, HEADER6);
	struct ends6 from, onward;
	struct packet4 p = {};
	struct scratch *room;
	struct ends to;
	__u8 flags;
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
	if (!may_speak(&from.source) || (!CUSTOMERS_ONLY && holds(&CONFIG.outside, &from.source)))
		return punt_source;
	p.ends.source = bpf_htonl(HOST);
	p.ends.destination = extract(&CONFIG.outside, &from.destination);
	if (!may_carry(&CONFIG.outside, p.ends.destination) || !is_unicast4(p.ends.destination))
		return punt_martian;
	flags = p.flags;
	if (p.protocol == ICMP)
		p.flags = flags == ECHO_REQUEST6 ? ECHO_REQUEST : ECHO_REPLY;
	if (!in_pool(p.ends.destination)) {
		verdict = napt_outbound(&p, &from.source, &to);
		p.flags = flags;
		return verdict ?: to4(c, &p, &from, &to, out);
	}
	if (!CONFIG.hairpinning)
		return punt_hairpin;
	if (p.wire + GROWTH > ipv6_limit(p.wire > LARGEST_WITHOUT_DF))
		return punt_too_big;
	if (lacks_checksum(&p))
		return punt_no_checksum;
	verdict = napt_outbound(&p, &from.source, &to);
	if (verdict)
		return verdict;
	room = scratch();
	if (!room)
		return punt_driver;
	room->seen = p;
	room->seen.ends = to;
	p.flags = flags;
	verdict = napt_inbound(&room->seen, &onward.destination, &to, false);
	if (verdict)
		return verdict;
	onward.source = embed(&CONFIG.outside, to.source);
	return turn6(c, &p, &from, &to, &onward, out);
}
