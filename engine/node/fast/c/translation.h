/* Copyright: (c) 2026, ipv4aas.fleet contributors
 * SPDX-License-Identifier: GPL-3.0-or-later
 * Carriage by translation (RFC 7915): an IPv4 header in place of an IPv6 header, and back.
 */
#pragma once

#include "carriage.h"

/* Both addresses of an IPv6 packet. */
struct ends6 {
	address6 source;
	address6 destination;
};

enum { GROWTH = HEADER6 - HEADER4 };
enum { LARGEST_WITHOUT_DF = 1260 };	/* octets of an IPv4 packet (RFC 7915 section 5.1) */
enum { HOP_BY_HOP = 0, ROUTING = 43, FRAGMENT = 44, DESTINATION = 60 };
enum { ECHO_REQUEST6 = 128, ECHO_REPLY6 = 129 };
enum { LONGEST_ECHO = 1500 };		/* octets of an ICMPv6 message whose checksum is looked at */

/* Whether the ICMPv6 message behind an IPv6 header has the checksum that the core asks for. */
INLINE bool is_sealed(context *c, const struct ends6 *ends)
{
	struct ipv6hdr *ip6 = at(c, L2, HEADER6);
	__u32 size, place;
	__u64 sum;

	if (!ip6)
		return false;
	/* Read once more, so that the verifier does not tell the packets apart by it behind the loop. */
	size = bpf_ntohs(*(volatile __be16 *)&ip6->payload_len);
	if (size > LONGEST_ECHO || pull(c, L2 + HEADER6 + size))
		return false;
	sum = sum6(&ends->source) + sum6(&ends->destination) + bpf_htonl(size) + bpf_htonl(ICMPV6);
	for (place = 0; place < LONGEST_ECHO; place += 2) {
		__u8 *octet = at(c, L2 + HEADER6 + place, 1);

		if (place >= size || !octet)
			break;
		if (place + 1 == size) {
			sum += bpf_htons((__u16)*octet << 8);
			break;
		}
		if ((void *)(octet + 2) > data_end(c))
			break;
		sum += *(__be16 *)octet;
	}
	return fold(sum) == 0xffff;
}

/* An IPv6 packet at L2, without extension headers, of a protocol that has ports or is an echo: its addresses, and
 * all else as of the IPv4 packet that it stands for, but that the type of an echo is that of ICMPv6. */
INLINE int read_ipv6(context *c, const struct ipv6hdr *ip6, struct ends6 *ends, struct packet4 *p)
{
	__u32 payload, first;
	int verdict;

	ends->source = read_address(&ip6->saddr);
	ends->destination = read_address(&ip6->daddr);
	first = bpf_ntohl(*(__be32 *)ip6);
	payload = bpf_ntohs(ip6->payload_len);
	if (first >> 28 != 6 || payload > length(c) - L2 - HEADER6)
		return punt_malformed;
	if (payload > 65535 - HEADER4)
		return punt_too_big;
	p->ends.source = p->ends.destination = 0;
	p->total = p->wire = HEADER4 + payload;
	p->fragment = 0;
	p->protocol = ip6->nexthdr == ICMPV6 ? ICMP : ip6->nexthdr;
	p->tos = first >> 20 & 0xff;
	p->ttl = ip6->hop_limit;
	if (p->ttl <= 1)
		return punt_ttl;
	switch (ip6->nexthdr) {
	case TCP:
	case UDP:
	case ICMPV6:
		break;
	case FRAGMENT:
		return punt_fragment;
	case HOP_BY_HOP:
	case ROUTING:
	case DESTINATION:
		return punt_extension_header;
	default:
		return punt_protocol;
	}
	verdict = read_transport(c, L2 + HEADER6, payload, p, ECHO_REQUEST6, ECHO_REPLY6);
	if (verdict)
		return verdict;
	return p->protocol != ICMP || is_sealed(c, ends) ? GO_ON : punt_malformed;
}

