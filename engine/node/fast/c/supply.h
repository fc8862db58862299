/* Copyright: (c) 2026, ipv4aas.fleet contributors
 * SPDX-License-Identifier: GPL-3.0-or-later
 * Which outside address and port a binding gets, what a subscriber may use, and the record of it (RFC 6888).
 * As allocation.py and supply.py.
 */
#pragma once

#include "ports.h"

enum supply {
	ONE_BY_ONE,		/* of those that all subscribers share */
	BLOCKS,			/* of blocks that a subscriber gets as it needs them */
	RANGES,			/* of a range that follows from the subscriber's number (RFC 7422) */
	PORT_SET,		/* an edge's own ones */
};

struct napt_config {
	enum supply supply;
	__u8 open_filter;	/* endpoint-independent filtering */
	__u8 logs;
	__u16 first_port;	/* of the pool */
	__u32 addresses;
	__u32 block_size;	/* of a block or range */
	__u32 blocks;		/* of one address; ranges: subscribers of one address */
	__u32 first_dynamic;	/* ranges: from here on ports are everybody's; 65536: none */
	__u32 low_ports;	/* port set: how many are below 1024 */
	__u32 set_ports;	/* and how many there are */
	__u32 most_sessions;
	__u32 ports_per_subscriber;	/* 0: any number, here and below */
	__u32 sessions_per_subscriber;
	__u32 new_sessions_per_second;
	__u64 hold_down;	/* ns */
	__u64 most_held;	/* ports or blocks */
	__u32 held_places;	/* for those that wait */
	__u32 zero;
	address6 subscriber_mask;
	__u32 subscriber_shift;	/* ranges: bits of an address beside the subscriber's prefix */
	address6 subscribers;	/* ranges: where they are counted from */
};

const volatile struct napt_config NAPT = {};

enum { NO_ROOM = -7 };	/* E2BIG: what an update says to a full table */

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, address6);		/* the first address of its prefix */
	__type(value, struct subscriber);
} subscribers SEC(".maps");

struct block {
	__u32 used;		/* ports, and who is about to take one; GONE: nobody's */
	__u32 emptied;		/* how many times */
	address6 owner;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);	/* index of the address * blocks of one + number of the block */
	__type(value, struct block);
} blocks SEC(".maps");

enum record_event { PORT_ASSIGNED, PORT_RELEASED, BLOCK_ASSIGNED, BLOCK_RELEASED, RECORD_EVENTS };

const volatile enum record_event LAST_RECORD = RECORD_EVENTS;

/* For the session log (natlog.py). */
struct record {
	__u64 time;		/* ns of the monotonic clock */
	address6 realm;
	__be32 outside;
	__u16 first_port;
	__u16 last_port;
	__u8 protocol;		/* 0: all */
	__u8 event;
	__u8 zero[6];
};

const volatile struct record ANY_RECORD = {};	/* so that Python finds its layout */

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} records SEC(".maps");

/* Ask for it where NAPT.logs, or tells_ports(), and do so again before it is sent or given up: constants are the same
 * twice, while the verifier of Linux 6.1 does not believe that a record which is there is not NULL. */
INLINE struct record *new_record(void)
{
	return bpf_ringbuf_reserve(&records, sizeof(struct record), 0);
}

INLINE void send_record(struct record *record, __u8 event, const address6 *realm, __be32 outside, __u8 protocol,
			__u32 first, __u32 last, __u64 now)
{
	__builtin_memset(record, 0, sizeof(*record));
	record->time = now;
	record->realm = *realm;
	record->outside = outside;
	record->first_port = first;
	record->last_port = last;
	record->protocol = protocol;
	record->event = event;
	bpf_ringbuf_submit(record, 0);
}

INLINE address6 subscriber_of(const address6 *realm)
{
	address6 mask = read6(&NAPT.subscriber_mask);

	return (address6){ .part = { realm->part[0] & mask.part[0], realm->part[1] & mask.part[1] } };
}

INLINE bool has_subscribers(void)
{
	return NAPT.supply != PORT_SET;
}

