// What kdelay is measured against: the least that can be done (empty), the least that counts the same (floor), and the
// design of the original (original). Each variant is a set of programs whose names begin with its own.
#include <stdbool.h>
#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "Dual MIT/GPL";

struct task_struct {
	int pid;
	int tgid;
} __attribute__((preserve_access_index));

// As on x86_64, for the number of the call that ends.
struct pt_regs_entry {
	unsigned long before[15];
	unsigned long orig_ax;
};

// Of an event of raw_syscalls: after the common fields, the number.
struct syscall_event {
	__u64 common;
	long id;
};

const volatile int target;

#define CALLS 512
#define SLOTS 64
#define BUCKETS 40

struct durations {
	__u64 count, total_ns, max_ns;
};

static __always_inline void add(struct durations *durations, __u64 ns)
{
	durations->count++;
	durations->total_ns += ns;
	if (ns > durations->max_ns)
		durations->max_ns = ns;
}

SEC("tp_btf/sys_enter") int empty_enter(void *ctx) { return 0; }
SEC("tp_btf/sys_exit") int empty_exit(void *ctx) { return 0; }
SEC("tp_btf/sched_switch") int emptyall_switch(void *ctx) { return 0; }
SEC("tp_btf/sched_wakeup") int emptyall_wakeup(void *ctx) { return 0; }
SEC("tp_btf/sched_wakeup_new") int emptyall_wakeup_new(void *ctx) { return 0; }
SEC("tp_btf/sys_enter") int emptyall_enter(void *ctx) { return 0; }
SEC("tp_btf/sys_exit") int emptyall_exit(void *ctx) { return 0; }
SEC("tp_btf/irq_handler_entry") int emptyall_irq_entry(void *ctx) { return 0; }
SEC("tp_btf/irq_handler_exit") int emptyall_irq_exit(void *ctx) { return 0; }
SEC("tp_btf/softirq_entry") int emptyall_softirq_entry(void *ctx) { return 0; }
SEC("tp_btf/softirq_exit") int emptyall_softirq_exit(void *ctx) { return 0; }

// floor: global arrays by tid's low bits, count, total, max and a log2 histogram.
struct {
	__u64 since_ns;
} floor_threads[SLOTS];

struct {
	struct durations durations;
	__u32 histogram[BUCKETS];
} floor_calls[SLOTS][CALLS];

static __always_inline __u32 bucket(__u64 ns)
{
	__u32 value = ns > 0xffffffffULL ? 0xffffffffU : (__u32)ns, log2, shift;
	log2 = (value > 0xffff) << 4;
	value >>= log2;
	shift = (value > 0xff) << 3;
	value >>= shift;
	log2 |= shift;
	shift = (value > 0xf) << 2;
	value >>= shift;
	log2 |= shift;
	shift = (value > 0x3) << 1;
	value >>= shift;
	log2 |= shift;
	return log2 | (value >> 1);
}

SEC("tp_btf/sys_enter") int BPF_PROG(floor_enter, void *regs, long id)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task_btf();
	if (task->tgid == target)
		floor_threads[task->pid & (SLOTS - 1)].since_ns = bpf_ktime_get_ns();
	return 0;
}

SEC("tp_btf/sys_exit") int BPF_PROG(floor_exit, struct pt_regs_entry *regs, long result)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task_btf();
	if (task->tgid != target)
		return 0;
	__u32 slot = task->pid & (SLOTS - 1);
	__u64 since_ns = floor_threads[slot].since_ns;
	if (!since_ns)
		return 0;
	__u64 ns = bpf_ktime_get_ns() - since_ns;
	__u32 call = regs->orig_ax & (CALLS - 1);
	add(&floor_calls[slot][call].durations, ns);
	floor_calls[slot][call].histogram[bucket(ns) & 31]++;
	return 0;
}

// original: classic tracepoints, a switch in an array, the start by thread in a hash, the sums by (process, thread, call)
// in another.
struct call_key {
	__u32 pid, tid, call;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} original_capturing SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 10240);
	__type(key, __u64);
	__type(value, __u64);
} original_starts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 10240);
	__type(key, struct call_key);
	__type(value, struct durations);
} original_calls SEC(".maps");

static __always_inline bool original_wants(__u64 pid_tgid)
{
	__u32 zero = 0;
	if ((int)(pid_tgid >> 32) != target)
		return false;
	__u64 *capturing = bpf_map_lookup_elem(&original_capturing, &zero);
	return capturing && *capturing;
}

static __always_inline int original_entered(struct syscall_event *event)
{
	__u64 pid_tgid = bpf_get_current_pid_tgid();
	if (!original_wants(pid_tgid))
		return 0;
	__u64 now_ns = bpf_ktime_get_ns();
	bpf_map_update_elem(&original_starts, &pid_tgid, &now_ns, BPF_ANY);
	return 0;
}