/* Whether a ping is for the node itself, and not for a host that it stands for. */
INLINE bool asks_node(const struct packet4 *p, const address6 *destination, const volatile address6 *node)
{
	address6 own = read6(node);

	return p->protocol == ICMP && p->flags == ECHO_REQUEST6 && same6(destination, &own);
}

/* Largest IPv6 packet that an IPv4 packet may become: without DF it would be cut (RFC 7915 section 4). */
INLINE __u16 ipv6_limit(bool df)
{
	return df ? CONFIG.ipv6_mtu : CONFIG.cut_to;
}

/* Whether a datagram of UDP has no checksum, and IPv6 must have one (RFC 7915 section 4.5). */
INLINE bool lacks_checksum(const struct packet4 *p)
{
	return p->protocol == UDP && !p->check && !CONFIG.keep_no_checksum;
}

/* Into the domain: an IPv4 packet at L2. `to`: the ends that it gets before, &p->ends where they stay; of them
 * the ports matter. */
INLINE int to6(context *c, const struct packet4 *p, const struct ends *to, const struct ends6 *onward, int *out)
{
	__u8 next = p->protocol == ICMP ? ICMPV6 : p->protocol;
	__u32 wire = p->wire + GROWTH;
	__u16 payload = p->total - HEADER4;
	const struct next_hop *hop;
	struct ethhdr *eth;
	struct ipv6hdr *ip6;
	__s64 pseudo;
	int verdict;

	if (wire > ipv6_limit(p->fragment & bpf_htons(DF)))
		return punt_too_big;
	if (lacks_checksum(p))
		return punt_no_checksum;
	verdict = way6(c, &onward->destination, wire, &hop);
	if (verdict)
		return verdict;
	if (trim(c, L2 + p->total) || grow(c))
		return punt_driver;
	*out = SPOILT;	/* from here on it cannot be given back */
	eth = data(c);
	ip6 = (void *)(eth + 1);
	if ((void *)(ip6 + 1) > data_end(c))
		return punt_driver;
	write_ethernet(eth, hop, bpf_htons(ETH_P_IPV6));
	write6(ip6, p->tos, payload, next, p->ttl - is_ours_to_send(hop), &onward->source, &onward->destination);
	account(c, sum_header6(ip6));
	pseudo = sum6(&onward->source) + sum6(&onward->destination);
	if (p->protocol == ICMP)
		pseudo = change(0, pseudo + bpf_htons(payload) + bpf_htons(ICMPV6));
	else
		pseudo = change(sum4(p->ends.source) + sum4(p->ends.destination), pseudo);
	rewrite_transport(c, L2 + HEADER6, p, to, pseudo);
	if (p->protocol == ICMP)
		retype(c, L2 + HEADER6, p->flags, p->flags == ECHO_REQUEST ? ECHO_REQUEST6 : ECHO_REPLY6);
	clamp(c, L2 + HEADER6, p);
	*out = way_out(hop);
	return encapsulated;
}

/* The IPv4 header of a packet that had none. */
INLINE void write4(struct iphdr *ip, const struct packet4 *p, const struct ends *to, __be16 identification, __u8 ttl)
{
	/* The sum is one of registers: a load of what was just stored in parts would wait for it. */
	__u16 flags = p->wire > LARGEST_WITHOUT_DF ? DF : 0;
	__be32 first = bpf_htonl(0x45000000 | (__u32)p->tos << 16 | p->total);
	__be32 second = bpf_htonl((__u32)bpf_ntohs(identification) << 16 | flags);
	__be32 third = bpf_htonl((__u32)ttl << 24 | (__u32)p->protocol << 16);

	((__be32 *)ip)[0] = first;
	((__be32 *)ip)[1] = second;
	((__be32 *)ip)[2] = third;
	ip->saddr = to->source;
	ip->daddr = to->destination;
	ip->check = ~fold((__u64)first + second + third + to->source + to->destination);
}

