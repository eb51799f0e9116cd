/* SPDX-License-Identifier: BSD-2-Clause */
/* Checks of the kernel, its settings and this process' rights. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "collect/probe.h"

enum { STATUS_BYTES = 65536 };

/* ---- for all checks ----------------------------------------------------------------------------
 */

void probe_found(struct collect_check *c, enum collect_result result, const char *fmt, ...)
{
	va_list ap;

	c->result = result;
	va_start(ap, fmt);
	vsnprintf(c->found, sizeof(c->found), fmt, ap);
	va_end(ap);
}

void probe_fix(struct collect_check *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(c->fix, sizeof(c->fix), fmt, ap);
	va_end(ap);
}

const char *probe_place(const struct probe *p, const char *path, char *full, size_t bytes)
{
	snprintf(full, bytes, "%s%s", p->root, path);
	return full;
}

bool probe_exists(const struct probe *p, const char *path)
{
	char full[512];

	return !access(probe_place(p, path, full, sizeof(full)), F_OK);
}

int probe_line(const struct probe *p, const char *path, char *text, size_t bytes)
{
	char full[512];
	FD_CLOSE int fd =
		open(probe_place(p, path, full, sizeof(full)), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n;

	*text = '\0';
	if (fd < 0)
		return -errno;
	n = read(fd, text, bytes - 1);
	if (n < 0)
		return -errno;
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return 0;
}

long probe_setting(const struct probe *p, const char *path, long missing)
{
	char text[64], *end;
	long value;

	if (probe_line(p, path, text, sizeof(text)) < 0)
		return missing;
	value = strtol(text, &end, 10);
	return end == text ? missing : value;
}

bool probe_has(const struct probe *p, enum probe_capability capability)
{
	bool part = capability == PROBE_BPF || capability == PROBE_PERFMON ||
		    capability == PROBE_CHECKPOINT_RESTORE;

	return p->capabilities >> capability & 1 ||
	       (part && p->capabilities >> PROBE_SYS_ADMIN & 1);
}

static const char *status_value(const char *status, const char *name)
{
	const char *at = strstr(status, name);

	return at ? at + strlen(name) + strspn(at + strlen(name), " \t") : NULL;
}

void probe_self(struct probe *p)
{
	const char *value;
	char full[512];
	struct buf b;

	buf_init(&b, STATUS_BYTES);
	if (!file_read(probe_place(p, "/proc/self/status", full, sizeof(full)), &b) && b.data) {
		value = status_value(b.data, "\nCapEff:");
		p->capabilities = value ? strtoull(value, NULL, 16) : 0;
		value = status_value(b.data, "\nSeccomp:");
		p->seccomp = value ? (uint32_t)strtoul(value, NULL, 10) : 0;
	}
	buf_free(&b);
}

/* ---- the kernel --------------------------------------------------------------------------------
 */

static void check_kernel(const struct probe *p, struct collect_check *c)
{
	char release[65];
	struct utsname uts = {0};
	unsigned major = 0, minor = 0;

	uname(&uts);
	if (probe_line(p, "/proc/sys/kernel/osrelease", release, sizeof(release)) < 0)
		snprintf(release, sizeof(release), "%s", uts.release);
	probe_found(c, CHECK_OK, "Linux %s, %s", release, uts.machine);
	if (sscanf(release, "%u.%u", &major, &minor) != 2 || major > 5 ||
		(major == 5 && minor >= 17) || !p->programs)
		return; /* also an older one with the newer one's eBPF, as RHEL 9's */
	c->result = CHECK_FAILED;
	probe_fix(c,
		"boot Linux 5.17 or later: profd's programs walk stacks in loops (bpf_loop) that "
		"older kernels, 5.15 and 5.16 among them, do not have");
}

static void check_btf(const struct probe *p, struct collect_check *c)
{
	char full[512];
	FD_CLOSE int fd = open(probe_place(p, "/sys/kernel/btf/vmlinux", full, sizeof(full)),
		O_RDONLY | O_CLOEXEC);
	int error = errno;
	uint16_t magic = 0;

	if (fd < 0) {
		probe_found(c, CHECK_FAILED, "/sys/kernel/btf/vmlinux: %s", strerror(error));
		if (error == ENOENT)
			probe_fix(c,
				"boot a kernel built with CONFIG_DEBUG_INFO_BTF, as those of the "
				"distributions are; in a container see that /sys is mounted");
		else
			probe_fix(c,
				"the kernel's description of its types must be readable: undo what "
				"changed its mode, or run as root");
		return;
	}
	if (read(fd, &magic, sizeof(magic)) != sizeof(magic) || magic != 0xeb9f) {
		probe_found(c, CHECK_FAILED, "/sys/kernel/btf/vmlinux is no BTF");
		probe_fix(c, "something is mounted over /sys/kernel/btf; unmount it");
		return;
	}
	probe_found(c, CHECK_OK, "/sys/kernel/btf/vmlinux is readable");
}

static void check_lockdown(const struct probe *p, struct collect_check *c)
{
	char text[128];

	if (probe_line(p, "/sys/kernel/security/lockdown", text, sizeof(text)) < 0) {
		probe_found(c, CHECK_OK, "not in use, or not visible from here");
	} else if (strstr(text, "[confidentiality]")) {
		probe_found(c, CHECK_FAILED, "confidentiality");
		probe_fix(c,
			"the kernel keeps its memory from eBPF programs at this level; boot with "
			"lockdown=integrity or without that option");
	} else {
		probe_found(c, CHECK_OK, "%s", strstr(text, "[integrity]") ? "integrity" : "none");
	}
}

/* ---- rights ------------------------------------------------------------------------------------
 */

struct right {
	enum probe_capability capability;
	const char *name, *use;
};

static const struct right rights[] = {
	{PROBE_BPF, "CAP_BPF", "to load programs"},
	{PROBE_PERFMON, "CAP_PERFMON", "to sample"},
	{PROBE_SYS_PTRACE, "CAP_SYS_PTRACE", "for other users' processes"},
	{PROBE_DAC_READ_SEARCH, "CAP_DAC_READ_SEARCH", "for their files"},
	{PROBE_SYSLOG, "CAP_SYSLOG", "for the kernel's function names"},
	{PROBE_CHECKPOINT_RESTORE, "CAP_CHECKPOINT_RESTORE", "for deleted or replaced files"},
};

/* Appends; what does not fit is cut. */
__attribute__((format(printf, 3, 4))) static void add(char *to, size_t bytes, const char *fmt, ...)
{
	size_t at = strlen(to);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(to + at, bytes - at, fmt, ap);
	va_end(ap);
}

static void check_capabilities(const struct probe *p, struct collect_check *c)
{
	const char *comma = "";

	for (size_t i = 0; i < sizeof(rights) / sizeof(rights[0]); i++) {
		const struct right *right = &rights[i];

		if (probe_has(p, right->capability))
			continue;
		add(c->found, sizeof(c->found), "%s%s", *comma ? comma : "missing: ", right->name);
		add(c->fix, sizeof(c->fix), "%s%s %s",
			*comma ? comma : "run as root, or give profd (setcap, --cap-add) ",
			right->name, right->use);
		comma = ", ";
		if (right->capability == PROBE_BPF || right->capability == PROBE_PERFMON)
			c->result = CHECK_FAILED;
		else if (c->result == CHECK_OK)
			c->result = CHECK_WARNING;
	}
	if (c->result == CHECK_OK)
		probe_found(c, CHECK_OK, "all that profd uses");
}

static void check_paranoid(const struct probe *p, struct collect_check *c)
{
	long level = probe_setting(p, "/proc/sys/kernel/perf_event_paranoid", -100);

	if (level == -100) {
		probe_found(c, CHECK_FAILED, "there is no kernel.perf_event_paranoid");
		probe_fix(c,
			"boot a kernel built with CONFIG_PERF_EVENTS; in a container see that /proc "
			"is mounted");
		return;
	}
	probe_found(c, CHECK_OK, "%ld", level);
	if (!p->own_events && !p->cpu_events)
		return;
	/* Debian's and Ubuntu's kernels have levels above 2. */
	if (level > 2 && probe_has(p, PROBE_PERFMON)) {
		c->result = CHECK_FAILED;
		probe_fix(c,
			"this kernel does not take CAP_PERFMON for enough from level 3 on: sysctl -w "
			"kernel.perf_event_paranoid=2 (to keep it: a file in /etc/sysctl.d), or give "
			"profd CAP_SYS_ADMIN");
	} else if (!probe_has(p, PROBE_PERFMON)) {
		c->result = CHECK_WARNING;
		probe_fix(c,
			"it holds for processes without CAP_PERFMON: run as root or give profd that "
			"capability; the setting can stay as it is%s",
			level > 2 ? " (some kernels want CAP_SYS_ADMIN from level 3 on)" : "");
	}
}

static void check_unprivileged_bpf(const struct probe *p, struct collect_check *c)
{
	long level = probe_setting(p, "/proc/sys/kernel/unprivileged_bpf_disabled", -1);

	if (level < 0) {
		probe_found(c, CHECK_OK, "the setting is not there");
		return;
	}
	probe_found(c, CHECK_OK, "%ld", level);
	if (probe_has(p, PROBE_BPF))
		return;
	c->result = CHECK_WARNING;
	probe_fix(c,
		"programs that sample need CAP_BPF and CAP_PERFMON whatever this says: run as root or "
		"give profd both; the setting can stay as it is");
}

static void check_ptrace_scope(const struct probe *p, struct collect_check *c)
{
	long scope = probe_setting(p, "/proc/sys/kernel/yama/ptrace_scope", -1);

	if (scope < 0)
		probe_found(c, CHECK_OK, "Yama is not in use");
	else
		probe_found(c, CHECK_OK, "%ld", scope);
	if (scope >= 3) {
		c->result = CHECK_WARNING;
		probe_fix(c,
			"nobody may read another process' memory: Python functions stay without names. "
			"Set kernel.yama.ptrace_scope=2 or less in /etc/sysctl.d and reboot (3 cannot be "
			"taken back)");
	} else if (scope > 0 && !probe_has(p, PROBE_SYS_PTRACE)) {
		c->result = CHECK_WARNING;
		probe_fix(c,
			"processes that profd did not start cannot be read, not even your own: give profd "
			"CAP_SYS_PTRACE, or sysctl -w kernel.yama.ptrace_scope=0");
	}
}

/* Whether /proc/kallsyms shows addresses: the rules behind that differ between kernels. */
static bool kallsyms_tell(const struct probe *p)
{
	char full[512], text[4096];
	FD_CLOSE int fd =
		open(probe_place(p, "/proc/kallsyms", full, sizeof(full)), O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	char *rest = text, *line;

	if (n <= 0)
		return false;
	text[n] = '\0';
	while ((line = strsep(&rest, "\n")))
		if (strtoull(line, NULL, 16))
			return true;
	return false;
}

static void check_kernel_names(const struct probe *p, struct collect_check *c)
{
	long level = probe_setting(p, "/proc/sys/kernel/kptr_restrict", -1);

	if (kallsyms_tell(p)) {
		probe_found(c, CHECK_OK, "/proc/kallsyms is readable (kptr_restrict %ld)", level);
		return;
	}
	probe_found(c, CHECK_WARNING, "/proc/kallsyms hides addresses (kptr_restrict %ld)", level);
	if (!probe_exists(p, "/proc/kallsyms"))
		probe_found(c, CHECK_WARNING, "there is no /proc/kallsyms");
	if (level >= 2)
		probe_fix(c,
			"the kernel's functions will have no names: sysctl -w kernel.kptr_restrict=1");
	else if (!probe_has(p, PROBE_SYSLOG))
		probe_fix(c,
			"the kernel's functions will have no names: give profd CAP_SYSLOG, or run as root");
	else
		probe_fix(c,
			"the kernel's functions will have no names: something hides the table, such as "
			"ProtectKernelTunables= of a systemd unit, or it is not in this /proc; `profd record "
			"--no-kernel` leaves them out");
}

static void check_seccomp(const struct probe *p, struct collect_check *c)
{
	if (!p->seccomp) {
		probe_found(c, CHECK_OK, "no filter");
	} else if (!p->programs && !p->own_events) {
		probe_found(c, CHECK_OK, "a filter that lets profd's calls pass");
	} else {
		probe_found(c, CHECK_WARNING, "a filter is in force");
		probe_fix(c,
			"it may be what keeps profd from sampling: it must allow bpf, perf_event_open and "
			"process_vm_readv; Docker's own does with --cap-add BPF,PERFMON,SYS_PTRACE on recent "
			"versions, else --security-opt seccomp=unconfined");
	}
}

const struct probe_check probe_settings[] = {
	{"kernel", check_kernel},
	{"BTF", check_btf},
	{"capabilities", check_capabilities},
	{"perf_event_paranoid", check_paranoid},
	{"unprivileged_bpf", check_unprivileged_bpf},
	{"ptrace_scope", check_ptrace_scope},
	{"kernel names", check_kernel_names},
	{"lockdown", check_lockdown},
	{"seccomp", check_seccomp},
};
const size_t probe_settings_n = sizeof(probe_settings) / sizeof(probe_settings[0]);
