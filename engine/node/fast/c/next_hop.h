/* Copyright: (c) 2026, ipv4aas.fleet contributors
 * SPDX-License-Identifier: GPL-3.0-or-later
 * Where packets go: a copy of the kernel's routes and neighbours that the daemon keeps (next_hops.py).
 *
 * A route without a neighbour that is known has device 0: such packets take the kernel's way.
 */
#pragma once

#include "base.h"

struct next_hop {
	__u32 device;
	__u32 mtu;		/* octets of a packet of layer 3 */
	__u8 destination[ETH_ALEN];
	__u8 source[ETH_ALEN];
};

struct route4 {
	__u32 length;		/* bits of the prefix */
	__be32 address;
};

struct route6 {
	__u32 length;
	address6 address;
} __attribute__((packed));

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct route4);
	__type(value, struct next_hop);
} routes4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct route6);
	__type(value, struct next_hop);
} routes6 SEC(".maps");

/* Until when the copy may be believed, in ns of the monotonic clock: the daemon moves it on as long as it lives.
 * 0: always. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} hops_until SEC(".maps");

INLINE bool hops_are_fresh(void)
{
	__u32 zero = 0;
	__u64 *until = bpf_map_lookup_elem(&hops_until, &zero);

	return until && (!*until || bpf_ktime_get_coarse_ns() < *until);
}

INLINE const struct next_hop *next_hop4(__be32 address)
{
	struct route4 key = { .length = 32, .address = address };
	const struct next_hop *found = bpf_map_lookup_elem(&routes4, &key);

	return found && found->device && hops_are_fresh() ? found : NULL;
}

INLINE const struct next_hop *next_hop6(const address6 *address)
{
	struct route6 key = { .length = 128, .address = *address };
	const struct next_hop *found = bpf_map_lookup_elem(&routes6, &key);

	return found && found->device && hops_are_fresh() ? found : NULL;
}
