/* Copyright: (c) 2026, ipv4aas.fleet contributors
 * SPDX-License-Identifier: GPL-3.0-or-later
 * NAPT: sessions found, refreshed and made (RFC 4787, 5382, 5508, 6146, 6888, 7857). As napt.py.
 *
 * What has come to its end is ended elsewhere (napt.bpf.c): here it only counts as not there. Entries are
 * made where nobody else is about to, and ports taken by an atomic bit, so no CPU waits: who comes second is punted.
 */
#pragma once

#include "supply.h"

INLINE bool is_with(const struct session *session, __be32 remote, __be16 remote_port)
{
	return session->remote == remote && session->remote_port == remote_port && session->state != NO_SESSION;
}

/* Who a session is with and its state, as one word that changes at once. */
INLINE __u64 *word_of(struct session *session)
{
	return (__u64 *)&session->remote;
}

INLINE __u64 word(__be32 remote, __be16 remote_port, __u8 state)
{
	struct session session = { .remote = remote, .remote_port = remote_port, .state = state };

	return *word_of(&session);
}

/* One more packet of a session. */
INLINE void refresh(struct session *session, const struct flow *f, __u8 protocol, bool outbound)
{
	__u64 life = life_of(protocol);

	if (protocol == TCP) {
		if (f->later)
			return;
		session->state = tcp_advance(session->state, f->flags, outbound, &life);
	}
	if (life)
		session->expires = f->now + life;
}

INLINE int check_opens(const struct flow *f, __u8 protocol)
{
	if (f->later)
		return punt_no_session;
	if (protocol == TCP && !tcp_opens(f->flags))
		return punt_tcp_no_session;
	return GO_ON;
}

INLINE bool count_session(void)
{
	struct tally *all = tally();

	if (!all)
		return false;
	if (__sync_fetch_and_add(&all->sessions, 1) < NAPT.most_sessions)
		return true;
	__sync_fetch_and_add(&all->sessions, -1);
	return false;
}

INLINE void uncount_session(struct subscriber *subscriber)
{
	struct tally *all = tally();

	if (all)
		__sync_fetch_and_add(&all->sessions, -1);
	if (subscriber)
		__sync_fetch_and_add(&subscriber->sessions, -1);
}

INLINE struct peer *peer_of(struct scratch *room, const struct flow *f)
{
	room->peer = (struct peer){ .outside = f->outside, .remote = f->remote };
	return &room->peer;
}

INLINE struct further *further_of(struct scratch *room, const struct flow *f)
{
	room->further = (struct further){ .outside = f->outside, .remote = f->remote, .remote_port = f->remote_port };
	return &room->further;
}

/* Whether there is a session with any port of the remote address (RFC 4787 section 5). */
INLINE bool talks_to(struct scratch *room, const struct flow *f, const struct binding *binding)
{
	__u32 *sessions;

	if (binding->session.state && binding->session.remote == f->remote)
		return true;
	sessions = bpf_map_lookup_elem(&peers, peer_of(room, f));
	return sessions && *sessions && !(*sessions & GONE);
}

/* Count a further session for talks_to(). */
INLINE bool add_peer(const struct peer *peer)
{
	__u32 one = 1, *sessions;

	if (NAPT.open_filter)
		return true;
	sessions = bpf_map_lookup_elem(&peers, peer);
	if (!sessions) {
		if (!bpf_map_update_elem(&peers, peer, &one, BPF_NOEXIST))
			return true;
		sessions = bpf_map_lookup_elem(&peers, peer);
	}
	return sessions && hold(sessions);
}

INLINE void remove_peer(const struct peer *peer)
{
	__u32 *sessions = bpf_map_lookup_elem(&peers, peer);

	if (!sessions)
		return;
	let_go(sessions);
	if (may_end(sessions))
		bpf_map_delete_elem(&peers, peer);
}

INLINE int enter_ends(const struct flow *f, __u32 number)
{
	if (!put(hash_of_outside(&f->outside), number))
		return punt_session_limit;
	if (put(hash_of_inside(&f->inside), number))
		return GO_ON;
	take_out(hash_of_outside(&f->outside), number);
	return punt_session_limit;
}

/* A new binding, whose port is taken, and its first session. */
__noinline int insert(struct flow *f)
{
	struct binding *binding;
	struct line *line;
	__u32 number;
	int verdict;

	if (!f)
		return punt_driver;
	line = begin(&f->inside, f->turn);
	if (!line)
		return punt_raced;
	number = new_binding();
	binding = binding_of(number);
	verdict = punt_session_limit;
	if (binding) {
		*word_of(&binding->session) = word(f->remote, f->remote_port, first_state(f->inside.protocol, true));
		binding->session.expires = f->now + first_life(f->inside.protocol);
		binding->inside = f->inside;
		binding->outside = f->outside;
		binding->is_static = 0;
		BARRIER();	/* who holds it, or finds a number, is to see whose it is */
		binding->others = 0;
		binding->number = number;
		BARRIER();
		verdict = enter_ends(f, number);
		if (verdict)
			free_binding(number);
		else
			count_port(kind_of(f->outside.protocol), 1);
	}
	finish(line);
	return verdict;
}

