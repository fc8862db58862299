/* Copyright: (c) 2026, ipv4aas.fleet contributors
 * SPDX-License-Identifier: GPL-3.0-or-later
 * A packet at the ingress of tc: super-packets stay whole, checksums that hardware completes stay partial.
 */
#pragma once

#include "base.h"
#include "checksum.h"
#include "config.h"
#include "next_hop.h"

#include <linux/pkt_cls.h>

#ifndef BPF_F_ADJ_ROOM_DECAP_L3_IPV4
#define BPF_F_ADJ_ROOM_DECAP_L3_IPV4 (1ULL << 7)	/* since Linux 6.3 */
#endif

#define HOOK SEC("tc")
enum { HEADERS = L2 + HEADER6 + HEADER4 + 60 };	/* that are looked at */

typedef struct __sk_buff context;

INLINE void *data(context *c)
{
	return LOAD_POINTER(c, data);
}

INLINE void *data_end(context *c)
{
	return LOAD_POINTER(c, data_end);
}

INLINE __u32 length(context *c)
{
	return c->len;
}

/* Payload octets of each packet that a super-packet stands for; 0: it is a plain one. */
INLINE __u32 segment_size(context *c)
{
	return c->gso_size;
}

/* Packets that this one stands for; not fewer where the kernel has not counted them. */
INLINE __u32 segments(context *c)
{
	if (!c->gso_size)
		return 1;
	return c->gso_segs ?: c->len / c->gso_size + 1;
}

INLINE bool is_ours_to_take(context *c, const struct ethhdr *eth)
{
	/* PACKET_HOST: its MAC address is this host's. What has a VLAN tag is seen again at the VLAN's device. */
	return c->pkt_type == 0 && !c->vlan_present;
}

/* Up to the end of the transport header, as far as that can be seen. More is not pulled: payload beside the headers
 * costs a copy of them, and its receiver can no longer join the packet to the one before. */
INLINE __u32 headers(context *c)
{
	void *start = data(c), *end = data_end(c);
	__u32 place = L2;
	__u8 protocol = IPV4;

	if (start + L2 > end)
		return HEADERS;
	if (((__be16 *)start)[6] == bpf_htons(ETH_P_IPV6)) {
		if (start + place + HEADER6 > end)
			return HEADERS;
		protocol = ((struct ipv6hdr *)(start + L2))->nexthdr;
		place += HEADER6;
	}
	if (protocol == IPV4) {
		if (start + place + HEADER4 > end)
			return HEADERS;
		protocol = ((struct iphdr *)(start + place))->protocol;
		place += HEADER4;
	}
	if (protocol == UDP)
		return place + sizeof(struct udphdr);
	if (protocol != TCP || start + place + sizeof(struct tcphdr) > end)
		return HEADERS;
	return place + ((struct tcphdr *)(start + place))->doff * 4;
}

INLINE void make_linear(context *c)
{
	__u32 wanted = c->len < HEADERS ? c->len : HEADERS;

	if (LIKELY(data(c) + wanted <= data_end(c)))
		return;
	if (data(c) + headers(c) > data_end(c))
		bpf_skb_pull_data(c, wanted);
}

/* So that as many octets can be read; what was read before has to be looked for again. */
INLINE int pull(context *c, __u32 wanted)
{
	return data(c) + wanted > data_end(c) ? bpf_skb_pull_data(c, wanted) : 0;
}

/* Headers were changed by ourselves: where hardware gave a sum of the whole packet, it has to follow. */
INLINE void account(context *c, __s64 change)
{
	bpf_csum_update(c, after(0, change));
}

/* Cut what is behind the packet of layer 3: padding of Ethernet. */
INLINE int trim(context *c, __u32 wanted)
{
	if (c->len > wanted && !c->gso_size)
		return bpf_skb_change_tail(c, wanted, 0);
	return 0;
}

INLINE int push6(context *c)
{
	const __u64 how = BPF_F_ADJ_ROOM_ENCAP_L3_IPV6 | BPF_F_ADJ_ROOM_FIXED_GSO;

	return bpf_skb_adjust_room(c, HEADER6, BPF_ADJ_ROOM_MAC, how);
}

INLINE int take_outer(context *c)
{
	const __u64 how = BPF_F_ADJ_ROOM_DECAP_L3_IPV4 | BPF_F_ADJ_ROOM_FIXED_GSO;

	return bpf_skb_adjust_room(c, -HEADER6, BPF_ADJ_ROOM_MAC, how);
}

