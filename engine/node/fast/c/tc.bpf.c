/* Copyright: (c) 2026, ipv4aas.fleet contributors
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "config.h"
#include "hook_tc.h"
#include "forward.h"

char LICENSE[] SEC("license") = "GPL";
