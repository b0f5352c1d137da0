// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * crashme: crashes the kernel that it is loaded into, in the manner named by its parameter.
 *
 *   insmod crashme.ko                 does nothing
 *   insmod crashme.ko hang=3600       does not come back for so many seconds, whatever is sent to it
 *   insmod crashme.ko signal=11       sends this signal to who loads it
 *   echo null >/proc/crashme          crashes; reading it lists the manners
 *   echo "tasks 400" >/proc/crashme   starts that many sleeping kernel threads, so that a task
 *                                     dump is long; no crash
 *
 * For the test machine only. Each manner ends in the kernel's own report of it; those that are
 * only a warning, a lockup or a stall panic when the sysctl for them says so.
 */
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/irqflags.h>
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/kprobes.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/panic.h>
#include <linux/preempt.h>
#include <linux/proc_fs.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/string.h>
#include <linux/timer.h>
#include <linux/uaccess.h>
#include <linux/version.h>

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 9, 0)
#include <linux/vmcore_info.h>
#else
#include <linux/crash_core.h>
#endif

#define MAX_TASKS 2000

static unsigned int hang;
module_param(hang, uint, 0);
static int signal;
module_param(signal, int, 0);

/* Read through these, so that the compiler cannot see what the accesses below come to. */
static volatile unsigned long zero;
static volatile unsigned long non_canonical = 0xdead000000000000UL;

/* An oops prints the code before the faulting instruction too: let there be some before the first
 * function. */
asm(".pushsection .text\n\t.skip 64, 0x90\n\t.popsection");

static noinline unsigned long recurse(unsigned long depth)
{
	volatile char room[512];

	memset((void *)room, (int)depth, sizeof(room));
	return depth ? recurse(depth - 1) + (unsigned long)room[depth % sizeof(room)] : 0;
}

/* Past the guard page of the vmapped stack: a double fault. */
static noinline void crash_stack(void)
{
	zero = recurse(1UL << 20);
}

static noinline void crash_null(void)
{
	struct task_struct *nobody = (struct task_struct *)zero;

	WRITE_ONCE(nobody->exit_code, 1);
}

static noinline void crash_bug(void)
{
	BUG();
}

static noinline void crash_warn(void)
{
	WARN(1, "crashme: a warning, asked for\n");
}

static noinline void crash_gpf(void)
{
	WRITE_ONCE(*(unsigned long *)non_canonical, 1);
}

static noinline void crash_divide(void)
{
	zero = 1000 / zero;
}

static noinline void crash_softlockup(void)
{
	preempt_disable();
	for (;;)
		cpu_relax();
}

static noinline void crash_hardlockup(void)
{
	local_irq_disable();
	for (;;)
		cpu_relax();
}

/* VMCOREINFO is lost: its note in the core is empty, and is not written again by the crash. */
static int skip_function(struct kprobe *probe, struct pt_regs *regs)
{
	regs->ip = *(unsigned long *)regs->sp;
	regs->sp += sizeof(unsigned long);
	return 1;
}
NOKPROBE_SYMBOL(skip_function);

static struct kprobe save_probe = {
	.symbol_name = "crash_save_vmcoreinfo",
	.pre_handler = skip_function,
};

static noinline void crash_noinfo(void)
{
	int r = register_kprobe(&save_probe);

	if (r < 0) {
		pr_err("crashme: no probe: %d\n", r);
		return;
	}
	memset(__va(paddr_vmcoreinfo_note()), 0, 16);
	crash_null();
}

static void timer_fired(struct timer_list *unused)
{
	panic("crashme: panic in interrupt, asked for");
}

static DEFINE_TIMER(crash_timer, timer_fired);

static noinline void crash_irq(void)
{
	mod_timer(&crash_timer, jiffies + HZ / 20);
	msleep(2000);
}

/* The memory is never given back: the machine has to die of it. */
static noinline void crash_oom(void)
{
	while (alloc_pages(GFP_KERNEL | __GFP_RETRY_MAYFAIL | __GFP_NOWARN, 4))
		cond_resched();
	while (alloc_page(GFP_KERNEL))
		cond_resched();
}

static DEFINE_MUTEX(held);

static int holder(void *taken)
{
	mutex_lock(&held);
	complete(taken);
	while (!kthread_should_stop())
		schedule_timeout_idle(HZ * 3600);
	return 0;
}

/* A task in uninterruptible sleep: waits for a mutex whose holder never gives it up. */
static noinline void crash_hung(void)
{
	static DECLARE_COMPLETION(taken);
	struct task_struct *task = kthread_run(holder, &taken, "crashme_holder");

	if (IS_ERR(task))
		return;
	wait_for_completion(&taken);
	mutex_lock(&held);
	zero = 0; /* no tail call: this function is to be seen in the trace */
}

static const struct manner {
	const char *name;
	void (*crash)(void);
} manners[] = {
	{ "null", crash_null },
	{ "bug", crash_bug },
	{ "warn", crash_warn },
	{ "gpf", crash_gpf },
	{ "divide", crash_divide },
	{ "stack", crash_stack },
	{ "softlockup", crash_softlockup },
	{ "hardlockup", crash_hardlockup },
	{ "irq", crash_irq },
	{ "oom", crash_oom },
	{ "hung", crash_hung },
	{ "noinfo", crash_noinfo },
};

static int sleeper(void *unused)
{
	while (!kthread_should_stop())
		schedule_timeout_interruptible(HZ * 3600);
	return 0;
}

static int start_tasks(unsigned int count)
{
	unsigned int i;

	if (count > MAX_TASKS)
		return -EINVAL;
	for (i = 0; i < count; i++) {
		struct task_struct *task = kthread_run(sleeper, NULL, "crashme_%u", i);

		if (IS_ERR(task))
			return PTR_ERR(task);
	}
	return 0;
}

static ssize_t crashme_write(struct file *file, const char __user *from, size_t size, loff_t *at)
{
	char text[32] = "";
	char *word;
	unsigned int count;
	size_t i;

	if (size >= sizeof(text))
		return -EINVAL;
	if (copy_from_user(text, from, size))
		return -EFAULT;
	word = strim(text);
	if (sscanf(word, "tasks %u", &count) == 1) {
		int r = start_tasks(count);

		return r < 0 ? r : (ssize_t)size;
	}
	for (i = 0; i < ARRAY_SIZE(manners); i++) {
		if (strcmp(word, manners[i].name) == 0) {
			pr_info("crashme: %s\n", word);
			manners[i].crash();
			return (ssize_t)size;
		}
	}
	return -EINVAL;
}

static int crashme_show(struct seq_file *out, void *unused)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(manners); i++)
		seq_printf(out, "%s\n", manners[i].name);
	return 0;
}

static int crashme_open(struct inode *inode, struct file *file)
{
	return single_open(file, crashme_show, NULL);
}

static const struct proc_ops crashme_ops = {
	.proc_open = crashme_open,
	.proc_read = seq_read,
	.proc_lseek = seq_lseek,
	.proc_release = single_release,
	.proc_write = crashme_write,
};

/* No exit function: sleeping threads and held locks would outlive the code. */
static int __init crashme_init(void)
{
	unsigned int i;

	for (i = 0; i < hang; i++)
		ssleep(1);
	if (signal)
		send_sig(signal, current, 1);
	return proc_create("crashme", 0600, NULL, &crashme_ops) ? 0 : -ENOMEM;
}

module_init(crashme_init);
MODULE_DESCRIPTION("Crashes the kernel on request, for tests");
MODULE_LICENSE("GPL");
