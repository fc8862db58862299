/* Copyright: (c) 2026, ipv4aas.fleet contributors
 * SPDX-License-Identifier: GPL-3.0-or-later
 * A packet in the driver: no super-packets, all checksums complete.
 */
#pragma once

#include "base.h"
#include "checksum.h"
#include "config.h"
#include "next_hop.h"

#define HOOK SEC("xdp")

typedef struct xdp_md context;

INLINE void *data(context *c)
{
	return LOAD_POINTER(c, data);
}

INLINE void *data_end(context *c)
{
	return LOAD_POINTER(c, data_end);
}

INLINE __u64 length(context *c)
{
	return data_end(c) - data(c);
}

INLINE __u32 segment_size(context *c)
{
	return 0;
}

INLINE bool is_ours_to_take(context *c, const struct ethhdr *eth)
{
	return !(eth->h_dest[0] & 1);	/* neither multicast nor broadcast */
}

/* Packets that this one stands for. */
INLINE __u32 segments(context *c)
{
	return 1;
}

INLINE void make_linear(context *c)
{
}

/* So that as many octets can be read. */
INLINE int pull(context *c, __u32 wanted)
{
	return 0;
}

/* Headers were changed beside what the helpers of tc know: here nobody else has a sum of the packet. */
INLINE void account(context *c, __s64 change)
{
}

INLINE int trim(context *c, __u32 wanted)
{
	__u32 there = length(c);

	return there > wanted ? bpf_xdp_adjust_tail(c, (int)wanted - (int)there) : 0;
}

INLINE int push6(context *c)
{
	return bpf_xdp_adjust_head(c, -HEADER6);
}

INLINE int pop6(context *c)
{
	return bpf_xdp_adjust_head(c, HEADER6);
}

/* An IPv6 header in place of one of IPv4 that has no options, and back. */
INLINE int grow(context *c)
{
	return bpf_xdp_adjust_head(c, HEADER4 - HEADER6);
}

INLINE int shrink(context *c)
{
	return bpf_xdp_adjust_head(c, HEADER6 - HEADER4);
}

/* Devices that take packets from XDP, by their own numbers (kept by the daemon). */
struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, __u32);
} xdp_devices SEC(".maps");

/* A function of its own: what it asks with would lie on the stack of every way a packet goes. */
static __noinline int look_up(context *c, const address6 *address6, __be32 address4, struct next_hop *found)
{
	struct bpf_fib_lookup fib = { .family = address6 ? 10 : 2, .ifindex = c->ingress_ifindex };

	if (address6)
		__builtin_memcpy(fib.ipv6_dst, address6, sizeof(*address6));
	else
		fib.ipv4_dst = address4;
	if (bpf_fib_lookup(c, &fib, sizeof(fib), 0) != BPF_FIB_LKUP_RET_SUCCESS)
		return punt_no_route;
	if (CONFIG.only_xdp_devices && !bpf_map_lookup_elem(&xdp_devices, &fib.ifindex))
		return punt_no_route;
	found->device = fib.ifindex;
	found->mtu = 65535;	/* fib.mtu_result: the look-up has checked it */
	__builtin_memcpy(found->destination, fib.dmac, ETH_ALEN);
	__builtin_memcpy(found->source, fib.smac, ETH_ALEN);
	return GO_ON;
}

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct next_hop);
} looked_up SEC(".maps");

INLINE int ask_kernel(context *c, const address6 *address6, __be32 address4, const struct next_hop **found)
{
	__u32 zero = 0;
	struct next_hop *hop = bpf_map_lookup_elem(&looked_up, &zero);

	*found = hop;
	return hop ? look_up(c, address6, address4, hop) : punt_driver;
}

INLINE int hop4(context *c, __be32 address, const struct next_hop **found)
{
	*found = next_hop4(address);
	return LIKELY(*found) ? GO_ON : ask_kernel(c, NULL, address, found);
}

INLINE int hop6(context *c, const address6 *address, const struct next_hop **found)
{
	*found = next_hop6(address);
	return LIKELY(*found) ? GO_ON : ask_kernel(c, address, 0, found);
}

/* Always: what only the kernel can route is not taken here. */
INLINE bool is_ours_to_send(const struct next_hop *hop)
{
	return true;
}

/* The last step: a call loses what the CPU has begun, so nothing is left to be done behind it. */
INLINE int leave(context *c, int out)
{
	if (UNLIKELY(out <= UNTOUCHED))
		return out == UNTOUCHED ? XDP_PASS : XDP_DROP;
	if (out == c->ingress_ifindex)
		return XDP_TX;
	/* The kernel finds a device in the map sooner than by its number. */
	if (LIKELY(bpf_redirect_map(&xdp_devices, out, XDP_PASS) == XDP_REDIRECT))
		return XDP_REDIRECT;
	return bpf_redirect(out, 0);
}

/* Another value of the MSS option. */
INLINE void replace_mss(context *c, __u32 offset, __u32 place, __be16 *mss, __be16 value)
{
	struct tcphdr *tcp = data(c) + offset;
	__be16 old = *mss;

	if ((void *)(tcp + 1) > data_end(c))
		return;
	*mss = value;
	if (place & 1) {	/* its octets are in different words */
		old = __builtin_bswap16(old);
		value = __builtin_bswap16(value);
	}
	tcp->check = changed(tcp->check, change(old, value));
}

/* Other ports or identifiers at a transport header; `addresses` is the change of what the checksum covers
 * beside it. */
INLINE void rewrite_transport(context *c, __u32 offset, const struct packet4 *p, const struct ends *to, __s64 addresses)
{
	__u8 *start = data(c) + offset;
	__s64 more = addresses + change((__u64)p->ends.source_port + p->ends.destination_port,
					(__u64)to->source_port + to->destination_port);

	if (p->protocol == TCP) {
		struct tcphdr *tcp = (void *)start;

		if ((void *)(tcp + 1) > data_end(c))
			return;
		tcp->source = to->source_port;
		tcp->dest = to->destination_port;
		tcp->check = changed(tcp->check, more);
	} else if (p->protocol == UDP) {
		struct udphdr *udp = (void *)start;

		if ((void *)(udp + 1) > data_end(c))
			return;
		udp->source = to->source_port;
		udp->dest = to->destination_port;
		if (udp->check)
			udp->check = changed(udp->check, more) ?: 0xffff;
	} else if (start + 8 <= (__u8 *)data_end(c)) {
		*(__be16 *)(start + 4) = to->source_port;
		*(__be16 *)(start + 2) = changed(*(__be16 *)(start + 2),
						 addresses + change(p->ends.source_port, to->source_port));
	}
}

/* Another type of an echo. */
INLINE void retype(context *c, __u32 offset, __u8 old, __u8 new)
{
	__u8 *icmp = data(c) + offset;

	if (icmp + 4 > (__u8 *)data_end(c))
		return;
	*icmp = new;
	*(__be16 *)(icmp + 2) = changed(*(__be16 *)(icmp + 2),
					change(bpf_htons((__u16)old << 8), bpf_htons((__u16)new << 8)));
}
