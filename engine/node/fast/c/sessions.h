/* Copyright: (c) 2026, ipv4aas.fleet contributors
 * SPDX-License-Identifier: GPL-3.0-or-later
 * The tables of a NAPT. They outlive a program: a reload's program takes them over.
 *
 * A binding is (realm, inside address, port, protocol) <-> (outside address, port, protocol), and its own first
 * session, as in napt.py. It is one line of the cache, which both directions find (index.h). Further sessions have
 * a table of their own.
 */
#pragma once

#include "base.h"
#include "tcp.h"

struct inside {
	address6 realm;		/* whose inside address it is: softwire, IPv6 host, or 0 */
	__be32 address;
	__be16 port;
	__u8 protocol;
	__u8 zero;
};

struct outside {
	__be32 address;
	__be16 port;
	__u8 protocol;
	__u8 zero;
} __attribute__((aligned(8)));	/* compared in one step */

struct session {
	__be32 remote;
	__be16 remote_port;	/* 0 for ICMP */
	__u8 state;		/* enum session_state; NO_SESSION: nobody is the first one */
	__u8 zero;
	__u64 expires;		/* ns of the monotonic clock */
};

struct binding {
	struct session session;
	struct inside inside;
	struct outside outside;
	__u32 others;		/* further sessions, and who is about to make one; GONE: it has ended */
	__u32 number;		/* its own, counted from 1; 0: nobody's */
	__u32 next;		/* of those that are free */
	__u8 is_static;
	__u8 zero[3];
};

struct further {
	struct outside outside;
	__be32 remote;
	__be16 remote_port;
	__be16 zero;
};

struct peer {
	struct outside outside;
	__be32 remote;
	__be32 zero;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);	/* at the start of a page: a binding is one line of the cache */
	__uint(max_entries, 1);
	__type(key, __u32);	/* its number - 1 */
	__type(value, struct binding);
} napt_bindings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct further);
	__type(value, struct session);
} further_sessions SEC(".maps");

/* How many further sessions a binding has with a remote address, where that one may then use any port. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct peer);
	__type(value, __u32);
} peers SEC(".maps");

enum { TCP_PORTS, UDP_PORTS, ICMP_PORTS, PORT_BLOCKS, PORT_KINDS };

struct tally {
	__u64 sessions;
	__u64 held;		/* entries of `held` that are in use */
	__u64 first_held;	/* how many there were before the first of them */
	__u64 turn[PORT_KINDS];	/* whose turn it is among the addresses */
	__u64 ports[PORT_KINDS];	/* that bindings have; blocks that subscribers have */
	__u64 waiting[PORT_KINDS];	/* of `held` */
	__u64 subscribers;
	__u64 fresh;		/* bindings that were ever somebody's: behind them all are new */
	__u64 free;		/* the first of those that are nobody's any more, see new_binding() */
	__u64 now;		/* where OWN_CLOCK is set */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tally);
} tallies SEC(".maps");

/* A packet's question: `inside` and `remote` are given for one from inside, `outside` and `remote` for one from
 * outside; the rest is the answer. */
struct flow {
	struct inside inside;
	struct outside outside;
	__be32 remote;
	__be16 remote_port;
	__u8 flags;		/* of TCP, or the type of ICMP */
	__u8 later;		/* a later fragment */
	__u64 now;
	__u8 hairpin;		/* RFC 4787 REQ-9: it came from inside */
	__u8 zero[3];
	__u32 turn;		/* of the inside end's line, where there is no binding (index.h) */
};

/* A search from a random place on, round to it, and then the same for the other parity. */
struct search {
	__u64 mask;		/* parity */
	__u32 index;
	__u32 first;		/* of the ports that may be taken */
	__u32 end;		/* behind the last one */
	__u32 start;
	__u32 at;
	__u32 to;
	__u32 dice;
	__u32 turns;
	__s32 found;
};

enum { MOST_BLOCKS = 32 };	/* of one subscriber */

struct subscriber {
	__u32 holders;		/* ports in use, and ports and blocks that wait */
	__u32 ports;
	__u32 sessions;
	__u32 address;		/* index in the pool */
	__u64 pace;		/* the running second << 32, and sessions begun in it */
	__u32 first;		/* ranges: its ports */
	__u32 end;
	__u16 blocks[MOST_BLOCKS];	/* numbers, counted from 1 */
};

/* What has no room on the stack. The hooks' programs of a CPU do not interrupt each other, those that Python runs
 * have a map of their own. */
struct scratch {
	struct flow flow;
	struct packet4 seen;	/* a packet from inside, as another subscriber sees it */
	address6 owner;		/* subscriber */
	struct search search;
	struct further further;
	struct session session;
	struct peer peer;
	struct subscriber subscriber;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct scratch);
} scratches SEC(".maps");

INLINE struct scratch *scratch(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&scratches, &zero);
}

const volatile __u8 OWN_CLOCK = 0;	/* for tests, which let time pass */

INLINE struct tally *tally(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&tallies, &zero);
}

/* One more port or block in use, or with -1 one less. */
INLINE void count_port(__u32 kind, __s64 more)
{
	struct tally *all = tally();

	if (all)
		__sync_fetch_and_add(&all->ports[kind & 3], more);
}

#ifndef CLOCK
#define CLOCK ticking_clock

/* Some ms behind: as long as the kernel's tick is the same, so is the time. */
__u64 last_tick, last_time;

INLINE __u64 ticking_clock(void)
{
	__u64 tick = bpf_jiffies64();

	if (UNLIKELY(tick != last_tick)) {
		last_time = bpf_ktime_get_coarse_ns();
		last_tick = tick;
	}
	return last_time;
}
#endif

INLINE __u64 napt_now(void)
{
	struct tally *found;

	if (!OWN_CLOCK)
		return CLOCK();
	found = tally();
	return found ? found->now : 0;
}

#define GONE 0x80000000u

/* Hold something that may be ended meanwhile by who finds nobody holding it: one more, unless it is gone. */
INLINE bool hold(__u32 *holders)
{
	__u32 before = *(volatile __u32 *)holders;
	int tries;

	for (tries = 0; tries < 4; tries++) {
		__u32 seen;

		if (before & GONE)
			return false;
		seen = __sync_val_compare_and_swap(holders, before, before + 1);
		if (seen == before)
			return true;
		before = seen;
	}
	return false;
}

INLINE void let_go(__u32 *holders)
{
	__sync_fetch_and_add(holders, -1);
}

/* End something that nobody holds. */
INLINE bool may_end(__u32 *holders)
{
	return __sync_val_compare_and_swap(holders, 0, GONE) == 0;
}
