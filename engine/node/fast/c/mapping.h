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
	__u8 psid_length;
	__u8 embeds;		/* the EA bits carry suffix and PSID; else the owner is in `bindings` */
	__u16 psid;		/* of the one customer, where it is explicit */
	__u8 words;		/* of each owner in `owners`: the second, the upper two, all four; 0: it is not there */
	__u8 mapped;		/* owners have the identifiers of RFC 7597 section 6 */
	__be32 network;		/* the Rule IPv4 prefix */
	struct division division;
	__u32 shape;		/* of the keys of `bindings` */
	__u32 first;		/* in `owners`, of the prefix's first address */
	__u32 zero;
	address6 common;	/* to the owners' softwires, beside what `owners` and `mapped` say */
};

/* The same as `rules` where they are few, the longest prefix first. */
enum { FEW_RULES = 8 };

struct few_rule {
	__be32 address;
	__be32 mask;
	struct rule rule;
};

struct few_rules {
	struct few_rule rule[FEW_RULES];
};

TABLE(few_rules) struct few_rules few_rules = {};

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

/* The upper half of an IPv6 prefix. */
struct prefix6 {
	__u32 length;
	__be64 address;
} __attribute__((packed));

/* The same rules by their IPv6 prefixes: for carriage by translation. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct prefix6);
	__type(value, struct rule);
} rules6 SEC(".maps");

/* Softwires of addresses most of whose PSIDs are bound, by address and PSID: one step, one line of cache.
 *
 * Of most operators one word of 32 bits says it all, behind a prefix and before an identifier that all have: a
 * million are 4 MB, which caches hold. A first word of 0: nobody. By twos, as the kernel gives each entry of an array
 * 8 octets or more. */
struct two_words {
	__u32 word[2];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct two_words);
} owners SEC(".maps");