static __always_inline int original_exited(struct syscall_event *event)
{
	__u64 pid_tgid = bpf_get_current_pid_tgid();
	if (!original_wants(pid_tgid))
		return 0;
	__u64 now_ns = bpf_ktime_get_ns();
	__u64 *since_ns = bpf_map_lookup_elem(&original_starts, &pid_tgid);
	if (!since_ns)
		return 0;
	struct call_key key = { pid_tgid >> 32, (__u32)pid_tgid, (__u32)event->id };
	struct durations none = {};
	struct durations *durations = bpf_map_lookup_elem(&original_calls, &key);
	if (!durations) {
		bpf_map_update_elem(&original_calls, &key, &none, BPF_NOEXIST);
		durations = bpf_map_lookup_elem(&original_calls, &key);
	}
	if (durations)
		add(durations, now_ns - *since_ns);
	return 0;
}

SEC("tp/raw_syscalls/sys_enter") int original_enter(struct syscall_event *event) { return original_entered(event); }
SEC("tp/raw_syscalls/sys_exit") int original_exit(struct syscall_event *event) { return original_exited(event); }

// originalall: the same, and run and ready times of each thread by the original's design: raw tracepoints of the scheduler, a
// start by thread and sums by thread in a hash each.
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 10240);
	__type(key, __u32);
	__type(value, __u64);
} original_run_starts SEC(".maps"), original_ready_starts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 10240);
	__type(key, __u64);
	__type(value, struct durations);
} original_runs SEC(".maps"), original_readies SEC(".maps"), original_softirqs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 10240);
	__type(key, __u64);
	__type(value, __u64);
} original_softirq_starts SEC(".maps");

static __always_inline bool original_captures(void)
{
	__u32 zero = 0;
	__u64 *capturing = bpf_map_lookup_elem(&original_capturing, &zero);
	return capturing && *capturing;
}

static __always_inline void original_add(void *sums, __u64 key, __u64 ns)
{
	struct durations none = {};
	struct durations *durations = bpf_map_lookup_elem(sums, &key);
	if (!durations) {
		bpf_map_update_elem(sums, &key, &none, BPF_NOEXIST);
		durations = bpf_map_lookup_elem(sums, &key);
	}
	if (durations)
		add(durations, ns);
}

SEC("tp/raw_syscalls/sys_enter") int originalall_enter(struct syscall_event *event) { return original_entered(event); }
SEC("tp/raw_syscalls/sys_exit") int originalall_exit(struct syscall_event *event) { return original_exited(event); }

SEC("raw_tp/sched_switch") int originalall_switch(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *prev = (void *)ctx->args[1], *next = (void *)ctx->args[2];
	__u64 now_ns = bpf_ktime_get_ns(), *since_ns, key;
	__u32 pid;
	if (!original_captures())
		return 0;
	if (BPF_CORE_READ(prev, tgid) == target) {
		pid = BPF_CORE_READ(prev, pid);
		key = (__u64)target << 32 | pid;
		since_ns = bpf_map_lookup_elem(&original_run_starts, &pid);
		if (since_ns) {
			original_add(&original_runs, key, now_ns - *since_ns);
			bpf_map_delete_elem(&original_run_starts, &pid);
		}
		if (ctx->args[3] == 0)
			bpf_map_update_elem(&original_ready_starts, &pid, &now_ns, BPF_ANY);
	}
	if (BPF_CORE_READ(next, tgid) == target) {
		pid = BPF_CORE_READ(next, pid);
		key = (__u64)target << 32 | pid;
		bpf_map_update_elem(&original_run_starts, &pid, &now_ns, BPF_ANY);
		since_ns = bpf_map_lookup_elem(&original_ready_starts, &pid);
		if (since_ns) {
			original_add(&original_readies, key, now_ns - *since_ns);
			bpf_map_delete_elem(&original_ready_starts, &pid);
		}
	}
	return 0;
}

static __always_inline int original_woken(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *task = (void *)ctx->args[0];
	__u64 now_ns = bpf_ktime_get_ns();
	if (!original_captures() || BPF_CORE_READ(task, tgid) != target)
		return 0;
	__u32 pid = BPF_CORE_READ(task, pid);
	bpf_map_update_elem(&original_ready_starts, &pid, &now_ns, BPF_ANY);
	return 0;
}

SEC("raw_tp/sched_wakeup") int originalall_wakeup(struct bpf_raw_tracepoint_args *ctx) { return original_woken(ctx); }
SEC("raw_tp/sched_wakeup_new") int originalall_wakeup_new(struct bpf_raw_tracepoint_args *ctx) { return original_woken(ctx); }

struct softirq_event {
	__u64 common;
	__u32 vector;
};

SEC("tp/irq/softirq_entry") int originalall_softirq_entry(struct softirq_event *event)
{
	__u64 pid_tgid = bpf_get_current_pid_tgid(), now_ns = bpf_ktime_get_ns();
	if (original_wants(pid_tgid))
		bpf_map_update_elem(&original_softirq_starts, &pid_tgid, &now_ns, BPF_ANY);
	return 0;
}

SEC("tp/irq/softirq_exit") int originalall_softirq_exit(struct softirq_event *event)
{
	__u64 pid_tgid = bpf_get_current_pid_tgid();
	__u64 *since_ns = original_wants(pid_tgid) ? bpf_map_lookup_elem(&original_softirq_starts, &pid_tgid) : 0;
	if (since_ns)
		original_add(&original_softirqs, pid_tgid << 4 | event->vector, bpf_ktime_get_ns() - *since_ns);
	return 0;
}
