/* Copyright: (c) 2026, ipv4aas.fleet contributors
 * SPDX-License-Identifier: GPL-3.0-or-later
 * The customer side where edges have port sets: MAP CE (RFC 7597, 7599), lwB4 (RFC 7596). As edge.py.
 */
#pragma once

#include "embedding.h"
#include "encapsulation.h"
#include "mapping.h"
#include "napt.h"
#include "networks.h"
#include "translation.h"

INLINE bool is_shared(void)
{
	return CONFIG.customer.psid_length;
}

INLINE bool is_customers(__be32 address)
{
	return (address & CONFIG.customer.mask) == CONFIG.customer.ipv4;
}

INLINE bool is_own_port(__be16 port)
{
	return psid_of(bpf_ntohs(port), &CONFIG.customer.division) == CONFIG.customer.psid;
}

/* An own address that a host inside has: no NAPT (prefix and full address, RFC 7597 section 5.2). */
INLINE bool is_plain(__be32 address)
{
	const struct network *found;

	if (is_shared() || !is_customers(address))
		return false;
	found = network_of(address);
	return found && found->inside;
}

/* Whether a packet from inside is for here: other edges have other ports of a shared address (RFC 7597 section
 * 5.1); an identifier is the sender's, a query cannot name a neighbour. */
INLINE bool is_for_us(const struct packet4 *p)
{
	return is_customers(p->ends.destination) && (p->protocol == ICMP || is_own_port(p->ends.destination_port));
}

INLINE int translate_out(const struct packet4 *p, bool plain, struct ends *to)
{
	address6 nobody = {};

	*to = p->ends;
	return plain ? GO_ON : napt_outbound(p, &nobody, to);
}

INLINE int translate_in(const struct packet4 *p, struct ends *to, bool hairpin)
{
	address6 nobody;

	*to = p->ends;
	return is_plain(p->ends.destination) ? GO_ON : napt_inbound(p, &nobody, to, hairpin);
}

/* The rule of the peer edges that have an address (FMR, RFC 7597 section 5.4); NULL: it is in the Internet. */
INLINE const struct rule *mesh_rule(__be32 address)
{
	return CONFIG.mesh ? rule_of(address) : NULL;
}

/* The own MAP address, of a prefix that of one of its hosts (TranslatedRuleTable). */
INLINE address6 own_end(__be32 ipv4)
{
	address6 own = read6(&CONFIG.own);
	__u64 host = bpf_ntohl(ipv4 & ~CONFIG.customer.mask);

	own.part[1] |= bpf_cpu_to_be64(host << CONFIG.identifier_shift);
	return own;
}

INLINE int send_out(context *c, const struct packet4 *p, bool plain, int *out)
{
	bool translates = CONFIG.carriage == TRANSLATION;
	const struct rule *rule;
	struct owner far = {};
	struct ends to;
	int verdict;

	/* Before a session is made for a packet that cannot go. */
	if (translates ? p->wire + GROWTH > ipv6_limit(p->fragment & bpf_htons(DF)) :
			 p->wire + HEADER6 > CONFIG.ipv6_mtu)
		return punt_too_big;
	if (translates && lacks_checksum(p))
		return punt_no_checksum;
	verdict = translate_out(p, plain, &to);
	if (verdict)
		return verdict;
	rule = mesh_rule(to.destination);
	if (rule) {
		verdict = owner_of(rule, to.destination, to.destination_port, &far);
		if (verdict)
			return verdict;
	} else if (!translates) {
		far.softwire = read6(&CONFIG.gateway);
	} else {
		if (!may_carry(&CONFIG.outside, to.destination))
			return punt_martian;
		far.softwire = embed(&CONFIG.outside, to.destination);
	}
	if (translates) {
		struct ends6 onward = { .source = own_end(to.source), .destination = far.softwire };

		return to6(c, p, &to, &onward, out);
	} else {
		struct outer outer = { .source = read6(&CONFIG.own), .destination = far.softwire };

		return encapsulate(c, p, &to, &outer, out);
	}
}

