/* Copyright: (c) 2026, ipv4aas.fleet contributors
 * GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Stands for Jool's kernel module where it cannot be loaded: takes every message and answers nothing, so that
 * the parser in front of it runs. Preloaded into jool and jool_siit; the functions are those of libnl.
 */
struct nl_sock;
struct nl_msg;

int genl_ctrl_resolve(struct nl_sock *socket, const char *name) { return 1000; }
int nl_send_auto(struct nl_sock *socket, struct nl_msg *message) { return 0; }
int nl_recvmsgs_default(struct nl_sock *socket) { return 0; }
