/* Copyright: (c) 2026, ipv4aas.fleet contributors
 * SPDX-License-Identifier: GPL-3.0-or-later
 * SA46T and SA46T-PR (draft-matsuhira-m46e-fp, -pr), as plane.py; SA46T-PT (-pt), as plane_rewrite.py.
 */
#pragma once

#include "encapsulation.h"
#include "networks.h"

/* What Packet Too Big has said: the core fills it, and empties it. */
struct path {
	__u64 until;		/* ns of the monotonic clock */
	__u32 mtu;
	__u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, address6);
	__type(value, struct path);
} paths SEC(".maps");

enum { LEAST_MTU = 1280 };	/* RFC 8200 section 5 */

/* The IPv6 address that stands for an IPv4 address (m46a section 3), and back. */
INLINE address6 plane_address(const address6 *base, __be32 ipv4)
{
	return (address6){ .part = { base->part[0], base->part[1] | bpf_cpu_to_be64(bpf_ntohl(ipv4)) } };
}

INLINE __be32 ipv4_of(const address6 *address)
{
	return bpf_htonl((__u32)bpf_be64_to_cpu(address->part[1]));
}

INLINE bool is_behind(const address6 *address, const address6 *base)
{
	return address->part[0] == base->part[0] && !(bpf_be64_to_cpu(address->part[1] ^ base->part[1]) >> 32);
}

/* What is known of an IPv4 address in the plane; NULL: no entry covers it. */
INLINE const struct network *in_plane(__be32 ipv4)
{
	const struct network *found = network_of(ipv4);

	return found && found->in_plane ? found : NULL;
}

INLINE bool fits_path(const address6 *far, __u32 octets)
{
	const struct path *path;

	if (octets <= LEAST_MTU)
		return true;
	path = bpf_map_lookup_elem(&paths, far);
	return !path || octets <= path->mtu || path->until <= bpf_ktime_get_ns();
}

/* From the stub network to the plane. */
INLINE int plane_from_native(context *c, int *out)
{
	address6 plane = read6(&CONFIG.plane);
	const struct network *target;
	struct outer outer = {};
	struct packet4 p = {};
	int verdict;

	verdict = read_native(c, &p, &target);
	if (verdict)
		return verdict;
	if (!target || !target->in_plane)
		return punt_unknown;
	outer.source = plane_address(&plane, p.ends.source);
	outer.destination = plane_address(&target->base, p.ends.destination);
	if (!fits_path(&outer.destination, p.wire + HEADER6))
		return punt_too_big;
	return encapsulate(c, &p, &p.ends, &outer, out);
}

/* From the plane to the stub network. */
INLINE int plane_from_softwire(context *c, int *out)
{
	address6 plane = read6(&CONFIG.plane), there;
	const struct network *found;
	struct packet4 p = {};
	struct outer outer;
	int verdict;

	verdict = read_outer(c, &outer);
	if (verdict)
		return verdict;
	if (!is_behind(&outer.destination, &plane))
		return FOREIGN;
	found = network_of(ipv4_of(&outer.destination));
	if (!found || !found->may_be_inside)
		return FOREIGN;
	verdict = read_inner(c, &outer, &p);
	if (verdict)
		return verdict;
	if (p.ends.destination != ipv4_of(&outer.destination))
		return punt_source;
	found = in_plane(p.ends.source);
	if (!found || found->inside)
		return punt_source;
	there = plane_address(&found->base, p.ends.source);
	if (!same6(&outer.source, &there))
		return punt_source;
	return decapsulate(c, &p, &p.ends, &outer, out);
}

/* The same two ends in the other domain; FOREIGN for what is not the node's to rewrite. */
INLINE int twin(const address6 *source, const address6 *destination, address6 *from, address6 *to)
{
	address6 fixed = read6(&CONFIG.plane), resolved = read6(&CONFIG.resolved);
	const struct network *sender = in_plane(ipv4_of(source));
	const struct network *receiver = in_plane(ipv4_of(destination));

	if (is_behind(destination, &fixed)) {
		if (!receiver)
			return punt_unknown;
		if (!is_behind(source, &fixed) || sender)
			return punt_source;
		*from = plane_address(&resolved, ipv4_of(source));
		*to = plane_address(&receiver->base, ipv4_of(destination));
		return GO_ON;
	}
	if (!is_behind(destination, &resolved))
		return FOREIGN;
	if (receiver)
		return punt_unknown;
	if (!sender || !is_behind(source, &sender->base))
		return punt_source;
	*from = plane_address(&fixed, ipv4_of(source));
	*to = plane_address(&fixed, ipv4_of(destination));
	return GO_ON;
}

/* Octets of the largest packet that this one stands for; 0: a super-packet of which that cannot be told. */
INLINE __u32 wire_size(context *c, __u32 payload)
{
	struct iphdr *ip = at(c, L2 + HEADER6, HEADER4);
	struct packet4 p = {};

	if (!segment_size(c))
		return HEADER6 + payload;
	return !ip || read4(c, ip, L2 + HEADER6, payload, &p) ? 0 : HEADER6 + p.wire;
}

/* From one domain to the other. What is inside is not read. */
INLINE int rewrite_prefixes(context *c, int *out)
{
	struct ipv6hdr *ip6 = at(c, L2, HEADER6);
	address6 source, destination, from, to;
	const struct next_hop *hop;
	struct ethhdr *eth;
	__u32 payload, wire;
	int verdict;

	if (!ip6)
		return FOREIGN;
	source = read_address(&ip6->saddr);
	destination = read_address(&ip6->daddr);
	verdict = twin(&source, &destination, &from, &to);
	if (verdict)
		return verdict;
	payload = bpf_ntohs(ip6->payload_len);
	if (ip6->version != 6 || !payload || payload > length(c) - L2 - HEADER6)
		return punt_malformed;
	if (ip6->nexthdr != IPV4)
		return punt_extension_header;
	verdict = hop6(c, &to, &hop);
	if (verdict)
		return verdict;
	if (is_ours_to_send(hop) && ip6->hop_limit <= 1)
		return punt_ttl;
	wire = wire_size(c, payload);
	if (!wire || is_too_big(hop, wire))
		return punt_too_big;
	if (trim(c, L2 + HEADER6 + payload))
		return punt_driver;
	eth = data(c);
	ip6 = (void *)(eth + 1);
	if ((void *)(ip6 + 1) > data_end(c))
		return punt_driver;
	write_ethernet(eth, hop, bpf_htons(ETH_P_IPV6));
	ip6->hop_limit -= is_ours_to_send(hop);
	write_address(&ip6->saddr, &from);
	write_address(&ip6->daddr, &to);
	*out = way_out(hop);
	return prefix_rewritten;
}