/* Sessions of a subscriber, and new ones in this second (RFC 6888 REQ-4C, REQ-5). One more is counted. */
INLINE int admit(struct subscriber *subscriber, __u64 now)
{
	__u64 second = now / SECONDS << 32;

	if (__sync_fetch_and_add(&subscriber->sessions, 1) >= NAPT.sessions_per_subscriber &&
	    NAPT.sessions_per_subscriber) {
		__sync_fetch_and_add(&subscriber->sessions, -1);
		return punt_session_quota;
	}
	if (NAPT.new_sessions_per_second) {
		__u64 pace = subscriber->pace;

		if ((pace ^ second) >> 32)
			__sync_val_compare_and_swap(&subscriber->pace, pace, second);
		pace = __sync_fetch_and_add(&subscriber->pace, 1);
		if ((__u32)pace >= NAPT.new_sessions_per_second) {
			__sync_fetch_and_add(&subscriber->pace, -1);
			__sync_fetch_and_add(&subscriber->sessions, -1);
			return punt_session_rate;
		}
	}
	return GO_ON;
}

struct place {
	__u32 kind;
	__u32 address;
	bool found;
};

static long place_step(__u32 n, struct place *place)
{
	struct tally *all = tally();
	__u32 kind = place->kind & 3;

	if (!all)
		return 1;
	place->address = __sync_fetch_and_add(&all->turn[kind], 1) % NAPT.addresses;
	place->found = has_room(ports_of(place->address, NAPT.supply == BLOCKS ? PORT_BLOCKS : kind));
	return place->found;
}

/* A subscriber that was not there, `owner` of what has no room on the stack: its address, in turn among those with
 * room, or by arithmetic. */
__noinline int enter(__u8 protocol)
{
	struct scratch *room = scratch();
	struct tally *all = tally();
	struct subscriber *fresh;
	address6 *key;
	long result;

	if (!room)
		return punt_driver;
	key = &room->owner;
	fresh = &room->subscriber;
	__builtin_memset(fresh, 0, sizeof(*fresh));
	if (NAPT.supply == RANGES) {
		address6 base = read6(&NAPT.subscribers);
		__u64 high = bpf_be64_to_cpu(key->part[0]) - bpf_be64_to_cpu(base.part[0]);
		__u64 low = bpf_be64_to_cpu(key->part[1]) - bpf_be64_to_cpu(base.part[1]);
		__u32 shift = NAPT.subscriber_shift;
		__u64 number = shift >= 64 ? high >> (shift & 63) : high << (64 - shift & 63) | low >> shift;

		if (number >= (__u64)NAPT.addresses * NAPT.blocks)
			return punt_no_subscriber;
		fresh->address = (__u32)number / NAPT.blocks;
		fresh->first = NAPT.first_port + (__u32)number % NAPT.blocks * NAPT.block_size;
		fresh->end = fresh->first + NAPT.block_size;
	} else {
		struct place place = { .kind = kind_of(protocol) };

		bpf_loop(NAPT.addresses, place_step, &place, 0);
		if (!place.found)
			return punt_ports_exhausted;
		fresh->address = place.address;
	}
	/* Two packets may do so at once; then the first one's is right. */
	result = bpf_map_update_elem(&subscribers, key, fresh, BPF_NOEXIST);
	if (!result && all)
		__sync_fetch_and_add(&all->subscribers, 1);
	return result == NO_ROOM ? punt_session_limit : GO_ON;
}

INLINE __u32 block_index(__u32 address, __u32 number)
{
	return address * NAPT.blocks + number;
}

/* A port of a block, which is held for it; -1: none. */
INLINE int draw_of_block(__u32 address, __u32 number, __u32 kind, __u64 mask)
{
	__u32 index = block_index(address, number), first = NAPT.first_port + number * NAPT.block_size;
	struct block *block = bpf_map_lookup_elem(&blocks, &index);
	int port;

	if (!block || !hold(&block->used))
		return -1;
	port = pick_port(ports_of(address, kind), first, first + NAPT.block_size, mask);
	if (port < 0)
		let_go(&block->used);
	return port;
}

