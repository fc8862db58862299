/* Copyright: (c) 2026, ipv4aas.fleet contributors
 * SPDX-License-Identifier: GPL-3.0-or-later
 * Sums in one's complement (RFC 1071) and their changes (RFC 1624), in the order of the network.
 */
#pragma once

#include "base.h"

/* A sum below 2^40: behind the first step it is below 2^25, behind the second one below 0x10200. */
INLINE __u16 fold(__u64 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

INLINE __u64 sum4(__be32 address)
{
	return (__u64)address;
}

INLINE __u64 sum6(const address6 *address)
{
	__u64 a = address->part[0], b = address->part[1];

	return (a & 0xffffffff) + (a >> 32) + (b & 0xffffffff) + (b >> 32);
}

/* Sum of what is new less what was old: both are sums of words of up to 32 bits. */
INLINE __s64 change(__u64 old, __u64 new)
{
	return new - old;
}

/* A multiple of 0xffff, which is nothing in one's complement; more than 31 words of 32 bits are. */
#define NOTHING (0xffffull << 21)

/* A sum after changes of less than that. */
INLINE __u16 after(__u64 sum, __s64 changes)
{
	return fold(sum + NOTHING + changes);
}

/* A checksum after them. */
INLINE __sum16 changed(__sum16 check, __s64 changes)
{
	return ~after((__u16)~check, changes);
}

/* Of an IPv6 header. */
INLINE __u64 sum_header6(const struct ipv6hdr *ip6)
{
	const __u32 *word = (const __u32 *)ip6;
	__u64 sum = 0;
	int n;

#pragma unroll
	for (n = 0; n < HEADER6 / 4; n++)
		sum += word[n];
	return sum;
}

/* A header's checksum after its TTL went down by one (RFC 1141). */
INLINE __sum16 one_hop_less(__sum16 check)
{
	__u32 sum = (__u32)check + bpf_htons(0x0100);

	return sum + (sum >= 0xffff);
}

/* Whether a header of 20 octets has the checksum that it should have. Behind two steps such a sum is 0xffff: what is
 * more, by 7 at most, is another one. */
INLINE bool is_sound(const struct iphdr *ip)
{
	const __u32 *word = (const __u32 *)ip;
	__u64 sum = (__u64)word[0] + word[1] + word[2] + word[3] + word[4];

	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16) == 0xffff;
}
