/* Copyright: (c) 2026, ipv4aas.fleet contributors
 * SPDX-License-Identifier: GPL-3.0-or-later
 * Carriage by encapsulation (RFC 2473): an IPv4 packet behind an IPv6 header, and out again.
 */
#pragma once

#include "carriage.h"

struct outer {
	address6 source;
	address6 destination;
	__u16 payload;
	__u8 next;
	__u8 traffic_class;
};

enum { HOP_LIMIT = 64 };

/* Own tunnel addresses beside that of the service. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, address6);
	__type(value, __u8);
} ends SEC(".maps");

/* The IPv6 header at L2. FOREIGN: there is none. */
INLINE int read_outer(context *c, struct outer *outer)
{
	struct ipv6hdr *ip6;

	HAVE(ip6, c, L2, HEADER6, FOREIGN);
	outer->destination = read_address(&ip6->daddr);
	outer->source = read_address(&ip6->saddr);
	outer->traffic_class = bpf_ntohl(*(__be32 *)ip6) >> 20;
	outer->payload = bpf_ntohs(ip6->payload_len);
	outer->next = ip6->nexthdr;
	return GO_ON;
}

/* The IPv4 packet behind it. */
INLINE int read_inner(context *c, const struct outer *outer, struct packet4 *p)
{
	struct iphdr *ip;

	LEAVE_IF(outer->next != IPV4 || outer->payload > length(c) - L2 - HEADER6, punt_extension_header);
	HAVE(ip, c, L2 + HEADER6, HEADER4, punt_malformed);
	return read4(c, ip, L2 + HEADER6, outer->payload, p);
}

/* Both, of a softwire that ends here: a gateway has the addresses of the service and its subscribers, an edge one.
 * FOREIGN: it ends elsewhere. */
INLINE int read_softwire(context *c, struct outer *outer, struct packet4 *p)
{
	address6 end = read6(&CONFIG.end);
	int verdict = read_outer(c, outer);

	if (verdict)
		return verdict;
	if (!same6(&outer->destination, &end)) {
		address6 other = outer->destination;

		if (!CONFIG.more_ends || !bpf_map_lookup_elem(&ends, &other))
			return FOREIGN;
	}
	return read_inner(c, outer, p);
}

/* What the tunnel's mark does to the inner one (RFC 6040 section 4.2); both ends of DS-Lite take the DSCP of the
 * outer header (RFC 6333 section 7.1). */
INLINE int inner_tos(const struct outer *outer, __u8 tos)
{
	__u8 mark = outer->traffic_class & 3, inner = tos & 3;

	if (CONFIG.mapping == BY_SESSION)
		tos = (outer->traffic_class & ~3) | inner;
	if (UNLIKELY(mark & 1) && (mark == 3 || inner == 2))
		tos = (tos & ~3) | mark;
	return tos;
}

/* Whether a mark of the tunnel is for a sender who does not understand it. */
INLINE bool is_lost(const struct outer *outer, __u8 tos)
{
	return (outer->traffic_class & 3) == 3 && !(tos & 3);
}

/* Senders that share an address have one Identification after the other, where it matters: those behind a gateway
 * on its way out, those who have parts of one port space on theirs into the domain. The change of the header's sum. */
INLINE __s64 renumber(context *c, struct iphdr *ip, const struct packet4 *p, enum role role)
{
	bool shares = role == EDGE ? CONFIG.customer.psid_length : CONFIG.mapping == BY_SESSION;
	__be16 before = ip->id;

	if (CONFIG.role != role || !shares || p->fragment & bpf_htons(DF) || segment_size(c))
		return 0;
	ip->id = role == EDGE ? own_identification() : next_identification(1);
	return change(before, ip->id);
}

/* What a forwarded packet, whose header is `ip` at `offset`, gets in place: TTL, TOS, other ends, and another
 * Identification on its way out of here as who has this role; checksums follow. */
INLINE void edit4(context *c, struct iphdr *ip, __u32 offset, const struct packet4 *p, const struct ends *to, __u8 tos,
		  __u8 hops, enum role role)
{
	__s64 addresses, more = renumber(c, ip, p, role);

	if (!more && to == &p->ends && tos == p->tos) {	/* most packets where nothing is translated */
		if (hops) {
			ip->check = one_hop_less(ip->check);
			ip->ttl = p->ttl - 1;
		}
		return;
	}
	addresses = change(sum4(p->ends.source) + sum4(p->ends.destination),
			   sum4(to->source) + sum4(to->destination));
	more += change(bpf_htons(p->tos) + bpf_htons((__u16)p->ttl << 8),
		       bpf_htons(tos) + bpf_htons((__u16)(p->ttl - hops) << 8));
	ip->check = changed(ip->check, more + addresses);
	ip->tos = tos;
	ip->ttl = p->ttl - hops;
	ip->saddr = to->source;
	ip->daddr = to->destination;
	if (to != &p->ends)
		rewrite_transport(c, offset + HEADER4, p, to, p->protocol == ICMP ? 0 : addresses);
}