/* Whether the log may have to tell a port of its own, and whether it has to tell this one. */
INLINE bool tells_ports(void)
{
	return NAPT.logs && (NAPT.supply == ONE_BY_ONE || (NAPT.supply == RANGES && NAPT.first_dynamic < 65536));
}

INLINE bool is_told(__u32 port)
{
	return NAPT.supply == ONE_BY_ONE || (NAPT.supply == RANGES && port >= NAPT.first_dynamic);
}

/* A port that is used no more: free at once. */
INLINE void undraw(__u32 address, __u32 kind, __u32 port)
{
	if (NAPT.supply == BLOCKS)
		release_block(block_index(address, (port - NAPT.first_port) / (NAPT.block_size ?: 1)));
	free_port(ports_of(address, kind), port);
}

/* Draw a port of an address and make the binding. */
INLINE int bind_at(struct flow *f, struct subscriber *subscriber, const address6 *key, __u32 address)
{
	__u32 kind = kind_of(f->inside.protocol), wanted = bpf_ntohs(f->inside.port);
	__u64 mask = kind == ICMP_PORTS ? ANY_PARITY : wanted & 1 ? ODD : EVEN;
	struct record *record = NULL;
	int port, verdict;

	if (tells_ports()) {
		record = new_record();
		if (!record)
			return punt_log_full;
	}
	port = subscriber ? draw(subscriber, key, kind, wanted, mask, f->now) : draw_of_set(address, kind, wanted, mask);
	verdict = punt_ports_exhausted;
	if (port >= 0) {
		f->outside.address = pool_address(address);
		f->outside.port = bpf_htons(port);
		f->outside.protocol = f->inside.protocol;
		verdict = insert(f);
		if (verdict)
			undraw(address, kind, port);
	}
	if (tells_ports()) {
		if (verdict || !is_told(port))
			bpf_ringbuf_discard(record, 0);
		else
			send_record(record, PORT_ASSIGNED, &f->inside.realm, f->outside.address, f->inside.protocol,
				    port, port, f->now);
	}
	return verdict;
}

/* A binding for a subscriber, within its quota. */
INLINE int bind_subscriber(struct scratch *room, struct flow *f)
{
	struct subscriber *subscriber;
	int verdict;

	room->owner = subscriber_of(&f->inside.realm);
	subscriber = bpf_map_lookup_elem(&subscribers, &room->owner);
	if (!subscriber) {
		verdict = enter(f->inside.protocol);
		if (verdict)
			return verdict;
		subscriber = bpf_map_lookup_elem(&subscribers, &room->owner);
	}
	if (!subscriber || !hold(&subscriber->holders))
		return punt_raced;
	verdict = punt_quota;
	if (__sync_fetch_and_add(&subscriber->ports, 1) < NAPT.ports_per_subscriber || !NAPT.ports_per_subscriber) {
		verdict = admit(subscriber, f->now);
		if (!verdict) {
			verdict = bind_at(f, subscriber, &room->owner, subscriber->address);
			if (!verdict)
				return GO_ON;
			__sync_fetch_and_add(&subscriber->sessions, -1);
		}
	}
	__sync_fetch_and_add(&subscriber->ports, -1);
	let_go(&subscriber->holders);
	return verdict;
}

/* Hold a binding, if it still is the one of both ends. */
INLINE bool hold_for(struct binding *binding, const struct flow *f)
{
	if (!hold(&binding->others))
		return false;
	if (has_inside(binding, &f->inside) && has_outside(binding, &f->outside))
		return true;
	let_go(&binding->others);
	return false;
}

/* A session on a binding that there is. */
INLINE int join(struct scratch *room, struct flow *f, struct binding *binding, bool outbound)
{
	__u8 protocol = f->outside.protocol;
	struct session *session = &room->session;
	struct subscriber *subscriber = NULL;
	int verdict;
	__u64 free;

	if (!count_session())
		return punt_session_limit;
	if (has_subscribers()) {
		room->owner = subscriber_of(&binding->inside.realm);
		subscriber = bpf_map_lookup_elem(&subscribers, &room->owner);
		verdict = subscriber ? admit(subscriber, f->now) : punt_raced;
		if (verdict) {
			uncount_session(NULL);
			return verdict;
		}
	}
	*session = (struct session){
		.remote = f->remote,
		.remote_port = f->remote_port,
		.state = first_state(protocol, outbound),
		.expires = f->now + first_life(protocol),
	};
	if (hold_for(binding, f)) {
		free = *word_of(&binding->session);
		if (!binding->session.state &&
		    __sync_val_compare_and_swap(word_of(&binding->session), free, *word_of(session)) == free) {
			binding->session.expires = session->expires;
			let_go(&binding->others);
			return GO_ON;
		}
		if (add_peer(peer_of(room, f))) {
			if (!bpf_map_update_elem(&further_sessions, further_of(room, f), session, BPF_NOEXIST))
				return GO_ON;
			remove_peer(&room->peer);
		}
		let_go(&binding->others);
	}
	uncount_session(subscriber);
	return punt_raced;
}

