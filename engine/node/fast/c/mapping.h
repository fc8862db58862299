/* Copyright: (c) 2026, ipv4aas.fleet contributors
 * SPDX-License-Identifier: GPL-3.0-or-later
 * Who owns an IPv4 address and port: MAP rules (RFC 7597 section 5) and bindings (RFC 7596 section 6).
 *
 * One question serves both directions: the owner of a packet's destination is where it goes, and that of
 * its source has to be where it came from.
 */
#pragma once

#include "config.h"
#include "counters.h"

/* A rule whose End-user prefixes have at most 64 bits, or one that bindings are looked up for. */
struct rule {
	__be64 prefix;		/* upper half of the Rule IPv6 prefix */
	__be64 customer_mask;	/* of an End-user prefix, its upper half */
	__u64 ea_mask;		/* as many ones as there are EA bits */
	__be32 host_mask;	/* of the Rule IPv4 prefix */
	__be32 customer_mask4;	/* of what one customer has */
	__u8 suffix_shift;	/* host bits of the Rule IPv4 prefix less the suffix's */
	__u8 ea_shift;		/* bits of the upper half behind the EA bits */
	__u8 psid_offset;
	__u8 psid_length;
	__u8 embeds;		/* the EA bits carry suffix and PSID; else the owner is in `bindings` */
	__u8 shares;		/* a port says who the owner is */
	__u8 pad[6];
};

struct prefix4 {
	__u32 length;
	__be32 address;
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct prefix4);
	__type(value, struct rule);
} rules SEC(".maps");

/* One address divided in more than one way has one binding for each, looked up in turn. */
struct owner_key {
	__be32 address;
	__u16 psid;
	__u8 psid_offset;
	__u8 psid_length;
};

struct owner {
	address6 softwire;
	address6 gateway;	/* 0: that of the service */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct owner_key);
	__type(value, struct owner);
} bindings SEC(".maps");

/* PSID of a port (RFC 7597 appendix B); -1 where A = 0 excludes it. */
INLINE __s32 psid_of(__u16 port, __u8 offset, __u8 length)
{
	if (offset && length && !(port >> (16 - offset)))
		return -1;
	return (port >> ((16 - offset - length) & 15)) & ((1u << length) - 1);
}

/* The MAP address of a customer. */
INLINE void map_address(const struct rule *rule, __be32 address, __u32 psid, address6 *softwire)
{
	__u32 host = bpf_ntohl(address & rule->host_mask);
	__u64 ea = rule->ea_mask & ((__u64)host >> (rule->suffix_shift & 63) << (rule->psid_length & 31) | psid);
	__u64 owner = bpf_ntohl(address & rule->customer_mask4);

	softwire->part[0] = rule->prefix;
	softwire->part[0] |= bpf_cpu_to_be64(ea << (rule->ea_shift & 63));
	softwire->part[1] = bpf_cpu_to_be64(owner << CONFIG.identifier_shift |
					    (__u64)psid << (CONFIG.identifier_shift - 16));
}

/* The rule of an IPv4 address; NULL: no customer's. */
INLINE const struct rule *rule_of(__be32 address)
{
	struct prefix4 key = { .length = 32, .address = address };

	return bpf_map_lookup_elem(&rules, &key);
}

/* Who owns (address, port): GO_ON, or punt_unknown where nobody has the port. */
INLINE int owner_of(const struct rule *rule, __be32 address, __be16 port, struct owner *owner)
{
	const struct owner *found;
	struct owner_key key;
	__s32 psid = 0;

	if (rule->shares) {
		psid = psid_of(bpf_ntohs(port), rule->psid_offset, rule->psid_length);
		if (psid < 0)
			return punt_unknown;
	}
	if (CONFIG.mapping == BY_RULE && rule->embeds) {
		map_address(rule, address, psid, &owner->softwire);
		owner->gateway = (address6){};
		return GO_ON;
	}
	key = (struct owner_key){
		.address = address,
		.psid = psid,
		.psid_offset = rule->psid_offset,
		.psid_length = rule->psid_length,
	};
	found = bpf_map_lookup_elem(&bindings, &key);
	if (!found)
		return punt_unknown;
	*owner = *found;
	return GO_ON;
}

/* Whether an IPv6 source is the owner's (RFC 7597 section 8.1).
 *
 * Of a binding it has to be the very address. By a rule the End-user prefix counts, the identifier only where
 * that is asked for; what other layout it has is counted. */
INLINE int check_owner(const struct rule *rule, const struct owner *owner, const address6 *source)
{
	const address6 *mapped = &owner->softwire;
	__u8 other = 40 - CONFIG.identifier_shift;
	__u64 identifier;

	if (same6(source, mapped))
		return GO_ON;
	if (CONFIG.mapping != BY_RULE || CONFIG.strict_iid)
		return punt_source;
	if ((source->part[0] ^ mapped->part[0]) & rule->customer_mask)
		return punt_source;
	identifier = bpf_be64_to_cpu(mapped->part[1]) >> (CONFIG.identifier_shift - 16) << (other - 16);
	if (bpf_be64_to_cpu(source->part[1]) == identifier && identifier)
		count(other == 16 ? iid_format_rfc7597 : iid_format_draft_03, 0);
	return GO_ON;
}
