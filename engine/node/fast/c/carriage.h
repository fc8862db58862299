/* Copyright: (c) 2026, ipv4aas.fleet contributors
 * SPDX-License-Identifier: GPL-3.0-or-later
 * What both kinds of carriage write: the header of Ethernet, that of IPv6, the MSS of a SYN.
 */
#pragma once

#include "config.h"
#include "counters.h"
#include "ident.h"
#include "packet.h"

INLINE void write_ethernet(struct ethhdr *eth, const struct next_hop *hop, __be16 protocol)
{
	if (is_ours_to_send(hop)) {
		*(__u64 *)eth = *(const __u64 *)hop->destination;	/* and the start of the source */
		((__u32 *)eth)[2] = *(const __u32 *)(hop->source + 2);
	}
	((__be16 *)eth)[6] = protocol;
}

INLINE void write6(struct ipv6hdr *ip6, __u8 traffic_class, __u16 payload, __u8 next, __u8 hops,
		   const address6 *source, const address6 *destination)
{
	*(__be32 *)ip6 = bpf_htonl(6u << 28 | (__u32)traffic_class << 20);
	((__be32 *)ip6)[1] = bpf_htonl((__u32)payload << 16 | next << 8 | hops);
	write_address(&ip6->saddr, source);
	write_address(&ip6->daddr, destination);
}

/* RFC 4459 section 3.2: the sender of a SYN learns what fits. */
INLINE void clamp(context *c, __u32 offset, const struct packet4 *p)
{
	__u32 place;
	__be16 *mss;

	LEAVE_IF(!CONFIG.mss_clamp,);	/* by itself, so that the verifier takes all away where it is off */
	if (p->protocol != TCP || !(p->flags & 2))
		return;
	place = mss_option(c, offset);
	if (!place || place > 58)
		return;
	mss = at(c, offset + place, 2);
	if (!mss || bpf_ntohs(*mss) <= CONFIG.mss_clamp)
		return;
	replace_mss(c, offset, place, mss, bpf_htons(CONFIG.mss_clamp));
	count(mss_clamped, 0);
}

/* Where the kernel routes, it looks itself. */
INLINE bool is_too_big(const struct next_hop *hop, __u32 wire)
{
	return is_ours_to_send(hop) && wire > hop->mtu;
}

/* The next hop of a packet of `wire` octets, which has to fit; without one the kernel looks. */
INLINE int way6(context *c, const address6 *destination, __u32 wire, const struct next_hop **hop)
{
	int verdict = hop6(c, destination, hop);

	if (verdict)
		return verdict;
	return is_too_big(*hop, wire) ? punt_too_big : GO_ON;
}

INLINE int way4(context *c, __be32 destination, __u32 wire, const struct next_hop **hop)
{
	int verdict = hop4(c, destination, hop);

	if (verdict)
		return verdict;
	return is_too_big(*hop, wire) ? punt_too_big : GO_ON;
}

/* By the next hop; without one the kernel routes. */
INLINE int way_out(const struct next_hop *hop)
{
	return is_ours_to_send(hop) ? hop->device : TO_KERNEL;
}
