/* Copyright: (c) 2026, ipv4aas.fleet contributors
 * SPDX-License-Identifier: GPL-3.0-or-later
 * Which ports of an outside address are free, for each protocol, and which blocks of them. As freeports.py.
 *
 * Bits are 1 where free; Python clears beforehand what is nobody's. A summary leads to words that are not empty,
 * so that the last free port is found as quickly as the first.
 */
#pragma once

#include "config.h"
#include "index.h"
#include "pool.h"

#define EVEN 0x5555555555555555ull
#define ODD (EVEN << 1)
#define ANY_PARITY (~0ull)

struct ports {
	__u64 word[1024];
	__u64 summary[32];	/* words that have an even one free, then those that have an odd one */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);	/* index of the address * PORT_KINDS + kind */
	__type(value, struct ports);
} free_ports SEC(".maps");

INLINE __u32 ports_of(__u32 address, __u32 kind)
{
	return address * PORT_KINDS + kind;
}

enum { SYSTEM_PORTS = 1024 };	/* those below stay below, those above above (RFC 4787 REQ-3a) */

INLINE __u32 kind_of(__u8 protocol)
{
	return protocol == TCP ? TCP_PORTS : protocol == UDP ? UDP_PORTS : ICMP_PORTS;
}

/* Number of the lowest 1; there must be one. By steps: clang 14 never ends over __builtin_ctzll() here. */
INLINE __u32 lowest_bit(__u64 value)
{
	__u32 at = 0;

	if (!(__u32)value) {
		at = 32;
		value >>= 32;
	}
	if (!(value & 0xffff)) {
		at += 16;
		value >>= 16;
	}
	if (!(value & 0xff)) {
		at += 8;
		value >>= 8;
	}
	if (!(value & 0xf)) {
		at += 4;
		value >>= 4;
	}
	if (!(value & 3)) {
		at += 2;
		value >>= 2;
	}
	return at + !(value & 1);
}

INLINE __u64 *word_with(struct ports *ports, __u32 port)
{
	return &ports->word[BELOW(1024, port >> 6)];
}

/* Of the ports of a parity, where a word of them has a bit. */
INLINE __u64 *summary_of(struct ports *ports, bool odd, __u32 word)
{
	return &ports->summary[BELOW(32, odd << 4 | word >> 6)];
}

/* Take one bit; false: somebody else has it. */
INLINE bool take_bit(struct ports *ports, __u32 port)
{
	__u32 at = port >> 6 & 1023, shift = port & 63;
	__u64 bit = 1ull << shift, parity = shift & 1 ? ODD : EVEN;
	__u64 *word = word_with(ports, port), old = __sync_fetch_and_and(word, ~bit);
	__u64 *summary;

	if (!(old & bit))
		return false;
	if (!(old & ~bit & parity)) {
		summary = summary_of(ports, shift & 1, at);
		__sync_fetch_and_and(summary, ~(1ull << (at & 63)));
		/* Who gave one back meanwhile may have set it before. */
		if (*(volatile __u64 *)word & parity)
			__sync_fetch_and_or(summary, 1ull << (at & 63));
	}
	return true;
}

INLINE bool take_port(__u32 index, __u32 port)
{
	struct ports *ports = bpf_map_lookup_elem(&free_ports, &index);

	return ports && take_bit(ports, port);
}

INLINE void free_port(__u32 index, __u32 port)
{
	struct ports *ports = bpf_map_lookup_elem(&free_ports, &index);
	__u32 at = port >> 6 & 1023, shift = port & 63;

	if (!ports)
		return;
	__sync_fetch_and_or(word_with(ports, port), 1ull << shift);
	__sync_fetch_and_or(summary_of(ports, shift & 1, at), 1ull << (at & 63));
}

/* Whether a new subscriber finds one of these ports: system ports are not for everybody. */
INLINE bool has_room(__u32 index)
{
	struct ports *ports = bpf_map_lookup_elem(&free_ports, &index);
	__u64 mask = index % PORT_KINDS == PORT_BLOCKS ? ~0ull : ~0ull << (SYSTEM_PORTS / 64);
	int n;

	if (!ports)
		return false;
	for (n = 0; n < 16; n++, mask = ~0ull)
		if ((ports->summary[n] | ports->summary[16 + n]) & mask)
			return true;
	return false;
}

