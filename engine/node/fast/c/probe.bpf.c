/* Copyright: (c) 2026, ipv4aas.fleet contributors
 * SPDX-License-Identifier: GPL-3.0-or-later
 * What the kernel can do, asked by a test run: its helpers refuse flags that they do not know.
 */
#include "config.h"
#include "hook_tc.h"

/* 0: an IPv4 packet comes out of its IPv6 header in one go. */
SEC("tc") int decapsulation(context *c)
{
	return take_outer(c) ? 1 : 0;
}

char LICENSE[] SEC("license") = "GPL";
