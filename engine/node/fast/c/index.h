/* Copyright: (c) 2026, ipv4aas.fleet contributors
 * SPDX-License-Identifier: GPL-3.0-or-later
 * Bindings by their ends: an index in lines of the cache, each of them for the ends whose hash leads there.
 *
 * A miss of the cache is most of what a new session costs. So nothing is chained: who looks for an end reads one
 * line, and touches the binding only where a part of the hash is the same.
 */
#pragma once

#include "sessions.h"

enum { LINE_ENTRIES = 14, NUMBER_BITS = 24 };

struct line {
	__u32 turn;		/* odd: somebody puts an inside end in */
	__u32 spilled;		/* entries that had to go to the line beside */
	__u32 entries[LINE_ENTRIES];	/* part of the hash << NUMBER_BITS | number of the binding, or one of these: */
};

/* The first entry that was never used ends the search, a gap does not. */
enum { UNUSED, GAP };

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);	/* at the start of a page: a line is one of the cache's too */
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct line);
} napt_index SEC(".maps");

const volatile __u32 LAST_LINE = 1;	/* of a power of two */
const volatile __u64 HASH_KEYS[3] = {};	/* odd; senders are not to choose which line is theirs */

#define FACTOR 0x9e3779b97f4a7c15ull	/* odd, its bits in no order */

/* By a product upper bits depend on all that are below them; those go below for another one. */
INLINE __u64 mixed(__u64 sum)
{
	return (sum ^ sum >> 32) * FACTOR;
}

/* The products of one end are made at the same time. */
INLINE __u64 hash_of_inside(const struct inside *end)
{
	const __u64 *part = (const __u64 *)end;

	return mixed(part[0] * HASH_KEYS[0] + part[1] * HASH_KEYS[1] + part[2] * HASH_KEYS[2]);
}

INLINE __u64 hash_of_outside(const struct outside *end)
{
	return mixed(*(const __u64 *)end * HASH_KEYS[0]);
}

INLINE bool same_inside(const struct inside *one, const struct inside *other)
{
	const __u64 *a = (const __u64 *)one, *b = (const __u64 *)other;

	return ((a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2])) == 0;
}

INLINE bool same_outside(const struct outside *one, const struct outside *other)
{
	return *(const __u64 *)one == *(const __u64 *)other;
}

INLINE struct line *line_of(__u64 hash)
{
	__u32 number = hash >> 40 & LAST_LINE;

	return bpf_map_lookup_elem(&napt_index, &number);
}

INLINE struct line *line_beside(__u64 hash)
{
	__u32 number = (hash >> 40 & LAST_LINE) ^ 1;

	return bpf_map_lookup_elem(&napt_index, &number);
}

/* What an entry has of the hash: never 0. */
INLINE __u32 tag_of(__u64 hash)
{
	return (hash >> 32 & 0xff) | 1;
}

/* Have a line come from memory while something else does. */
INLINE void touch(const void *place)
{
	asm volatile("r0 = *(u32 *)(%0 + 0)" : : "r"(place) : "r0");
}

/* Numbers of bindings begin with 1. */
INLINE struct binding *binding_of(__u32 number)
{
	number--;
	return bpf_map_lookup_elem(&napt_bindings, &number);
}

/* No load or store of the compiler's goes past this. */
#define BARRIER() asm volatile("" ::: "memory")

/* Whether a binding is that of an end, after its other end was read: one that has ended is soon another's. */
INLINE bool has_inside(const struct binding *binding, const struct inside *end)
{
	BARRIER();
	return *(volatile __u32 *)&binding->number && same_inside(&binding->inside, end);
}

INLINE bool has_outside(const struct binding *binding, const struct outside *end)
{
	BARRIER();
	return *(volatile __u32 *)&binding->number && same_outside(&binding->outside, end);
}

/* Whether a binding is the one that is asked for; what it answers besides is left in the question. */
typedef bool answers(const struct binding *binding, void *question);

INLINE bool is_of_inside(const struct binding *binding, void *question)
{
	return same_inside(&binding->inside, question);
}

INLINE bool is_of_outside(const struct binding *binding, void *question)
{
	return same_outside(&binding->outside, question);
}

/* The binding in a line that is asked for. */
INLINE struct binding *search(const struct line *line, __u32 tag, answers *is_asked_for, void *question)
{
	struct binding *found;
	int n;

	for (n = 0; n < LINE_ENTRIES; n++) {
		__u32 entry = line->entries[n];

		if (entry == UNUSED)
			break;
		if (entry >> NUMBER_BITS != tag)
			continue;
		found = binding_of(entry & ((1 << NUMBER_BITS) - 1));
		if (found && is_asked_for(found, question))
			return found;
	}
	return NULL;
}