/* Looks at one word or summary: 1 at the end. A function of its own, for the verifier to see it once only. */
__noinline int search_step(struct search *s)
{
	__u32 index, at, word, last, turn;
	__u64 words = 0, free;
	struct ports *ports;

	if (!s)
		return 1;
	index = s->index;
	ports = bpf_map_lookup_elem(&free_ports, &index);
	if (!ports)
		return 1;
	at = s->at;
	word = at >> 6 & 1023;
	turn = s->dice & 63;
	if (at >= s->to) {
		bool wraps = !(s->turns & 1);

		if (s->turns == 1) {
			if (s->mask == ANY_PARITY)
				return 1;
			s->mask = ~s->mask;
		}
		if (s->turns == 3)
			return 1;
		s->turns++;
		s->at = wraps ? s->first : s->start;
		s->to = wraps ? s->start : s->end;
		return 0;
	}
	if (s->mask & EVEN)
		words |= *summary_of(ports, false, word);
	if (s->mask & ODD)
		words |= *summary_of(ports, true, word);
	words &= ~0ull << (word & 63);
	if (!words) {
		s->at = ((at >> 12) + 1) << 12;
		return 0;
	}
	last = (word & ~63u) | lowest_bit(words);
	if (last != word) {
		word = last & 1023;
		at = word << 6;
		if (at >= s->to) {
			s->at = at;
			return 0;
		}
	}
	free = *word_with(ports, word << 6) & s->mask & (~0ull << (at & 63));
	if ((word + 1) << 6 > s->to)
		free &= (1ull << (s->to & 63)) - 1;
	if (!free) {
		s->at = (word + 1) << 6;
		return 0;
	}
	if (free & (~0ull << turn))	/* from a random place on; else the lowest one */
		free &= ~0ull << turn;
	last = word << 6 | lowest_bit(free);
	if (!take_bit(ports, last))
		return 0;
	s->found = last;
	return 1;
}

/* A port at random, if it is free. What its outside end has in the index comes from memory at the same time. */
__noinline bool try_port(__u32 index, __u32 port)
{
	struct ports *ports = bpf_map_lookup_elem(&free_ports, &index);
	__u32 kind = index % PORT_KINDS;
	struct outside outside = {
		.address = pool_address(index / PORT_KINDS),
		.port = bpf_htons(port),
		.protocol = kind == TCP_PORTS ? TCP : kind == UDP_PORTS ? UDP : ICMP,
	};
	struct line *line = line_of(hash_of_outside(&outside));

	if (!ports || !line)
		return false;
	touch(word_with(ports, port));
	touch(line);
	return take_bit(ports, port);
}

enum { MOST_STEPS = 4 * (16 + 4) + 32 };	/* of which the last are for races */

/* Takes a random one of first..end-1, of the wanted parity while there is any; -1: all are taken. */
__noinline int pick_port(__u32 index, __u32 first, __u32 end, __u64 mask)
{
	struct scratch *room = scratch();
	struct search *s;
	int steps;

	if (!room || first >= end || end > 65536)
		return -1;
	s = &room->search;
	s->mask = mask;
	s->index = index;
	s->first = first;
	s->end = s->to = end;
	s->turns = 0;
	s->dice = bpf_get_prandom_u32();
	s->start = s->first + (__u32)((__u64)(s->dice >> 8) * (s->end - s->first) >> 24);
	s->found = s->mask >> (s->start & 63) & 1 ? s->start : s->start ^ 1;
	if (s->found >= s->first && s->found < s->end && try_port(s->index, s->found))
		return s->found;
	s->found = -1;
	if ((s->start & ~63u) > s->first)
		s->start &= ~63u;
	s->at = s->start;
	for (steps = 0; steps < MOST_STEPS; steps++)
		if (search_step(s))
			break;
	return s->found;
}
