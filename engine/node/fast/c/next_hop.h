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
	__u8 pad[4];
} __attribute__((aligned(8)));

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

/* When they were last found to be fresh, in ticks: the clock costs more than all else here. */
__u64 fresh_at;

static __noinline bool refresh_hops(__u64 now)
{
	__u32 zero = 0;
	__u64 *until = bpf_map_lookup_elem(&hops_until, &zero);

	if (!until || (*until && bpf_ktime_get_coarse_ns() >= *until))
		return false;
	fresh_at = now;
	return true;
}

INLINE bool hops_are_fresh(void)
{
	__u64 now = bpf_jiffies64();

	return LIKELY(fresh_at == now) || refresh_hops(now);
}

/* The same where they are few, the longest prefix first: the tries cost more than the rest of a packet's way.
 * What is behind the last one is 0, so it matches everything and knows no device. */
enum { FEW_ROUTES = 8 };

struct few4 {
	__be32 address;
	__be32 mask;
	struct next_hop hop;
};

struct few6 {
	address6 address;
	address6 mask;
	struct next_hop hop;
};

struct few_set {
	struct few4 four[FEW_ROUTES];
	struct few6 six[FEW_ROUTES];
};

/* Two sets: what is not in use is written, then `in_use` turns. */
struct few_routes {
	__u32 in_use;
	struct few_set sets[2];
};

TABLE(few_routes) struct few_routes few_routes = {};

INLINE const struct few_set *few_in_use(void)
{
	return &few_routes.sets[few_routes.in_use & 1];
}

INLINE const struct next_hop *few4(__be32 address)
{
	const struct few_set *few = few_in_use();
	int n;

#pragma unroll
	for (n = 0; n < FEW_ROUTES; n++)
		if ((address & few->four[n].mask) == few->four[n].address)
			return &few->four[n].hop;
	return NULL;
}

INLINE const struct next_hop *few6(const address6 *address)
{
	const struct few_set *few = few_in_use();
	int n;

#pragma unroll
	for (n = 0; n < FEW_ROUTES; n++) {
		const struct few6 *route = &few->six[n];

		if ((address->part[0] & route->mask.part[0]) == route->address.part[0] &&
		    (address->part[1] & route->mask.part[1]) == route->address.part[1])
			return &route->hop;
	}
	return NULL;
}

INLINE const struct next_hop *next_hop4(__be32 address)
{
	const struct next_hop *found = few4(address);
	struct route4 key;

	if (UNLIKELY(!found || !found->device)) {
		key = (struct route4){ .length = 32, .address = address };
		found = bpf_map_lookup_elem(&routes4, &key);
	}
	return found && found->device && hops_are_fresh() ? found : NULL;
}

INLINE const struct next_hop *next_hop6(const address6 *address)
{
	const struct next_hop *found = few6(address);
	struct route6 key;

	if (UNLIKELY(!found || !found->device)) {
		key = (struct route6){ .length = 128, .address = *address };
		found = bpf_map_lookup_elem(&routes6, &key);
	}
	return found && found->device && hops_are_fresh() ? found : NULL;
}