INLINE bool is_over(const struct session *session, __u64 now)
{
	return session->expires <= now;
}

/* From inside, whatever it is. */
INLINE int napt_from_inside(struct flow *f)
{
	struct binding *binding;
	struct scratch *room = scratch();
	struct session *session;
	__u8 protocol;
	int verdict;

	if (!f || !room)
		return punt_driver;
	protocol = f->inside.protocol;
	binding = binding_of(find_inside(&f->inside, &f->turn));
	if (!binding) {
		verdict = check_opens(f, protocol);
		if (verdict || (protocol == ICMP && f->flags != ECHO_REQUEST))
			return verdict ?: punt_no_session;
		if (!count_session())
			return punt_session_limit;
		verdict = has_subscribers() ? bind_subscriber(room, f) :
			bind_at(f, NULL, NULL, bpf_ntohl(f->inside.address) % (NAPT.addresses ?: 1));
		if (verdict)
			uncount_session(NULL);
		return verdict;
	}
	f->outside = binding->outside;
	if (!has_inside(binding, &f->inside))
		return punt_raced;
	session = &binding->session;
	if (!is_with(session, f->remote, f->remote_port))
		session = bpf_map_lookup_elem(&further_sessions, further_of(room, f));
	if (session) {
		if (is_over(session, f->now))
			return punt_expired;
		refresh(session, f, protocol, true);
		return GO_ON;
	}
	if (binding->session.state && is_over(&binding->session, f->now))
		return punt_expired;
	verdict = check_opens(f, protocol);
	if (verdict || (protocol == ICMP && f->flags != ECHO_REQUEST))
		return verdict ?: punt_no_session;
	return join(room, f, binding, true);
}

/* From outside, whatever it is; its destination is an address of the pool. */
INLINE int napt_from_outside(struct flow *f)
{
	struct scratch *room = scratch();
	struct binding *binding;
	struct session *session;
	__u8 protocol;
	int verdict;

	if (!f || !room)
		return punt_driver;
	protocol = f->outside.protocol;
	binding = binding_of(find_outside(&f->outside));
	if (!binding || (protocol == ICMP && !f->later && f->flags == ECHO_REQUEST))
		return punt_unsolicited;
	f->inside = binding->inside;
	if (!has_outside(binding, &f->outside))
		return punt_raced;
	session = &binding->session;
	if (!is_with(session, f->remote, f->remote_port))
		session = bpf_map_lookup_elem(&further_sessions, further_of(room, f));
	if (session) {
		if (is_over(session, f->now))
			return punt_expired;
		refresh(session, f, protocol, false);
		return GO_ON;
	}
	if (f->later)
		return punt_no_session;
	if (binding->session.state && is_over(&binding->session, f->now))
		return punt_expired;
	if (protocol == ICMP || !(NAPT.open_filter || binding->is_static || f->hairpin || talks_to(room, f, binding)))
		return punt_filtered;
	verdict = check_opens(f, protocol);
	return verdict ?: join(room, f, binding, false);
}

/* A packet as from_inside() and from_outside() want it. */
INLINE void ask_for(struct flow *f, const struct packet4 *p, __be32 remote, __be16 remote_port)
{
	f->remote = remote;
	f->remote_port = p->protocol == ICMP ? 0 : remote_port;
	f->flags = p->flags;
	f->later = 0;
	f->now = napt_now();
}

INLINE struct inside inside_of(const struct packet4 *p, const address6 *realm)
{
	return (struct inside){
		.realm = *realm, .address = p->ends.source, .port = p->ends.source_port, .protocol = p->protocol,
	};
}

INLINE struct outside outside_of(const struct packet4 *p)
{
	return (struct outside){
		.address = p->ends.destination, .port = p->ends.destination_port, .protocol = p->protocol,
	};
}

/* One by one: they were just written so, and a larger load would wait until that is in the cache. */
INLINE void copy_ends(struct ends *to, const struct ends *from)
{
	to->source = from->source;
	to->destination = from->destination;
	to->source_port = from->source_port;
	to->destination_port = from->destination_port;
}

