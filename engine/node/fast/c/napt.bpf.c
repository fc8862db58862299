/* Copyright: (c) 2026, ipv4aas.fleet contributors
 * SPDX-License-Identifier: GPL-3.0-or-later
 * What Python runs on the tables of a NAPT: questions of the core (sessions.py), and the end of what is over.
 */
#define CLOCK bpf_ktime_get_ns		/* the other one is not for programs of this type */
#include "config.h"
#include "napt.h"

/* Ports and empty blocks that wait before they are given again (RFC 6888 REQ-8), the oldest first. */
struct held {
	__u64 until;		/* ns */
	address6 subscriber;
	__u32 address;		/* index in the pool */
	__u32 emptied;		/* of a block: what it was then; another number says that it was used again */
	__u32 port;		/* or number of the block */
	__u32 kind;
};

/* Round and round. Before Linux 6.4 programs of this type must not use queues. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct held);
} held SEC(".maps");

/* What an ended binding, or the walk, has closed. */
struct walk {
	__u64 now;
	__u32 closed;		/* sessions */
	__u32 left;		/* what has to wait for room in the log */
};

struct question {
	struct flow flow;
	struct walk walk;
	__u32 outbound;
	__u32 verdict;
};

INLINE void count_waiting(__u32 kind, __s64 more)
{
	struct tally *all = tally();

	if (all)
		__sync_fetch_and_add(&all->waiting[kind & 3], more);
}

/* Its time has come: a port for everybody; a block, unless it was used again. */
__noinline int ripen(struct held *item)
{
	struct subscriber *subscriber;
	struct record *record = NULL;
	struct block *block;
	__u32 index, slot;
	address6 owner;

	if (!item)
		return 0;
	owner = item->subscriber;
	subscriber = bpf_map_lookup_elem(&subscribers, &owner);
	if (item->kind == PORT_BLOCKS) {
		index = block_index(item->address, item->port);
		block = bpf_map_lookup_elem(&blocks, &index);
		if (!block || block->emptied != item->emptied)
			return 1;
		if (NAPT.logs) {
			record = new_record();
			if (!record)
				return 0;
		}
		if (!may_end(&block->used)) {
			if (NAPT.logs)
				bpf_ringbuf_discard(record, 0);
			return 1;
		}
		for (slot = 0; subscriber && slot < MOST_BLOCKS; slot++)
			if (subscriber->blocks[slot] == item->port + 1)
				subscriber->blocks[slot] = 0;
		if (NAPT.logs) {
			__u32 first = NAPT.first_port + item->port * NAPT.block_size;

			send_record(record, BLOCK_RELEASED, &owner, pool_address(item->address), 0, first,
				    first + NAPT.block_size - 1, napt_now());
		}
	}
	free_port(ports_of(item->address, item->kind), item->port);
	if (item->kind == PORT_BLOCKS)
		count_port(PORT_BLOCKS, -1);
	else
		count_waiting(item->kind, -1);
	if (subscriber)
		let_go(&subscriber->holders);
	return 1;
}

/* The oldest that waits, or the place behind so many. */
INLINE struct held *held_behind(const struct tally *all, __u64 count)
{
	__u32 place = (all->first_held + count) % (NAPT.held_places ?: 1);

	return bpf_map_lookup_elem(&held, &place);
}

INLINE void let_out(struct tally *all)
{
	all->first_held++;
	all->held--;
}

/* Room for one that waits: where there is none the oldest gives way, unless the log has no room for its end. */
static __noinline bool make_room(void)
{
	struct tally *all = tally();
	struct held *oldest;

	if (!all)
		return false;
	if (all->held < NAPT.held_places)
		return true;
	oldest = held_behind(all, 0);
	if (!oldest || !ripen(oldest))
		return false;
	let_out(all);
	return true;
}

/* Behind make_room(). */
INLINE void wait_for(const struct held *item)
{
	struct tally *all = tally();
	struct held *place = all ? held_behind(all, all->held) : NULL;

	if (!place)
		return;
	*place = *item;
	all->held++;
}