/* Before Linux 6.3: a change of the protocol takes the 20 octets that IPv6 has more, then the other 20 go. The
 * kernel has no reason left to refuse the second step: the packet is private, and an IPv4 header is there. */
INLINE int take_outer_in_two(context *c)
{
	if (bpf_skb_change_proto(c, bpf_htons(ETH_P_IP), 0))
		return -1;
	return bpf_skb_adjust_room(c, -HEADER4, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO);
}

INLINE int pop6(context *c)
{
	return CONFIG.old_decapsulation ? take_outer_in_two(c) : take_outer(c);
}

/* An IPv6 header in place of one of IPv4 that has no options, and back. Before Linux 5.14 this makes the pieces of
 * a super-packet as large as they were (gso_size changes by 20 octets). */
INLINE int grow(context *c)
{
	return bpf_skb_change_proto(c, bpf_htons(ETH_P_IPV6), 0);
}

INLINE int shrink(context *c)
{
	return bpf_skb_change_proto(c, bpf_htons(ETH_P_IP), 0);
}

/* Without a next hop the kernel routes the packet, finds the neighbour and counts the hop. Where it checks that
 * the way back to an IPv4 source is the device that the packet came in by, only the core can give it to it. */
INLINE int hop4(context *c, __be32 address, const struct next_hop **found)
{
	*found = CONFIG.redirect ? next_hop4(address) : NULL;
	return !*found && CONFIG.strict_sources ? punt_no_route : GO_ON;
}

INLINE int hop6(context *c, const address6 *address, const struct next_hop **found)
{
	*found = CONFIG.redirect ? next_hop6(address) : NULL;
	return GO_ON;
}

INLINE bool is_ours_to_send(const struct next_hop *hop)
{
	return hop;
}

INLINE int leave(context *c, int out)
{
	switch (out) {
	case UNTOUCHED:
		return TC_ACT_UNSPEC;
	case TO_KERNEL:
		return TC_ACT_OK;
	case SPOILT:
		return TC_ACT_SHOT;
	default:
		return bpf_redirect(out, 0);
	}
}

/* Another value of the MSS option; a partial checksum does not cover it yet. */
INLINE void replace_mss(context *c, __u32 offset, __u32 place, __be16 *mss, __be16 value)
{
	__be16 old = *mss;

	*mss = value;
	if (place & 1) {	/* its octets are in different words */
		old = __builtin_bswap16(old);
		value = __builtin_bswap16(value);
	}
	bpf_l4_csum_replace(c, offset + offsetof(struct tcphdr, check), old, value, 2);
}

/* Other ports or identifiers at a transport header; `addresses` is the change of what the checksum covers
 * beside it. The kernel knows which checksums are partial. */
INLINE void rewrite_transport(context *c, __u32 offset, const struct packet4 *p, const struct ends *to, __s64 addresses)
{
	const struct ends *ends = &p->ends;
	__u32 field = offset + (p->protocol == TCP ? 16 : p->protocol == UDP ? 6 : 2);
	__u64 keep_zero = p->protocol == UDP ? BPF_F_MARK_MANGLED_0 : 0;
	__u32 old = ends->source_port | (__u32)ends->destination_port << 16;
	__u32 new = to->source_port | (__u32)to->destination_port << 16;

	if (addresses)
		bpf_l4_csum_replace(c, field, 0, after(0, addresses), BPF_F_PSEUDO_HDR | keep_zero);
	if (p->protocol == ICMP) {
		bpf_l4_csum_replace(c, field, ends->source_port, to->source_port, 2);
		bpf_skb_store_bytes(c, offset + 4, &to->source_port, 2, 0);
		return;
	}
	if (old != new) {
		bpf_l4_csum_replace(c, field, old, new, 4 | keep_zero);
		bpf_skb_store_bytes(c, offset, &new, 4, 0);
	}
}

/* Another type of an echo. */
INLINE void retype(context *c, __u32 offset, __u8 old, __u8 new)
{
	bpf_l4_csum_replace(c, offset + 2, bpf_htons((__u16)old << 8), bpf_htons((__u16)new << 8), 2);
	bpf_skb_store_bytes(c, offset, &new, 1, 0);
}
