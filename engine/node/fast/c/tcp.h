/* Copyright: (c) 2026, ipv4aas.fleet contributors
 * SPDX-License-Identifier: GPL-3.0-or-later
 * States of sessions and how long they live: RFC 6146 section 3.5.2, RFC 7857 section 2. As tcp.py.
 */
#pragma once

#include "base.h"

enum session_state {
	NO_SESSION,
	OPEN,			/* UDP, ICMP */
	INSIDE_INIT,
	OUTSIDE_INIT,
	ESTABLISHED,
	INSIDE_FIN,
	OUTSIDE_FIN,
	BOTH_FIN,
	TRANSITORY,
	SESSION_STATES
};

const volatile enum session_state LAST_STATE = SESSION_STATES;	/* so that Python finds their names */

#define SECONDS 1000000000ull
#define UDP_TIME (300 * SECONDS)		/* RFC 4787 REQ-5 */
#define ICMP_TIME (60 * SECONDS)		/* RFC 5508 REQ-2 */
#define ESTABLISHED_TIME (7440 * SECONDS)	/* RFC 5382 REQ-5 */
#define TRANSITORY_TIME (240 * SECONDS)		/* RFC 5382 REQ-5 */

enum { FIN = 1, SYN = 2, RST = 4, ACK = 16 };

/* Only a SYN opens a session (RFC 6146 section 3.5.2.2, CLOSED). */
INLINE bool tcp_opens(__u8 flags)
{
	return (flags & (SYN | RST | ACK)) == SYN;
}

/* Whether all that a packet does to a session is to put off its end by life_of(). */
INLINE bool only_refreshes(__u8 protocol, __u8 state, __u8 flags)
{
	if (protocol != TCP)
		return true;
	return state >= ESTABLISHED && state <= OUTSIDE_FIN && !(flags & (FIN | RST));
}

INLINE __u64 life_of(__u8 protocol)
{
	return protocol == TCP ? ESTABLISHED_TIME : protocol == UDP ? UDP_TIME : ICMP_TIME;
}

INLINE __u8 first_state(__u8 protocol, bool outbound)
{
	return protocol != TCP ? OPEN : outbound ? INSIDE_INIT : OUTSIDE_INIT;
}

INLINE __u64 first_life(__u8 protocol)
{
	return protocol == TCP ? TRANSITORY_TIME : life_of(protocol);
}

/* The next state and, where the timer changes, the new life. */
INLINE __u8 tcp_advance(__u8 state, __u8 flags, bool outbound, __u64 *life)
{
	__u8 own = outbound ? INSIDE_FIN : OUTSIDE_FIN;

	*life = 0;
	if (state == INSIDE_INIT || state == OUTSIDE_INIT) {
		if (!(flags & SYN))
			return state;
		/* A SYN from the other side too: normal or simultaneous open (RFC 5382 REQ-2). */
		if (outbound == (state == OUTSIDE_INIT)) {
			*life = ESTABLISHED_TIME;
			return ESTABLISHED;
		}
		*life = TRANSITORY_TIME;
		return state;
	}
	if (state == TRANSITORY) {
		if (flags & RST)
			return state;
		*life = ESTABLISHED_TIME;
		return ESTABLISHED;
	}
	if (state == BOTH_FIN) {
		if (!tcp_opens(flags))
			return state;
		*life = TRANSITORY_TIME;
		return first_state(TCP, outbound);
	}
	*life = TRANSITORY_TIME;
	if (flags & RST)	/* kept a while: it may be forged (RFC 7857 section 2.2) */
		return TRANSITORY;
	if ((flags & FIN) && state != ESTABLISHED && state != own)
		return BOTH_FIN;
	*life = ESTABLISHED_TIME;
	return (flags & FIN) && state == ESTABLISHED ? own : state;
}
