/* Copyright: (c) 2026, ipv4aas.fleet contributors
 * SPDX-License-Identifier: GPL-3.0-or-later
 * Identifications of IPv4 packets that may be cut (RFC 6864 section 4.3).
 *
 * Counted on every CPU by itself, from places apart: packets of one flow usually stay on one.
 */
#pragma once

#include "config.h"

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} identifications SEC(".maps");

INLINE __u32 count_identifications(__u32 packets)
{
	__u32 zero = 0, *last = bpf_map_lookup_elem(&identifications, &zero);

	return last ? (*last += packets) - packets : 0;
}

/* The first of those for some packets: of a translator, or of senders who share an address (RFC 7857 section 10). */
INLINE __be16 next_identification(__u32 packets)
{
	return bpf_htons(count_identifications(packets) + (bpf_get_smp_processor_id() << 12));
}

/* One of an edge's own port set, so that edges that share an address do not collide (RFC 7597 section 8.3.3). */
INLINE __be16 own_identification(void)
{
	__u32 offset = CONFIG.customer.psid_offset, bits = 16 - offset - CONFIG.customer.psid_length;
	__u32 ports = (offset ? (1u << offset) - 1 : 1) << bits;
	__u32 index = (count_identifications(1) + bpf_get_smp_processor_id() * (ports / 8)) % (ports ?: 1);
	__u32 range = (index >> bits) + (offset ? 1 : 0);

	return bpf_htons(range << (16 - offset) | CONFIG.customer.psid << bits | (index & ((1u << bits) - 1)));
}