/* The port of a binding that has ended; its subscriber may have it again at once where it is only his. */
INLINE void give_back(const struct outside *outside, struct subscriber *subscriber, const address6 *owner, __u64 now)
{
	__u32 port = bpf_ntohs(outside->port), kind = kind_of(outside->protocol), index;
	struct held item = { .subscriber = *owner, .port = port, .kind = kind, .until = now + NAPT.hold_down };
	__s32 address = pool_index(outside->address);
	struct block *block;

	if (address < 0)
		return;
	item.address = address;
	if (subscriber)
		__sync_fetch_and_add(&subscriber->ports, -1);
	if (is_told(port)) {
		count_waiting(kind, 1);
		wait_for(&item);
		return;
	}
	free_port(ports_of(address, kind), port);
	if (NAPT.supply == BLOCKS) {
		item.port = (port - NAPT.first_port) / (NAPT.block_size ?: 1);
		item.kind = PORT_BLOCKS;
		index = block_index(address, item.port);
		block = bpf_map_lookup_elem(&blocks, &index);
		if (block && __sync_fetch_and_add(&block->used, -1) == 1) {
			item.emptied = __sync_fetch_and_add(&block->emptied, 1) + 1;
			wait_for(&item);
		}
	}
	if (subscriber)
		let_go(&subscriber->holders);
}

/* End a binding without further sessions: false where it has to live on. Only one thread does so, the daemon's: what is
 * read here before nobody can hold it stays true. */
INLINE bool end_binding(struct binding *binding, struct subscriber *subscriber, const address6 *owner,
			struct walk *walk)
{
	struct outside outside = binding->outside;
	struct inside inside = binding->inside;
	__u32 number = binding->number, port = bpf_ntohs(outside.port);
	struct record *record;

	if (!make_room()) {
		walk->left++;
		return false;
	}
	if (tells_ports() && is_told(port)) {
		record = new_record();
		if (!record) {
			walk->left++;
			return false;
		}
		if (!may_end(&binding->others)) {
			bpf_ringbuf_discard(record, 0);
			return false;
		}
		send_record(record, PORT_RELEASED, &inside.realm, outside.address, outside.protocol, port, port,
			    walk->now);
	} else if (!may_end(&binding->others)) {
		return false;
	}
	take_out(hash_of_inside(&inside), number);
	take_out(hash_of_outside(&outside), number);
	free_binding(number);
	count_port(kind_of(outside.protocol), -1);
	give_back(&outside, subscriber, owner, walk->now);
	return true;
}

/* A binding's own session that is over, if it is, and the binding where it was the last one. */
__noinline int end_first(__u32 number, struct walk *walk)
{
	struct subscriber *subscriber;
	struct binding *binding;
	address6 owner;
	bool is_first;

	if (!walk)
		return 0;
	binding = binding_of(number);
	if (!binding || !binding->number)
		return 0;
	is_first = binding->session.state != NO_SESSION;
	if (is_first && !is_over(&binding->session, walk->now))
		return 0;
	owner = subscriber_of(&binding->inside.realm);
	subscriber = bpf_map_lookup_elem(&subscribers, &owner);
	if (!binding->others && !binding->is_static) {
		if (!end_binding(binding, subscriber, &owner, walk))
			return 0;
	} else if (is_first) {
		*word_of(&binding->session) = 0;
	}
	if (is_first) {
		uncount_session(subscriber);
		walk->closed++;
	}
	return 0;
}

/* A further session that is over, if it is. */
__noinline int end_further(const struct further *asked, struct walk *walk)
{
	struct further key;
	struct subscriber *subscriber;
	struct session *session;
	struct binding *binding;
	struct peer peer = {};
	address6 owner;

	if (!asked || !walk)
		return 0;
	key = *asked;
	session = bpf_map_lookup_elem(&further_sessions, &key);
	if (!session || session->expires > walk->now)
		return 0;
	binding = binding_of(find_outside(&key.outside));
	if (!binding)
		return 0;
	owner = subscriber_of(&binding->inside.realm);
	subscriber = bpf_map_lookup_elem(&subscribers, &owner);
	if (bpf_map_delete_elem(&further_sessions, &key))
		return 0;
	peer.outside = key.outside;
	peer.remote = key.remote;
	remove_peer(&peer);
	uncount_session(subscriber);
	walk->closed++;
	if (__sync_fetch_and_add(&binding->others, -1) == 1 && !binding->session.state && !binding->is_static)
		end_binding(binding, subscriber, &owner, walk);
	return 0;
}

