/* Copyright: (c) 2026, ipv4aas.fleet contributors
 * SPDX-License-Identifier: GPL-3.0-or-later
 * The outside addresses of a pool, counted through all its networks.
 */
#pragma once

#include "base.h"

struct network4 {
	__be32 address;
	__be32 mask;
	__u32 first;		/* index of its first address in the pool */
};

enum { MOST_NETWORKS = 16 };

const volatile struct network4 POOL[MOST_NETWORKS] = {};
const volatile __u32 POOL_NETWORKS = 0;

/* Index of an outside address; -1: not of the pool. */
INLINE __s32 pool_index(__be32 address)
{
	__u32 n;

#pragma unroll
	for (n = 0; n < MOST_NETWORKS && n < POOL_NETWORKS; n++)
		if ((address & POOL[n].mask) == POOL[n].address)
			return POOL[n].first + bpf_ntohl(address ^ POOL[n].address);
	return -1;
}

INLINE bool in_pool(__be32 address)
{
	return pool_index(address) >= 0;
}

INLINE __be32 pool_address(__u32 index)
{
	__be32 found = 0;
	__u32 n;

	for (n = 0; n < MOST_NETWORKS && n < POOL_NETWORKS; n++)
		if (index >= POOL[n].first)
			found = bpf_htonl(bpf_ntohl(POOL[n].address) + index - POOL[n].first);
	return found;
}
