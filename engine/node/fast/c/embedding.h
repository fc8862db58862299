/* Copyright: (c) 2026, ipv4aas.fleet contributors
 * SPDX-License-Identifier: GPL-3.0-or-later
 * IPv4 addresses in IPv6 addresses (RFC 6052 section 2.2), as rfc6052.py.
 *
 * Lengths are constants of the program: of each function the verifier leaves a few instructions.
 */
#pragma once

#include "config.h"

struct block4 {
	__be32 address;
	__be32 mask;
};

const volatile struct block4 NOT_GLOBAL[24] = {};	/* RFC 6052 section 3.1; some may be there twice */

INLINE bool holds(const volatile struct embedding *embedding, const address6 *address)
{
	address6 prefix = read6(&embedding->prefix), mask = read6(&embedding->mask);

	return !(((address->part[0] ^ prefix.part[0]) & mask.part[0]) |
		 ((address->part[1] ^ prefix.part[1]) & mask.part[1]));
}

/* The suffix is 0. */
INLINE address6 embed(const volatile struct embedding *embedding, __be32 ipv4)
{
	address6 address = read6(&embedding->prefix);
	__u8 behind = embedding->length - 32;	/* bits behind octet u, if there are any before it */
	__u64 host = bpf_ntohl(ipv4);

	if (embedding->length == 96) {
		address.part[1] |= bpf_cpu_to_be64(host);
		return address;
	}
	address.part[0] |= bpf_cpu_to_be64(host >> behind);
	address.part[1] |= bpf_cpu_to_be64((host & ((1ull << behind) - 1)) << (56 - behind));
	return address;
}

/* Octet u and suffix are ignored. */
INLINE __be32 extract(const volatile struct embedding *embedding, const address6 *address)
{
	__u64 upper = bpf_be64_to_cpu(address->part[0]), lower = bpf_be64_to_cpu(address->part[1]);
	__u8 behind = embedding->length - 32;

	if (embedding->length == 96)
		return bpf_htonl((__u32)lower);
	return bpf_htonl((__u32)(upper << behind) | (__u32)(lower >> (56 - behind) & ((1ull << behind) - 1)));
}

/* The well-known prefix must not carry what is not global. */
INLINE bool may_carry(const volatile struct embedding *embedding, __be32 ipv4)
{
	int n;

	if (!embedding->only_global)
		return true;
#pragma unroll
	for (n = 0; n < 24; n++)
		if ((ipv4 & NOT_GLOBAL[n].mask) == NOT_GLOBAL[n].address)
			return false;
	return true;
}
