/* SPDX-License-Identifier: BSD-2-Clause */
/* A process with a PID of one's choice: how a used PID comes back, without waiting for it. */
#ifndef PROFD_TESTS_UNIT_PID_REUSE_H
#define PROFD_TESTS_UNIT_PID_REUSE_H

#include <errno.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Starts a child with that PID, which does nothing until it is killed. The PID, or negative errno:
 * -EPERM without the right to choose, -EEXIST where the PID is in use. */
static inline pid_t pid_reuse(pid_t pid)
{
	struct clone_args args = {
		.exit_signal = SIGCHLD,
		.set_tid = (uint64_t)(uintptr_t)&pid,
		.set_tid_size = 1,
	};
	long child = syscall(SYS_clone3, &args, sizeof(args));

	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	return child < 0 ? -errno : (pid_t)child;
}

#endif