/* All others, and those who have a gateway of their own. */
struct owner_key {
	__be32 address;
	__u32 shape;		/* PSID offset << 24 | PSID length << 16 | PSID: written in one step, as it is read */
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

/* PSID of a port; -1 where A = 0 excludes it. */
INLINE __s32 psid_of(__u16 port, const volatile struct division *division)
{
	return port < division->first_port ? -1 : port >> division->shift & division->mask;
}

/* An interface identifier (RFC 7597 section 6, draft-03). */
INLINE __u64 identifier_of(__u32 ipv4, __u32 psid, __u8 shift)
{
	return (__u64)ipv4 << shift | (__u64)psid << (shift - 16);
}

/* The layout that is not the service's, where an identifier that is not the mapped one has it, is counted. */
INLINE void count_other_layout(__u64 identifier, __u32 ipv4, __u32 psid)
{
	__u8 other = 40 - CONFIG.identifier_shift;

	if (identifier && identifier == identifier_of(ipv4, psid, other))
		count(other == 16 ? iid_format_rfc7597 : iid_format_draft_03, 0);
}

/* The MAP address of a customer; by translation of the one host of an IPv4 prefix (TranslatedRuleTable). */
INLINE void map_address(const struct rule *rule, __be32 address, __u32 psid, address6 *softwire)
{
	__u32 host = bpf_ntohl(address & rule->host_mask);
	__u64 ea = rule->ea_mask & ((__u64)host >> rule->suffix_shift << rule->psid_length | psid);
	__u32 named = bpf_ntohl(CONFIG.carriage == TRANSLATION ? address : address & rule->customer_mask4);

	softwire->part[0] = rule->prefix;
	softwire->part[0] |= bpf_cpu_to_be64(ea << rule->ea_shift);
	softwire->part[1] = bpf_cpu_to_be64(identifier_of(named, psid, CONFIG.identifier_shift));
}

/* The rule of an IPv4 address; NULL: no customer's. */
INLINE const struct rule *rule_of(__be32 address)
{
	struct prefix4 key;
	int n;

	if (!CONFIG.few_rules) {
		key = (struct prefix4){ .length = 32, .address = address };
		return bpf_map_lookup_elem(&rules, &key);
	}
#pragma unroll
	for (n = 0; n < FEW_RULES && n < CONFIG.few_rules; n++)
		if ((address & few_rules.rule[n].mask) == few_rules.rule[n].address)
			return &few_rules.rule[n].rule;
	return NULL;
}

/* One word of an owner's softwire, or two that are one entry, from a place on; 0: there is none. */
INLINE __u64 owner_words(__u32 place, int words)
{
	__u32 entry = place >> 1;
	const struct two_words *found = bpf_map_lookup_elem(&owners, &entry);

	if (!found)
		return 0;
	return words == 1 ? found->word[place & 1] : (__u64)found->word[0] << 32 | found->word[1];
}

/* The owner that has a place for its PSID. */
INLINE int placed_owner(const struct rule *rule, __be32 address, __u32 psid, address6 *softwire)
{
	__u32 place = rule->first + (bpf_ntohl(address & rule->host_mask) << (rule->psid_length & 31) | psid) * rule->words;
	__u64 upper = owner_words(place, rule->words);
	__u64 lower = rule->words == 4 ? owner_words(place + 2, 2) : 0;

	LEAVE_IF(!upper, punt_unknown);
	if (rule->mapped)
		lower = identifier_of(bpf_ntohl(address), psid, CONFIG.identifier_shift);
	softwire->part[0] = rule->common.part[0] | bpf_cpu_to_be64(upper);
	softwire->part[1] = rule->common.part[1] | bpf_cpu_to_be64(lower);
	return GO_ON;
}

/* Who owns (address, port): GO_ON, or punt_unknown where nobody has the port. */
INLINE int owner_of(const struct rule *rule, __be32 address, __be16 port, struct owner *owner)
{
	const struct owner *found;
	struct owner_key key;
	__s32 psid = psid_of(bpf_ntohs(port), &rule->division);

	LEAVE_IF(psid < 0, punt_unknown);
	if (CONFIG.mapping == BY_RULE && rule->embeds) {
		map_address(rule, address, psid, &owner->softwire);
		owner->gateway = (address6){};
		return GO_ON;
	}
	if (CONFIG.mapping == BY_BINDING && rule->words) {
		owner->gateway = (address6){};
		return placed_owner(rule, address, psid, &owner->softwire);
	}
	key = (struct owner_key){ .address = address, .shape = rule->shape | psid };
	found = bpf_map_lookup_elem(&bindings, &key);
	LEAVE_IF(!found, punt_unknown);
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
	__u64 own;

	if (same6(source, mapped))
		return GO_ON;
	LEAVE_IF(CONFIG.mapping != BY_RULE || CONFIG.strict_iid, punt_source);
	LEAVE_IF((source->part[0] ^ mapped->part[0]) & rule->customer_mask, punt_source);
	own = bpf_be64_to_cpu(mapped->part[1]) >> (CONFIG.identifier_shift - 16);
	count_other_layout(bpf_be64_to_cpu(source->part[1]), own >> 16, own & 0xffff);
	return GO_ON;
}

/* The IPv4 address that a customer's IPv6 source stands for, which may use a port; else punt_source.
 *
 * EA bits say whose it is, the identifier which host of an IPv4 prefix, where it is a mapped one. */
INLINE int sender_of(const address6 *source, __be16 port, __be32 *ipv4)
{
	struct prefix6 key = { .length = 64, .address = source->part[0] };
	const struct rule *rule = bpf_map_lookup_elem(&rules6, &key);
	__u64 identifier = bpf_be64_to_cpu(source->part[1]), ea;
	__u32 first, host;
	__s32 psid;

	LEAVE_IF(!rule, punt_source);
	ea = bpf_be64_to_cpu(source->part[0]) >> (rule->ea_shift & 63) & rule->ea_mask;
	psid = rule->embeds ? ea & ((1u << (rule->psid_length & 31)) - 1) : rule->psid;
	LEAVE_IF(psid_of(bpf_ntohs(port), &rule->division) != psid, punt_source);
	first = bpf_ntohl(rule->network) | (__u32)(ea >> (rule->psid_length & 31) << (rule->suffix_shift & 63));
	host = identifier >> CONFIG.identifier_shift & bpf_ntohl(~rule->customer_mask4);
	if (identifier != identifier_of(first | host, psid, CONFIG.identifier_shift) ||
	    source->part[0] & ~rule->customer_mask) {
		LEAVE_IF(CONFIG.strict_iid, punt_source);
		count_other_layout(identifier, first, psid);
		host = 0;
	}
	*ipv4 = bpf_htonl(first | host);
	return GO_ON;
}