INLINE __u32 find(__u64 hash, answers *is_asked_for, void *end, __u32 *turn)
{
	struct line *line = line_of(hash);
	struct binding *found;

	if (!line)
		return 0;
	if (turn)
		*turn = *(volatile __u32 *)&line->turn;
	found = search(line, tag_of(hash), is_asked_for, end);
	if (!found && UNLIKELY(line->spilled)) {
		line = line_beside(hash);
		found = line ? search(line, tag_of(hash), is_asked_for, end) : NULL;
	}
	return found ? found->number : 0;
}

/* Number of the binding of an inside end, 0: none; then `turn` is what begin() wants. */
__noinline __u32 find_inside(struct inside *end, __u32 *turn)
{
	return end && turn ? find(hash_of_inside(end), is_of_inside, end, turn) : 0;
}

__noinline __u32 find_outside(struct outside *end)
{
	return end ? find(hash_of_outside(end), is_of_outside, end, NULL) : 0;
}

INLINE bool put_in(struct line *line, __u32 entry)
{
	int n;

	for (n = 0; n < LINE_ENTRIES; n++) {
		__u32 before = line->entries[n];

		if (before <= GAP && __sync_val_compare_and_swap(&line->entries[n], before, entry) == before)
			return true;
	}
	return false;
}

INLINE bool take_from(struct line *line, __u32 entry)
{
	int n;

	for (n = 0; n < LINE_ENTRIES; n++)
		if (line->entries[n] == entry)
			return __sync_val_compare_and_swap(&line->entries[n], entry, GAP) == entry;
	return false;
}

/* Enter a binding; false: there is no room in the line, nor beside it. */
__noinline bool put(__u64 hash, __u32 number)
{
	struct line *line = line_of(hash), *beside = line_beside(hash);
	__u32 entry = tag_of(hash) << NUMBER_BITS | number;

	if (!line || !beside)
		return false;
	if (put_in(line, entry))
		return true;
	__sync_fetch_and_add(&line->spilled, 1);
	if (put_in(beside, entry))
		return true;
	__sync_fetch_and_add(&line->spilled, -1);
	return false;
}

__noinline bool take_out(__u64 hash, __u32 number)
{
	struct line *line = line_of(hash), *beside = line_beside(hash);
	__u32 entry = tag_of(hash) << NUMBER_BITS | number;

	if (!line || !beside || take_from(line, entry))
		return true;
	if (take_from(beside, entry))
		__sync_fetch_and_add(&line->spilled, -1);
	return true;
}

/* Only one at a time puts an inside end into a line, and only if nobody did since find_inside(): so none is twice
 * there. NULL: look again. */
INLINE struct line *begin(const struct inside *end, __u32 turn)
{
	struct line *line = line_of(hash_of_inside(end));

	if (!line || turn & 1 || __sync_val_compare_and_swap(&line->turn, turn, turn + 1) != turn)
		return NULL;
	return line;
}

INLINE void finish(struct line *line)
{
	__sync_fetch_and_add(&line->turn, 1);
}

/* A binding that nobody has; 0: none is left. What was given back is at the head of a list, and `free` has its number
 * and how often the head changed. */
INLINE __u32 new_binding(void)
{
	struct tally *all = tally();
	struct binding *first;
	__u32 number;
	__u64 head;
	int tries;

	if (!all)
		return 0;
	for (tries = 0; tries < 16; tries++) {
		head = *(volatile __u64 *)&all->free;
		first = (__u32)head ? binding_of((__u32)head) : NULL;
		if (!first)
			break;
		if (__sync_val_compare_and_swap(&all->free, head, ((head >> 32) + 1) << 32 | first->next) == head)
			return (__u32)head;
	}
	number = __sync_fetch_and_add(&all->fresh, 1) + 1;
	if (binding_of(number))
		return number;
	__sync_fetch_and_add(&all->fresh, -1);
	return 0;
}

/* A binding that is in no line any more. */
INLINE void free_binding(__u32 number)
{
	struct binding *binding = binding_of(number);
	struct tally *all = tally();
	__u64 head;
	int tries;

	if (!binding || !all)
		return;
	binding->number = 0;
	binding->others = GONE;	/* for who has found it while it was entered in vain */
	for (tries = 0; tries < 64; tries++) {
		head = *(volatile __u64 *)&all->free;
		binding->next = (__u32)head;
		if (__sync_val_compare_and_swap(&all->free, head, ((head >> 32) + 1) << 32 | number) == head)
			return;
	}
}