/* From an inside host to the gateway, to a peer edge, or back to another inside host (RFC 4787 REQ-9). */
INLINE int edge_from_native(context *c, int *out)
{
	struct iphdr *ip = at(c, L2, HEADER4);
	const struct network *target;
	struct packet4 p = {}, seen;
	struct ends to;
	bool plain;
	int verdict;

	if (!ip)
		return FOREIGN;
	verdict = check_native(ip, &target);
	if (verdict)
		return verdict;
	plain = is_plain(ip->saddr);
	if (!plain && is_customers(ip->saddr))
		return punt_source;	/* a shared address must not be on an interface (RFC 7597 section 4) */
	verdict = read4(c, ip, L2, length(c) - L2, &p);
	if (verdict)
		return verdict;
	if (!is_for_us(&p))
		return send_out(c, &p, plain, out);
	seen = p;
	verdict = translate_out(&p, plain, &seen.ends);
	if (!verdict)
		verdict = translate_in(&seen, &to, true);
	return verdict ?: turn4(c, &p, &to, out);
}

/* From a tunnel to the inside host that the binding names. A peer may use only what its rule gives it; the
 * gateway speaks for all (RFC 7597 section 8.1). */
INLINE int edge_from_softwire(context *c, int *out)
{
	address6 gateway = read6(&CONFIG.gateway);
	const struct rule *rule;
	struct packet4 p = {};
	struct owner owner;
	struct outer outer;
	struct ends to;
	int verdict;

	verdict = read_softwire(c, &outer, &p);
	if (verdict)
		return verdict;
	if (!same6(&outer.source, &gateway)) {
		rule = mesh_rule(p.ends.source);
		if (!rule || owner_of(rule, p.ends.source, p.ends.source_port, &owner))
			return punt_source;
		verdict = check_owner(rule, &owner, &outer.source);
		if (verdict)
			return verdict;
	}
	if (!is_customers(p.ends.destination) || !is_own_port(p.ends.destination_port))
		return punt_unknown;
	if (is_lost(&outer, p.tos))
		return punt_congestion;
	verdict = translate_in(&p, &to, false);
	return verdict ?: decapsulate(c, &p, &to, &outer, out);
}

/* The same by translation: the IPv6 addresses say who and whom. */
INLINE int edge_from_domain(context *c, int *out)
{
	struct ipv6hdr *ip6 = at(c, L2, HEADER6);
	struct packet4 p = {}, seen;
	struct ends6 from;
	struct ends to;
	__be32 own;
	address6 end;
	int verdict;

	if (!ip6)
		return FOREIGN;
	from.destination = read_address(&ip6->daddr);
	own = bpf_htonl(bpf_be64_to_cpu(from.destination.part[1]) >> CONFIG.identifier_shift) & ~CONFIG.customer.mask;
	own |= CONFIG.customer.ipv4;
	end = own_end(own);
	if (!same6(&from.destination, &end))
		return FOREIGN;
	verdict = read_ipv6(c, ip6, &from, &p);
	if (verdict)
		return verdict;
	seen = p;
	seen.ends.destination = own;
	if (holds(&CONFIG.outside, &from.source)) {
		seen.ends.source = extract(&CONFIG.outside, &from.source);
		if (!may_carry(&CONFIG.outside, seen.ends.source))
			return punt_martian;
	} else {
		if (!CONFIG.mesh)
			return punt_source;
		verdict = sender_of(&from.source, p.ends.source_port, &seen.ends.source);
		if (verdict)
			return verdict;
	}
	if (!is_unicast4(seen.ends.source))
		return punt_martian;
	if (!is_own_port(p.ends.destination_port))
		return punt_unknown;
	if (p.protocol == ICMP)
		seen.flags = p.flags == ECHO_REQUEST6 ? ECHO_REQUEST : ECHO_REPLY;
	verdict = translate_in(&seen, &to, false);
	return verdict ?: to4(c, &p, &from, &to, out);
}
