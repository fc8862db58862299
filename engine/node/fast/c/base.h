/* Copyright: (c) 2026, ipv4aas.fleet contributors
 * SPDX-License-Identifier: GPL-3.0-or-later
 * What every header here needs: types, byte order, verdicts.
 *
 * Numbers of the network keep its order (__be16, __be32, __be64): the packers that Python makes of the
 * object's BTF tell them apart by these names, and take arrays of them as one long number.
 */
#pragma once

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <stdbool.h>
#include <stddef.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define INLINE static __always_inline
#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)
/* Leaves a function; the way out is laid down apart, so that those who stay do not pass it. */
#define LEAVE_IF(condition, verdict)        \
	do {                                \
		if (UNLIKELY(condition)) {  \
			asm volatile("");   \
			return verdict;     \
		}                           \
	} while (0)

/* A variable that is a map of its own with one entry, by the variable's name: the program has its address, and needs
 * no look-up. */
#define TABLE(name) SEC(".data." #name)

typedef struct {
	__be64 part[2];
} address6;

/* A pointer that the context has as a number of 32 bits. The compiler is told that memory is read, no more of the
 * load: it would copy the number as one, or keep the member's address, and the verifier takes neither. */
#define LOAD_POINTER(c, member)                                                                     \
	({                                                                                          \
		void *loaded;                                                                       \
		asm("%0 = *(u32 *)(%1 + %2)"                                                        \
		    : "=r"(loaded) : "r"(c), "i"(offsetof(context, member)), "m"(*(c)));            \
		loaded;                                                                             \
	})

/* An index below a power of two, as the verifier sees too: the compiler leaves out a step whose result it knows, and
 * older kernels forget ranges. */
#define BELOW(power, index)                                                      \
	({                                                                       \
		__u64 bounded = (index);                                         \
		asm volatile("%0 &= %1" : "+r"(bounded) : "i"((power) - 1));     \
		bounded;                                                         \
	})

enum { L2 = sizeof(struct ethhdr), HEADER4 = sizeof(struct iphdr), HEADER6 = sizeof(struct ipv6hdr) };
enum { ICMP = 1, IPV4 = 4, TCP = 6, UDP = 17, ICMPV6 = 58 };
enum { ECHO_REPLY = 0, ECHO_REQUEST = 8 };	/* of ICMP */
enum { DF = 0x4000, MF = 0x2000, OFFSET = 0x1fff };

/* What became of a packet: names of counters, the same as in the core (reasons.py).
 *
 * Functions give GO_ON, or one of the others, which ends the packet's way here: FOREIGN leaves it to the next
 * service, punt_... to the core, which answers, counts and drops by its rules. Nothing is dropped here but
 * punts beyond their rate. */
enum verdict {
	GO_ON,
	FOREIGN,
	encapsulated,
	decapsulated,
	hairpinned,
	forwarded,
	prefix_rewritten,
	mss_clamped,
	iid_format_rfc7597,
	iid_format_draft_03,
	punt_malformed,		/* also a wrong checksum of the header */
	punt_options,
	punt_fragment,
	punt_extension_header,
	punt_protocol,		/* neither TCP, UDP nor echo; ICMP errors too */
	punt_ttl,
	punt_too_big,
	punt_martian,
	punt_source,		/* not what its sender may use */
	punt_unknown,		/* nobody's address or port */
	punt_hairpin,
	punt_congestion,
	punt_no_session,
	punt_tcp_no_session,
	punt_unsolicited,
	punt_filtered,
	punt_expired,		/* the session's time is over; the core ends it first */
	punt_raced,		/* another CPU does the same just now */
	punt_session_limit,
	punt_session_quota,
	punt_session_rate,
	punt_quota,
	punt_ports_exhausted,
	punt_no_subscriber,
	punt_log_full,
	punt_no_checksum,
	punt_no_route,		/* XDP: neither a next hop in the cache nor one in the FIB */
	punt_not_linear,
	punt_driver,		/* a helper of the kernel refused */
	punt_limited,		/* dropped: more than the core is to be asked */
	VERDICTS
};

/* Where a packet goes: the number of a device, or one of these. */
enum {
	UNTOUCHED = 0,
	SPOILT = -1,		/* something failed after it was changed: nobody can have it */
	TO_KERNEL = -2,		/* whose routing takes what was made of it */
};

const volatile enum verdict LAST_VERDICT = VERDICTS;	/* so that Python finds their names */

INLINE bool same6(const address6 *a, const address6 *b)
{
	return ((a->part[0] ^ b->part[0]) | (a->part[1] ^ b->part[1])) == 0;
}

/* Two steps: the compiler copies by octets where it does not know the alignment. */
INLINE void write_address(void *to, const address6 *from)
{
	((__be64 *)to)[0] = from->part[0];
	((__be64 *)to)[1] = from->part[1];
}

INLINE address6 read_address(const void *from)
{
	const __be64 *part = from;

	return (address6){ .part = { part[0], part[1] } };
}

INLINE bool is_zero6(const address6 *a)
{
	return (a->part[0] | a->part[1]) == 0;
}

/* Both ends of a packet: IPv4 addresses and ports, or twice the identifier of an echo. */
struct ends {
	__be32 source;
	__be32 destination;
	__be16 source_port;
	__be16 destination_port;
};

struct packet4 {
	struct ends ends;
	__u16 total;		/* octets, as the header says */
	__u16 wire;		/* octets of the largest packet that it stands for */
	__be16 fragment;
	__u8 flags;		/* of TCP, or the type of an echo */
	__be16 check;		/* of the transport */
	__u32 protocol;		/* octets of the header, as they are reckoned with */
	__u32 tos;
	__u32 ttl;
};