/* A block more for a subscriber, held once; -1: none. */
INLINE int assign_block(struct subscriber *subscriber, const address6 *key, __u64 now)
{
	__u32 address = subscriber->address, index, slot;
	struct record *record = NULL;
	struct block *block;
	bool kept = false;
	__s32 number;

	number = pick_port(ports_of(address, PORT_BLOCKS), 0, NAPT.blocks, ANY_PARITY);
	if (number < 0)
		return -1;
	index = block_index(address, number);
	block = bpf_map_lookup_elem(&blocks, &index);
	if (!block)
		return -1;
	if (NAPT.logs) {
		record = new_record();
		if (!record)
			goto give_back;
	}
	block->owner = *key;
	block->used = 1;
	for (slot = 0; slot < MOST_BLOCKS && !kept; slot++) {
		__u32 *pair = (__u32 *)&subscriber->blocks[slot & ~1 & (MOST_BLOCKS - 1)];
		__u32 before = *(volatile __u32 *)pair, half = slot & 1 ? 16 : 0;

		if (!(before >> half & 0xffff))
			kept = __sync_val_compare_and_swap(pair, before, before | (__u32)(number + 1) << half) == before;
	}
	if (kept) {
		__sync_fetch_and_add(&subscriber->holders, 1);
		count_port(PORT_BLOCKS, 1);
		if (NAPT.logs) {
			__u32 first = NAPT.first_port + number * NAPT.block_size;

			send_record(record, BLOCK_ASSIGNED, key, pool_address(address), 0, first,
				    first + NAPT.block_size - 1, now);
		}
		return number;
	}
	if (NAPT.logs)
		bpf_ringbuf_discard(record, 0);
	block->used = GONE;
give_back:
	free_port(ports_of(address, PORT_BLOCKS), number);
	return -1;
}

INLINE void release_block(__u32 index)
{
	struct block *block = bpf_map_lookup_elem(&blocks, &index);

	if (block)
		let_go(&block->used);
}

/* A port of an edge's own set: the same one if it is free (RFC 4787 REQ-3), else system ports for those who have one. */
INLINE int draw_of_set(__u32 address, __u32 kind, __u32 wanted, __u64 mask)
{
	__u32 index = ports_of(address, kind), low, turn;
	int port = -1;

	if (kind != ICMP_PORTS && wanted && take_port(index, wanted))
		return wanted;
	if (kind != ICMP_PORTS && wanted >= SYSTEM_PORTS && NAPT.low_ports < NAPT.set_ports)
		return pick_port(index, SYSTEM_PORTS, 65536, mask);
	low = bpf_get_prandom_u32() % (NAPT.set_ports ?: 1) < NAPT.low_ports;
	for (turn = 0; turn < 2 && port < 0; turn++)
		port = (turn ^ low) ? pick_port(index, 1, SYSTEM_PORTS, mask) : pick_port(index, SYSTEM_PORTS, 65536, mask);
	return port;
}

/* A port for a binding of a subscriber, of its class and parity where possible (RFC 4787 REQ-3, REQ-4); -1: none. */
INLINE int draw(struct subscriber *subscriber, const address6 *key, __u32 kind, __u32 wanted, __u64 mask, __u64 now)
{
	__u32 address = subscriber->address, index = ports_of(address, kind), slot;
	int port = -1, number;

	if (NAPT.supply == BLOCKS) {
		for (slot = 0; slot < MOST_BLOCKS && port < 0; slot++)
			if (subscriber->blocks[slot])
				port = draw_of_block(address, subscriber->blocks[slot] - 1, kind, mask);
		if (port >= 0)
			return port;
		number = assign_block(subscriber, key, now);
		if (number < 0)
			return -1;
		port = draw_of_block(address, number, kind, mask);
		index = block_index(address, number);
		release_block(index);
		return port;
	}
	if (NAPT.supply == RANGES) {
		port = pick_port(index, subscriber->first, subscriber->end, mask);
		return port >= 0 ? port : pick_port(index, NAPT.first_dynamic, 65536, mask);
	}
	if (NAPT.first_port < SYSTEM_PORTS && wanted < SYSTEM_PORTS && kind != ICMP_PORTS)
		port = pick_port(index, NAPT.first_port ?: 1, SYSTEM_PORTS, mask);
	if (port < 0)
		port = pick_port(index, NAPT.first_port > SYSTEM_PORTS ? NAPT.first_port : SYSTEM_PORTS, 65536, mask);
	return port;
}