/* Into the domain. `to`: the ends that the packet gets, &p->ends where they stay. */
INLINE int encapsulate(context *c, const struct packet4 *p, const struct ends *to, const struct outer *outer,
		       int *out)
{
	const struct next_hop *hop;
	struct ethhdr *eth;
	struct ipv6hdr *ip6;
	int verdict;

	if (p->wire + HEADER6 > CONFIG.ipv6_mtu)
		return punt_too_big;
	verdict = way6(c, &outer->destination, p->wire + HEADER6, &hop);
	if (verdict)
		return verdict;
	if (trim(c, L2 + p->total) || push6(c))
		return punt_driver;
	*out = SPOILT;	/* from here on it cannot be given back */
	HAVE(eth, c, 0, L2 + HEADER6 + HEADER4, punt_driver);
	ip6 = (void *)(eth + 1);
	write_ethernet(eth, hop, bpf_htons(ETH_P_IPV6));
	write6(ip6, p->tos, p->total, IPV4, HOP_LIMIT, &outer->source, &outer->destination);
	account(c, sum_header6(ip6));
	/* Where the kernel forwards the result it counts the outer hop. */
	edit4(c, (void *)(ip6 + 1), L2 + HEADER6, p, to, p->tos, 1, EDGE);
	clamp(c, L2 + HEADER6 + HEADER4, p);
	*out = way_out(hop);
	return encapsulated;
}

/* Out of the domain. */
INLINE int decapsulate(context *c, const struct packet4 *p, const struct ends *to, const struct outer *outer,
		       int *out)
{
	__u8 tos = inner_tos(outer, p->tos);
	const struct next_hop *hop;
	struct ethhdr *eth;
	int verdict;

	if (is_lost(outer, p->tos))
		return punt_congestion;
	verdict = way4(c, to->destination, p->wire, &hop);
	if (verdict)
		return verdict;
	if (trim(c, L2 + HEADER6 + p->total) || pop6(c))
		return punt_driver;
	*out = SPOILT;
	HAVE(eth, c, 0, L2 + HEADER4, punt_driver);
	write_ethernet(eth, hop, bpf_htons(ETH_P_IP));
	edit4(c, (void *)(eth + 1), L2, p, to, tos, is_ours_to_send(hop), GATEWAY);
	clamp(c, L2 + HEADER4, p);
	*out = way_out(hop);
	return decapsulated;
}

/* From one customer to another: other outer addresses, in place. */
INLINE int turn(context *c, const struct packet4 *p, const struct ends *to, const struct outer *from,
		const struct outer *onward, int *out)
{
	__u8 tos = inner_tos(from, p->tos);
	const struct next_hop *hop;
	struct ethhdr *eth;
	struct ipv6hdr *ip6;
	__u64 before;
	int verdict;

	if (!CONFIG.hairpinning)
		return punt_hairpin;
	if (is_lost(from, p->tos))
		return punt_congestion;
	if (p->wire + HEADER6 > CONFIG.ipv6_mtu)
		return punt_too_big;
	verdict = way6(c, &onward->destination, p->wire + HEADER6, &hop);
	if (verdict)
		return verdict;
	if (trim(c, L2 + HEADER6 + p->total))
		return punt_driver;
	HAVE(eth, c, 0, L2 + HEADER6 + HEADER4, punt_driver);
	ip6 = (void *)(eth + 1);
	before = sum_header6(ip6);
	write_ethernet(eth, hop, bpf_htons(ETH_P_IPV6));
	write6(ip6, tos, p->total, IPV4, HOP_LIMIT, &onward->source, &onward->destination);
	account(c, change(before, sum_header6(ip6)));
	edit4(c, (void *)(ip6 + 1), L2 + HEADER6, p, to, tos, 1, GATEWAY);
	clamp(c, L2 + HEADER6 + HEADER4, p);
	count(hairpinned, L2 + HEADER6 + p->total);
	count(encapsulated, 0);
	*out = way_out(hop);
	return decapsulated;
}

/* From one inside host to another, who sees its outside address: in place. */
INLINE int turn4(context *c, const struct packet4 *p, const struct ends *to, int *out)
{
	const struct next_hop *hop;
	struct ethhdr *eth;
	int verdict;

	verdict = way4(c, to->destination, p->wire, &hop);
	if (verdict)
		return verdict;
	if (trim(c, L2 + p->total))
		return punt_driver;
	HAVE(eth, c, 0, L2 + HEADER4, punt_driver);
	write_ethernet(eth, hop, bpf_htons(ETH_P_IP));
	edit4(c, (void *)(eth + 1), L2, p, to, p->tos, is_ours_to_send(hop), EDGE);
	clamp(c, L2 + HEADER4, p);
	*out = way_out(hop);
	return hairpinned;
}
