/* Copyright: (c) 2026, ipv4aas.fleet contributors
 * SPDX-License-Identifier: GPL-3.0-or-later
 * Explicit address mappings (RFC 7757), as eam.py; in each direction the longest match counts.
 */
#pragma once

#include "config.h"
#include "mapping.h"
#include "next_hop.h"

/* Where both prefixes of an entry begin, and how far up the IPv4 suffix moves. */
struct explicit {
	address6 ipv6;
	__be32 ipv4;
	__u32 shift;		/* 0..128 */
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct prefix4);
	__type(value, struct explicit);
} explicit4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct route6);
	__type(value, struct explicit);
} explicit6 SEC(".maps");

/* The IPv6 address of an IPv4 address: prefix, IPv4 suffix, zeros. False without an entry. */
INLINE bool explicit_to6(__be32 ipv4, address6 *ipv6)
{
	struct prefix4 key = { .length = 32, .address = ipv4 };
	const struct explicit *found;
	__u64 suffix, upper, lower;

	if (!CONFIG.explicit)
		return false;
	found = bpf_map_lookup_elem(&explicit4, &key);
	if (!found)
		return false;
	suffix = bpf_ntohl(ipv4 ^ found->ipv4);
	if (found->shift < 64) {
		lower = suffix << found->shift;
		upper = found->shift ? suffix >> (64 - found->shift) : 0;
	} else {
		lower = 0;
		upper = suffix << (found->shift & 63);	/* 128: a single address, the suffix is 0 */
	}
	ipv6->part[0] = found->ipv6.part[0] | bpf_cpu_to_be64(upper);
	ipv6->part[1] = found->ipv6.part[1] | bpf_cpu_to_be64(lower);
	return true;
}

/* And back; what is behind the IPv4 suffix does not count. */
INLINE bool explicit_to4(const address6 *ipv6, __be32 *ipv4)
{
	struct route6 key = { .length = 128, .address = *ipv6 };
	const struct explicit *found;
	__u64 suffix, upper, lower;

	if (!CONFIG.explicit)
		return false;
	found = bpf_map_lookup_elem(&explicit6, &key);
	if (!found)
		return false;
	upper = bpf_be64_to_cpu(ipv6->part[0] ^ found->ipv6.part[0]);
	lower = bpf_be64_to_cpu(ipv6->part[1] ^ found->ipv6.part[1]);
	if (found->shift >= 128)
		suffix = 0;
	else if (found->shift >= 64)
		suffix = upper >> (found->shift - 64);
	else
		suffix = lower >> found->shift | (found->shift ? upper << (64 - found->shift) : 0);
	*ipv4 = found->ipv4 | bpf_htonl((__u32)suffix);
	return true;
}
