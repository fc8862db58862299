/* Copyright: (c) 2026, ipv4aas.fleet contributors
 * SPDX-License-Identifier: GPL-3.0-or-later
 * Counters per CPU, and the rate of punts.
 */
#pragma once

#include "base.h"

struct counter {
	__u64 packets;
	__u64 octets;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, VERDICTS);
	__type(key, __u32);
	__type(value, struct counter);
} counters SEC(".maps");

/* Punts: what one CPU may hand to the core, as a bucket of tokens. */
struct bucket {
	__u64 filled;		/* ns of the monotonic clock */
	__u64 tokens;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct bucket);
} punts SEC(".maps");

const volatile __u32 PUNTS_PER_SECOND = 50000;	/* of one CPU; 0: no limit */

INLINE void count(__u32 verdict, __u64 octets)
{
	struct counter *found = bpf_map_lookup_elem(&counters, &verdict);

	if (found) {
		found->packets++;
		found->octets += octets;
	}
}

INLINE bool may_punt(void)
{
	__u32 zero = 0;
	struct bucket *bucket;
	__u64 now, gained;

	if (!PUNTS_PER_SECOND)
		return true;
	bucket = bpf_map_lookup_elem(&punts, &zero);
	if (!bucket)
		return false;
	now = bpf_ktime_get_ns();
	gained = (now - bucket->filled) / (1000000000u / PUNTS_PER_SECOND);
	if (gained) {
		bucket->tokens += gained;
		if (bucket->tokens > PUNTS_PER_SECOND / 10)
			bucket->tokens = PUNTS_PER_SECOND / 10;
		bucket->filled = now;
	}
	if (!bucket->tokens)
		return false;
	bucket->tokens--;
	return true;
}
