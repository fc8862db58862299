/* Copyright: (c) 2026, ipv4aas.fleet contributors
 * SPDX-License-Identifier: GPL-3.0-or-later
 * A packet as both hooks see it, and the IPv4 packet that is carried.
 */
#pragma once

#include "base.h"	/* and hook_tc.h or hook_xdp.h before it: context, data(), length(), ... */
#include "checksum.h"

INLINE void *at(context *c, __u32 offset, __u32 size)
{
	void *start = data(c) + offset;

	return start + size <= data_end(c) ? start : NULL;
}

/* The same; leaves a function where the octets are not there. */
#define HAVE(pointer, c, offset, size, verdict)                                           \
	do {                                                                              \
		(pointer) = data(c) + (offset);                                           \
		LEAVE_IF((void *)(pointer) + (size) > data_end(c), verdict);              \
	} while (0)

/* As in the core (ipv4.is_unicast): may be a source or destination. */
INLINE bool is_unicast4(__be32 address)
{
	__u32 first = *(const __u8 *)&address;

	return first - 1 < 223 && first != 127;
}

/* Transport header at a constant offset: flags and ports of TCP, UDP and echoes; all else has neither. */
INLINE int read_transport(context *c, __u32 offset, __u32 size, struct packet4 *p, __u8 request, __u8 reply)
{
	if (p->protocol == TCP) {
		struct tcphdr *tcp;

		HAVE(tcp, c, offset, sizeof(*tcp), punt_malformed);
		LEAVE_IF(size < tcp->doff * 4 || tcp->doff < 5, punt_malformed);
		p->ends.source_port = tcp->source;
		p->ends.destination_port = tcp->dest;
		p->flags = ((__u8 *)tcp)[13];
		p->check = tcp->check;
		if (segment_size(c))
			p->wire = p->total - size + tcp->doff * 4 + segment_size(c);
	} else if (p->protocol == UDP) {
		struct udphdr *udp;

		LEAVE_IF(size < sizeof(*udp), punt_malformed);
		HAVE(udp, c, offset, sizeof(*udp), punt_malformed);
		p->ends.source_port = udp->source;
		p->ends.destination_port = udp->dest;
		p->check = udp->check;
		if (segment_size(c))
			p->wire = p->total - size + sizeof(*udp) + segment_size(c);
	} else {
		__u8 *icmp;

		LEAVE_IF(p->protocol != ICMP, punt_protocol);
		LEAVE_IF(size < 8, punt_malformed);
		HAVE(icmp, c, offset, 8, punt_malformed);
		LEAVE_IF((icmp[0] != request && icmp[0] != reply) || icmp[1] || segment_size(c), punt_protocol);
		p->flags = icmp[0];
		p->check = *(__be16 *)(icmp + 2);
		p->ends.source_port = p->ends.destination_port = *(__be16 *)(icmp + 4);
	}
	if (p->wire > p->total)
		p->wire = p->total;
	return GO_ON;
}

/* The IPv4 packet whose header is at a constant offset, of which `room` octets are there: whole, without options,
 * of a protocol that has ports or is an echo. Everything else is the core's. */
INLINE int read4(context *c, const struct iphdr *ip, __u32 offset, __u32 room, struct packet4 *p)
{
	if (*(__u8 *)ip != 0x45)
		return ip->version == 4 && ip->ihl > 5 ? punt_options : punt_malformed;
	p->total = bpf_ntohs(ip->tot_len);
	LEAVE_IF(p->total < HEADER4 || p->total > room || !is_sound(ip), punt_malformed);
	LEAVE_IF(ip->frag_off & bpf_htons(MF | OFFSET), punt_fragment);
	p->wire = p->total;
	p->fragment = ip->frag_off;
	p->protocol = ip->protocol;
	p->tos = ip->tos;
	p->ttl = ip->ttl;
	p->ends.source = ip->saddr;
	p->ends.destination = ip->daddr;
	LEAVE_IF(p->ttl <= 1, punt_ttl);
	LEAVE_IF(!is_unicast4(p->ends.source) || !is_unicast4(p->ends.destination), punt_martian);
	return read_transport(c, offset + HEADER4, p->total - HEADER4, p, 8, 0);
}

/* Where the MSS of a SYN is, behind the TCP header's start; 0 where there is none. A global function is verified once,
 * not for each way that leads to it. */
__noinline __u32 mss_option(context *c, __u32 offset)
{
	struct tcphdr *tcp;
	__u32 place = sizeof(*tcp), end;
	int step;

	if (offset > L2 + HEADER6 + HEADER4)	/* for the verifier */
		return 0;
	tcp = at(c, offset, sizeof(*tcp));
	if (!tcp)
		return 0;
	end = tcp->doff * 4;
#pragma unroll
	for (step = 0; step < 12; step++) {
		__u8 *option = at(c, offset + place, 2);

		if (!option || place + 1 >= end || place > 58)
			return 0;
		if (option[0] == 2)
			return option[1] == 4 && place + 4 <= end ? place + 2 : 0;
		if (option[0] == 0)
			return 0;
		if (option[0] == 1) {
			place++;
			continue;
		}
		if (option[1] < 2)
			return 0;
		place += option[1];
	}
	return 0;
}
