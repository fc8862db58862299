/* Copyright: (c) 2026, ipv4aas.fleet contributors
 * SPDX-License-Identifier: GPL-3.0-or-later
 * A generator of packets, the bare redirect that bounds every XDP program, and a sink (live.py, latency.py).
 *
 * BPF_F_TEST_XDP_LIVE_FRAMES gives `generate` pages that went through everything before: it writes all
 * headers anew.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <stdbool.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

enum { ROOM = 128, FRESH = 16 };

/* One packet's own part. */
struct flow {
	__be32 address;
	__be16 port;
	__be16 check4;		/* of the IPv4 header */
	__be16 check;		/* of the transport */
	__u8 pad[6];
	__be64 address6[2];
};

/* Where in the frame that goes; 0: nowhere. */
struct places {
	__u32 address;
	__u32 port;
	__u32 check4;
	__u32 check;
	__u32 address6;
};

const volatile struct places PLACES = {};
const volatile __u32 OCTETS = 0;	/* of the frame, as far as it is written */
const volatile __u32 FLOWS_MASK = 0;
const volatile __u32 TO = 0;		/* device that `generate` and `redirect` send by */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__uint(value_size, ROOM);
} template SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct flow);
} flows SEC(".maps");

const volatile __be16 EXPECTED = 0;	/* protocol of Ethernet at the sink */

/* Packets made and packets that arrived, each on one CPU. */
struct tally {
	__u64 made;
	__u64 arrived;
	__u64 strange;		/* at the sink, but not the packets that were to arrive */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tally);
} tallies SEC(".maps");

static __always_inline struct tally *tally(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&tallies, &zero);
}

/* Octets at a place of the frame that is known when the program is loaded. */
#define PUT(place, type, value)                                                      \
	do {                                                                         \
		if ((place) && start + (place) + sizeof(type) <= end)                \
			*(type *)(start + (place)) = (value);                        \
	} while (0)

SEC("xdp")
int generate(struct xdp_md *c)
{
	__u8 *start = (void *)(long)c->data, *end = (void *)(long)c->data_end;
	struct tally *count = tally();
	const struct flow *flow;
	const __u64 *from;
	__u32 key = 0;
	int word;

	from = bpf_map_lookup_elem(&template, &key);
	if (!from || !count)
		return XDP_ABORTED;
	key = count->made & FLOWS_MASK;
	flow = bpf_map_lookup_elem(&flows, &key);
	if (!flow)
		return XDP_ABORTED;
	count->made++;
#pragma unroll
	for (word = 0; word < ROOM / 8; word++)
		if (word * 8 < OCTETS && start + word * 8 + 8 <= end)
			*(__u64 *)(start + word * 8) = from[word];
	PUT(PLACES.address, __be32, flow->address);
	PUT(PLACES.port, __be16, flow->port);
	PUT(PLACES.check4, __be16, flow->check4);
	PUT(PLACES.check, __be16, flow->check);
	PUT(PLACES.address6, __be64, flow->address6[0]);
	PUT(PLACES.address6 ? PLACES.address6 + 8 : 0, __be64, flow->address6[1]);
	return bpf_redirect(TO, 0);
}

SEC("xdp")
int redirect(struct xdp_md *c)
{
	return bpf_redirect(TO, 0);
}

/* The least that the end of a tunnel does beside it: so many octets more or fewer, and a header of Ethernet. */
const volatile __u32 GROWTH = 0;	/* as two's complement */

SEC("xdp")
int resize(struct xdp_md *c)
{
	__u8 *start;

	if (bpf_xdp_adjust_head(c, -(__s32)GROWTH))
		return XDP_ABORTED;
	start = (void *)(long)c->data;
	if (start + ETH_HLEN > (__u8 *)(long)c->data_end)
		return XDP_ABORTED;
	*(__u64 *)start = 0;
	*(__u32 *)(start + 8) = 0;
	*(__be16 *)(start + 12) = EXPECTED;
	return bpf_redirect(TO, 0);
}

enum { HEADER6 = 40 };

const volatile __u64 OUTER[4] = {};	/* addresses */

struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP_HASH);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u32);
} devices SEC(".maps");