/* Out of the domain: an IPv6 packet at L2, which read_ipv6() read. `to`: addresses and ports that it gets. */
INLINE int to4(context *c, const struct packet4 *p, const struct ends6 *from, const struct ends *to, int *out)
{
	__u16 payload = p->total - HEADER4;
	__be16 identification = 0;
	const struct next_hop *hop;
	struct ethhdr *eth;
	struct iphdr *ip;
	__s64 pseudo;
	int verdict;

	if (!is_unicast4(to->source) || !is_unicast4(to->destination))
		return punt_martian;
	/* A message of zeros alone has another checksum than the arithmetic says. */
	if (p->protocol == ICMP && p->flags == ECHO_REPLY6 && !to->source_port)
		return punt_protocol;
	verdict = way4(c, to->destination, p->wire, &hop);
	if (verdict)
		return verdict;
	/* What is never cut needs none, and without one GRO finds its neighbours (RFC 6864 section 4.1). */
	if (p->wire <= LARGEST_WITHOUT_DF)
		identification = next_identification(segments(c));
	if (trim(c, L2 + GROWTH + p->total) || shrink(c))
		return punt_driver;
	*out = SPOILT;
	eth = data(c);
	ip = (void *)(eth + 1);
	if ((void *)(ip + 1) > data_end(c))
		return punt_driver;
	write_ethernet(eth, hop, bpf_htons(ETH_P_IP));
	write4(ip, p, to, identification, p->ttl - is_ours_to_send(hop));
	/* Its own sum is 0; the kernel has taken account of the octets that went, not of those written over. */
	account(c, change((from->source.part[1] >> 32) + sum6(&from->destination), 0));
	pseudo = sum6(&from->source) + sum6(&from->destination);
	if (p->protocol == ICMP)
		pseudo = change(pseudo + bpf_htons(payload) + bpf_htons(ICMPV6), 0);
	else
		pseudo = change(pseudo, sum4(to->source) + sum4(to->destination));
	rewrite_transport(c, L2 + HEADER4, p, to, pseudo);
	if (p->protocol == ICMP)
		retype(c, L2 + HEADER4, p->flags, p->flags == ECHO_REQUEST6 ? ECHO_REQUEST : ECHO_REPLY);
	clamp(c, L2 + HEADER4, p);
	*out = way_out(hop);
	return decapsulated;
}

/* From one customer to another: as to4() and then to6(), in place. `between`: addresses and ports that the IPv4
 * packet in between would have. */
INLINE int turn6(context *c, const struct packet4 *p, const struct ends6 *from, const struct ends *between,
		 const struct ends6 *onward, int *out)
{
	__u32 wire = p->wire + GROWTH;
	const struct next_hop *hop;
	struct ethhdr *eth;
	struct ipv6hdr *ip6;
	__u64 before;
	int verdict;

	if (!CONFIG.hairpinning)
		return punt_hairpin;
	if (!is_unicast4(between->source) || !is_unicast4(between->destination))
		return punt_martian;
	if (wire > ipv6_limit(p->wire > LARGEST_WITHOUT_DF))
		return punt_too_big;
	if (lacks_checksum(p))
		return punt_no_checksum;
	verdict = way6(c, &onward->destination, wire, &hop);
	if (verdict)
		return verdict;
	if (trim(c, L2 + GROWTH + p->total))
		return punt_driver;
	eth = data(c);
	ip6 = (void *)(eth + 1);
	if ((void *)(ip6 + 1) > data_end(c))
		return punt_driver;
	before = sum_header6(ip6);
	write_ethernet(eth, hop, bpf_htons(ETH_P_IPV6));
	write6(ip6, p->tos, p->total - HEADER4, ip6->nexthdr, p->ttl - is_ours_to_send(hop), &onward->source,
	       &onward->destination);
	account(c, change(before, sum_header6(ip6)));
	rewrite_transport(c, L2 + HEADER6, p, between,
			  change(sum6(&from->source) + sum6(&from->destination),
				 sum6(&onward->source) + sum6(&onward->destination)));
	clamp(c, L2 + HEADER6, p);
	count(hairpinned, 0);
	count(encapsulated, 0);
	*out = way_out(hop);
	return decapsulated;
}
