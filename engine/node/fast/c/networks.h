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

/* The same where they are few, the longest prefix first: a trie costs more. Two sets: what is not in use is
 * written, then `in_use` turns; 0: they are many. What is behind the last one is a prefix that nobody is in. */
enum { FEW_NETWORKS = 16, NO_NETWORK = -1, MANY_NETWORKS = -2 };

struct few_network {
	__be32 address;
	__be32 mask;
	struct network network;
};

struct few_networks {
	__u32 in_use;		/* the first set, 1, or the second one */
	__u32 pad;
	struct few_network networks[2 * FEW_NETWORKS];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct few_networks);
} few_networks SEC(".maps");

INLINE const struct few_networks *few(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&few_networks, &zero);
}

/* Which of the few an address is in. A function of its own: the verifier would follow each answer to the end. */
__noinline int place_of(__u32 address)
{
	const struct few_networks *all = few();
	__u32 first, n;

	if (!all || !all->in_use)
		return MANY_NETWORKS;
	first = all->in_use == 1 ? 0 : FEW_NETWORKS;
#pragma unroll
	for (n = 0; n < FEW_NETWORKS; n++)
		if ((address & all->networks[first + n].mask) == all->networks[first + n].address)
			return first + n;
	return NO_NETWORK;
}

/* NULL: nothing is known. */
INLINE const struct network *network_of(__be32 address)
{
	struct prefix4 key = { .length = 32, .address = address };
	const struct few_networks *all = few();
	int place = place_of(address);

	if (UNLIKELY(place == MANY_NETWORKS))
		return bpf_map_lookup_elem(&networks, &key);
	if (!all || place < 0)
		return NULL;
	return &all->networks[place & (2 * FEW_NETWORKS - 1)].network;	/* for the verifier */
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

/* An IPv4 packet from an inside host that may be carried, and the network that it is for. */
INLINE int read_native(context *c, struct packet4 *p, const struct network **target)
{
	struct iphdr *ip = at(c, L2, HEADER4);
	int verdict;

	if (!ip)
		return FOREIGN;
	verdict = check_native(ip, target);
	return verdict ?: read4(c, ip, L2, length(c) - L2, p);
}