static __always_inline bool count_down(struct iphdr *ip, void *end)
{
	__u32 check;

	if ((void *)(ip + 1) > end || ip->ttl <= 1)
		return false;
	check = ip->check + bpf_htons(0x100);
	ip->check = check + (check >= 0xffff);
	ip->ttl--;
	return true;
}

/* And what a router that is the end of a tunnel does with any packet: time to live, outer header, a counter. Nobody is
 * looked up and nothing is checked, so no relay does less. */
SEC("xdp")
int tunnel(struct xdp_md *c)
{
	__u8 *start = (void *)(long)c->data, *end = (void *)(long)c->data_end;
	bool enters = (__s32)GROWTH > 0;
	struct iphdr *ip = (void *)start + ETH_HLEN;
	struct tally *count = tally();
	__u64 first = 0;
	int word;

	if (!count || (enters && !count_down(ip, end)))
		return XDP_ABORTED;
	if (enters)	/* version, length, next header, hop limit */
		first = bpf_cpu_to_be64(6ull << 60 | (__u64)bpf_ntohs(ip->tot_len) << 16 | IPPROTO_IPIP << 8 | 64);
	if (bpf_xdp_adjust_head(c, -(__s32)GROWTH))
		return XDP_ABORTED;
	start = (void *)(long)c->data;
	end = (void *)(long)c->data_end;
	if (start + ETH_HLEN > end)
		return XDP_ABORTED;
	*(__u64 *)start = 0;
	*(__u32 *)(start + 8) = 0;
	*(__be16 *)(start + 12) = EXPECTED;
	if (enters) {
		if (start + ETH_HLEN + HEADER6 > end)
			return XDP_ABORTED;
		*(__u64 *)(start + ETH_HLEN) = first;
#pragma unroll
		for (word = 0; word < 4; word++)
			*(__u64 *)(start + ETH_HLEN + 8 + 8 * word) = OUTER[word];
	} else if (!count_down((void *)start + ETH_HLEN, end)) {
		return XDP_ABORTED;
	}
	count->made++;
	count->arrived += end - start;
	return bpf_redirect_map(&devices, TO, XDP_PASS);
}

static __always_inline bool is_expected(struct xdp_md *c)
{
	struct ethhdr *eth = (void *)(long)c->data;

	return (void *)(eth + 1) <= (void *)(long)c->data_end && eth->h_proto == EXPECTED &&
	       !(eth->h_dest[0] & 1);
}

SEC("xdp")
int sink(struct xdp_md *c)
{
	struct tally *count = tally();

	if (!count)
		return XDP_ABORTED;
	if (!is_expected(c)) {
		count->strange++;
		return XDP_PASS;	/* neighbours are to be found */
	}
	count->arrived++;
	return XDP_DROP;
}

/* Latency: the time of leaving, at the end of a frame, with its complement so that no checksum changes. */
struct stamp {
	__u64 left;
	__u64 complement;
};

const volatile __u32 STAMP_AT = 0;	/* in the frame that leaves */
const volatile __u32 STAMP_FOUND_AT = 0;	/* in the one that arrives */

enum { DELAYS = 1 << 17 };

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, DELAYS);
	__type(key, __u32);
	__type(value, __u64);
} delays SEC(".maps");

SEC("tc")
int stamp(struct __sk_buff *skb)
{
	struct stamp now = { .left = bpf_ktime_get_ns() };

	now.complement = ~now.left;
	bpf_skb_store_bytes(skb, STAMP_AT, &now, sizeof(now), 0);
	return TC_ACT_UNSPEC;
}

SEC("xdp")
int sink_stamped(struct xdp_md *c)
{
	struct stamp *then = (void *)(long)c->data + STAMP_FOUND_AT;
	struct tally *count = tally();
	__u64 now = bpf_ktime_get_ns(), *delay;
	__u32 key;

	if (!count || !is_expected(c))
		return XDP_PASS;
	if ((void *)(then + 1) > (void *)(long)c->data_end || then->left != ~then->complement) {
		count->strange++;
		return XDP_PASS;
	}
	key = count->arrived++ & (DELAYS - 1);
	delay = bpf_map_lookup_elem(&delays, &key);
	if (delay)
		*delay = now - then->left;
	return XDP_DROP;
}

char LICENSE[] SEC("license") = "GPL";
