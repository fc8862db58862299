/* Copyright: (c) 2026, ipv4aas.fleet contributors
 * SPDX-License-Identifier: GPL-3.0-or-later
 * What one service is. Constants of a loaded program: the verifier removes what it does not need.
 */
#pragma once

#include "base.h"

enum mapping { BY_RULE, BY_BINDING, BY_SESSION, BY_PLANE, BY_REWRITE };
enum carriage { ENCAPSULATION, TRANSLATION };
enum role { GATEWAY, EDGE };

/* IPv4 addresses in IPv6 addresses (RFC 6052 section 2.2): embedding.h. */
struct embedding {
	address6 prefix;
	address6 mask;		/* as many ones as the prefix has bits */
	__u8 length;
	__u8 only_global;	/* the well-known prefix */
	__u8 pad[6];
};

/* Where a port has its PSID (RFC 7597 appendix B). */
struct division {
	__u16 first_port;	/* those below are nobody's */
	__u16 mask;		/* of a PSID; 0: all ports are of one */
	__u8 shift;
	__u8 zero[3];
};

/* What an edge with a port set has. */
struct customer {
	__be32 ipv4;
	__be32 mask;		/* of its addresses */
	__u16 psid;
	__u8 psid_offset;
	__u8 psid_length;	/* 0: all ports */
	struct division division;
};

struct config {
	enum mapping mapping;
	enum carriage carriage;
	enum role role;
	__u8 strict_iid;
	__u8 hairpinning;
	__u8 identifier_shift;	/* of the IPv4 address: 16 (RFC 7597), 24 (draft-03) */
	__u8 next_service;	/* index in `chain` of who is asked about a packet that is not ours; 0: nobody */
	__u8 more_ends;		/* there are own tunnel addresses in `ends` */
	__u8 few_rules;		/* how many rules there are in `few_rules`; 0: they are in `rules` only */
	__u8 redirect;		/* 1: to the next hop by ourselves; 0 (tc): through the kernel's routing */
	__u8 old_decapsulation;	/* tc: the kernel takes an outer header off in two steps only (probe.bpf.c) */
	__u8 only_xdp_devices;	/* XDP: to none but those in `xdp_devices` */
	__u8 strict_sources;	/* tc: the kernel would drop what came out of the domain (rp_filter) */
	__u16 ipv6_mtu;
	__u16 mss_clamp;	/* 0: off */
	__u16 cut_to;		/* translation: octets that IPv6 packets made of IPv4 packets without DF may have */
	__u8 explicit;		/* translation: there are explicit address mappings (explicit.h) */
	__u8 keep_no_checksum;	/* translation: of UDP */
	__u8 mesh;		/* edge: `rules` are those of its peers */
	struct customer customer;
	address6 gateway;	/* of the service */
	address6 own;		/* edge: its own tunnel address */
	address6 end;		/* of softwires here: one of the two */
	struct embedding outside;	/* translation: where the Internet is (DMR, prefix of a PLAT or NAT64) */
	struct embedding inside;	/* CLAT: where its own hosts are */
	address6 plane;		/* what its addresses have before the IPv4 address; of a PT the FP domain's */
	address6 resolved;	/* the same of a PT in the PR domain */
};

const volatile struct config CONFIG = {};

/* Constants are read member by member: a copy as a whole would be one of what they are at compile time. */
INLINE address6 read6(const volatile address6 *constant)
{
	return (address6){ .part = { constant->part[0], constant->part[1] } };
}
