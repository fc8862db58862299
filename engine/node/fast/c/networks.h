/* Copyright: (c) 2026, ipv4aas.fleet contributors
 * SPDX-License-Identifier: GPL-3.0-or-later
 * What is known of IPv4 networks: which are inside, which in a plane, which are not the node's affair.
 *
 * One table of all prefixes, each with what the shorter ones around it say too: one look-up tells all of an
 * address.
 */
#pragma once

#include "config.h"
#include "mapping.h"

struct network {
	address6 base;		/* of its addresses in the plane */
	__u8 in_plane;		/* there is such a base */
	__u8 may_be_inside;	/* a host here may use the service */
	__u8 inside;		/* hosts here are at this end: nobody at the other one is */
	__u8 elsewhere;		/* the kernel has another way to it than this node */
	__u8 pad[4];
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct prefix4);
	__type(value, struct network);
} networks SEC(".maps");

/* NULL: nothing is known. */
INLINE const struct network *network_of(__be32 address)
{
	struct prefix4 key = { .length = 32, .address = address };

	return bpf_map_lookup_elem(&networks, &key);
}

/* Whether a packet that came in on the IPv4 side is for this end of the service.
 *
 * An edge takes what its own hosts send to the outside, everybody else what the kernel would give to it;
 * who may not send is the core's to judge. */
INLINE int check_native(const struct iphdr *ip, const struct network **target)
{
	const struct network *source = network_of(ip->saddr);

	*target = network_of(ip->daddr);
	if (*target && (*target)->elsewhere)
		return FOREIGN;
	if (!source || !source->may_be_inside)
		return CONFIG.role == EDGE ? FOREIGN : punt_source;
	if (*target && (*target)->inside)
		return CONFIG.role == EDGE ? FOREIGN : punt_unknown;
	return GO_ON;
}