/* An echo has one identifier, which is both of its ports. */
INLINE void set_source(const struct packet4 *p, struct ends *to, const struct outside *outside)
{
	to->source = outside->address;
	to->source_port = outside->port;
	if (p->protocol == ICMP)
		to->destination_port = outside->port;
}

INLINE void set_destination(const struct packet4 *p, struct ends *to, const struct inside *inside)
{
	to->destination = inside->address;
	to->destination_port = inside->port;
	if (p->protocol == ICMP)
		to->source_port = inside->port;
}

/* All that is not plain: functions of their own, which know of the packet no more than the flow. */
__noinline int outbound_slowly(struct flow *f)
{
	return napt_from_inside(f);
}

__noinline int inbound_slowly(struct flow *f)
{
	return napt_from_outside(f);
}

/* A packet that a NAPT is asked for, and the answer where it is a plain one. */
struct lookup {
	const struct packet4 *p;
	__u64 now;
	struct inside inside;
	struct outside outside;
};

/* Whether a session is a packet's, and all that the packet does is to put off its end. */
INLINE bool is_plainly(const struct session *session, const struct lookup *asked, __be32 remote, __be16 remote_port)
{
	return is_with(session, remote, remote_port) &&
	       only_refreshes(asked->p->protocol, session->state, asked->p->flags) && !is_over(session, asked->now);
}

/* All else is read before it is asked whose it is. */
INLINE bool answers_outbound(const struct binding *binding, void *question)
{
	struct lookup *asked = question;
	const struct ends *ends = &asked->p->ends;

	if (!is_plainly(&binding->session, asked, ends->destination, ends->destination_port))
		return false;
	asked->outside = binding->outside;
	return has_inside(binding, &asked->inside);
}

INLINE bool answers_inbound(const struct binding *binding, void *question)
{
	struct lookup *asked = question;
	const struct ends *ends = &asked->p->ends;

	if (!is_plainly(&binding->session, asked, ends->source, ends->source_port))
		return false;
	asked->inside = binding->inside;
	return has_outside(binding, &asked->outside);
}

/* The first session of a binding whose index entry has this hash, if that is all there is to ask for. Echoes, which
 * have one port, go the other way. */
INLINE bool is_answered(__u64 hash, answers *is_asked_for, struct lookup *asked)
{
	struct line *line = line_of(hash);
	struct binding *binding;
	__u64 expires;

	if (UNLIKELY(!line || asked->p->protocol == ICMP))
		return false;
	asked->now = napt_now();
	binding = search(line, tag_of(hash), is_asked_for, asked);
	if (UNLIKELY(!binding))
		return false;
	/* The clock moves in ticks: between them nothing is written, as the other direction's CPU reads it too. */
	expires = asked->now + life_of(asked->p->protocol);
	if (binding->session.expires != expires)
		binding->session.expires = expires;
	return true;
}

/* A packet from inside: `to` are the ends that it gets. */
INLINE int napt_outbound(const struct packet4 *p, const address6 *realm, struct ends *to)
{
	struct lookup asked = { .p = p, .inside = inside_of(p, realm) };

	copy_ends(to, &p->ends);
	if (!is_answered(hash_of_inside(&asked.inside), answers_outbound, &asked)) {
		struct scratch *room = scratch();
		int verdict;

		if (!room)
			return punt_driver;
		room->flow.inside = asked.inside;
		room->flow.hairpin = 0;
		ask_for(&room->flow, p, p->ends.destination, p->ends.destination_port);
		verdict = outbound_slowly(&room->flow);
		if (!verdict)
			set_source(p, to, &room->flow.outside);
		return verdict;
	}
	to->source = asked.outside.address;
	to->source_port = asked.outside.port;
	return GO_ON;
}

/* A packet from outside, and whose it is. `hairpin`: it came from inside, and may open what others may not. */
INLINE int napt_inbound(const struct packet4 *p, address6 *realm, struct ends *to, bool hairpin)
{
	struct lookup asked = { .p = p, .outside = outside_of(p) };

	copy_ends(to, &p->ends);
	if (!is_answered(hash_of_outside(&asked.outside), answers_inbound, &asked)) {
		struct scratch *room = scratch();
		int verdict;

		if (!room)
			return punt_driver;
		room->flow.outside = asked.outside;
		room->flow.hairpin = hairpin;
		ask_for(&room->flow, p, p->ends.source, p->ends.source_port);
		verdict = inbound_slowly(&room->flow);
		if (!verdict) {
			*realm = room->flow.inside.realm;
			set_destination(p, to, &room->flow.inside);
		}
		return verdict;
	}
	*realm = asked.inside.realm;
	to->destination = asked.inside.address;
	to->destination_port = asked.inside.port;
	return GO_ON;
}