static long each_binding(void *map, const __u32 *key, const struct binding *binding, struct walk *walk)
{
	struct tally *all = tally();

	if (!all || *key >= all->fresh)
		return 1;
	if (binding->number &&
	    (binding->session.state ? is_over(&binding->session, walk->now) : !binding->others && !binding->is_static))
		end_first(binding->number, walk);
	return 0;
}

static long each_further(void *map, const struct further *key, const struct session *session, struct walk *walk)
{
	struct further further = *key;

	if (session->expires <= walk->now)
		end_further(&further, walk);
	return 0;
}

static long each_subscriber(void *map, const address6 *key, struct subscriber *subscriber, void *nothing)
{
	address6 subscriber_key = *key;
	struct tally *all = tally();

	if (!subscriber->holders && may_end(&subscriber->holders)) {
		bpf_map_delete_elem(&subscribers, &subscriber_key);
		if (all)
			__sync_fetch_and_add(&all->subscribers, -1);
	}
	return 0;
}

static long each_held(__u32 n, struct walk *walk)
{
	struct tally *all = tally();
	struct held *item = all && all->held ? held_behind(all, 0) : NULL;

	if (!item || (item->until > walk->now && (!NAPT.most_held || all->held <= NAPT.most_held)))
		return 1;
	if (!ripen(item)) {
		walk->left++;
		return 1;
	}
	let_out(all);
	return 0;
}

/* What a packet of the core asks: the same as one of the programs, but what is over is ended first. */
SEC("syscall")
int ask(struct question *question)
{
	struct flow flow = question->flow;
	struct walk walk = {};
	struct further key;
	int verdict = 0, tries;

	walk.now = flow.now = napt_now();
	for (tries = 0; tries < 3; tries++) {
		verdict = question->outbound ? napt_from_inside(&flow) : napt_from_outside(&flow);
		if (verdict != punt_expired && verdict != punt_raced)
			break;
		key = (struct further){
			.outside = flow.outside, .remote = flow.remote, .remote_port = flow.remote_port,
		};
		end_further(&key, &walk);
		end_first(find_outside(&flow.outside), &walk);
	}
	question->flow = flow;
	question->walk = walk;
	question->verdict = verdict;
	return 0;
}

/* The other end of a session, which goes on as it was. */
SEC("syscall")
int look(struct question *question)
{
	struct flow flow = question->flow;
	struct further key;
	__u32 number = question->outbound ? find_inside(&flow.inside, &flow.turn) : find_outside(&flow.outside);
	struct binding *binding = binding_of(number);

	question->verdict = punt_no_session;
	if (!binding)
		return 0;
	key = (struct further){
		.outside = binding->outside, .remote = flow.remote, .remote_port = flow.remote_port,
	};
	if (!is_with(&binding->session, flow.remote, flow.remote_port) &&
	    !bpf_map_lookup_elem(&further_sessions, &key))
		return 0;
	flow.inside = binding->inside;
	flow.outside = binding->outside;
	question->flow = flow;
	question->verdict = GO_ON;
	return 0;
}

/* Enter a binding as it is, where no other program runs yet; its number is the answer, 0: there is no room. */
SEC("syscall")
int carry(struct binding *given)
{
	__u32 number = new_binding();
	struct binding *binding = binding_of(number), copy = *given;

	given->number = 0;
	if (!binding)
		return 0;
	copy.number = number;
	*binding = copy;
	if (put(hash_of_outside(&copy.outside), number) && put(hash_of_inside(&copy.inside), number))
		given->number = number;
	return 0;
}

/* End all that is over. */
SEC("syscall")
int expire(struct walk *asked)
{
	struct walk walk = {};

	walk.now = napt_now();
	bpf_for_each_map_elem(&further_sessions, each_further, &walk, 0);
	bpf_for_each_map_elem(&napt_bindings, each_binding, &walk, 0);
	bpf_loop(1 << 22, each_held, &walk, 0);
	bpf_for_each_map_elem(&subscribers, each_subscriber, NULL, 0);
	*asked = walk;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
