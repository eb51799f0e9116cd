/* SPDX-License-Identifier: BSD-2-Clause */
/* Who asks, and what of the machine is theirs. Two rules, both as the kernel would decide on
 * tracing: nobody looks out of a PID namespace, and who is not root looks at their own processes
 * only. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "process/namespaces.h"
#include "process/process.h"
#include "process/procfs.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* Linux 6.5 include/uapi/asm-generic/socket.h */
#endif

enum {
	GROUPS_MAX = 65536, /* Linux include/uapi/linux/limits.h: NGROUPS_MAX */
	THREADS_TRIED_MAX = 64,
};

/* ---- from a socket -----------------------------------------------------------------------------
 */

/* Whether one of the peer's groups is the one. 1, 0 or negative errno. */
static int peer_in_group(int fd, const struct ucred *peer, gid_t group)
{
	socklen_t bytes = 0;
	gid_t *list;
	int rc;

	if (group == (gid_t)-1)
		return 0;
	if (peer->gid == group)
		return 1;
	if (!getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &bytes))
		return 0; /* has no others */
	if (errno != ERANGE || bytes > GROUPS_MAX * sizeof(*list))
		return -errno;
	list = malloc(bytes);
	if (!list)
		return -ENOMEM;
	rc = getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, list, &bytes) < 0 ? -errno : 0;
	for (size_t i = 0; !rc && i < bytes / sizeof(*list); i++)
		rc = list[i] == group;
	free(list);
	return rc;
}

/* Fills in where the process of that folder lives. */
static int viewer_place(struct viewer *v, int folder)
{
	struct namespace_pids pids;
	struct buf status;
	int rc;

	buf_init(&status, PROCFS_TEXT_MAX_BYTES);
	rc = procfs_read(folder, "status", &status, NULL);
	if (!rc && (!status.len || !namespace_pids_parse(status.data, &pids)))
		rc = -ESRCH;
	buf_free(&status);
	if (rc < 0)
		return rc;
	/* What is seen in profd's /proc without a number below it is of profd's namespace. */
	v->pid_level = (unsigned)(pids.n - 1);
	v->same_pid_namespace = pids.n == 1;
	v->pid_namespace = namespace_inode(folder);
	return v->same_pid_namespace || v->pid_namespace ? 0 : -EACCES;
}

/* A /proc of another namespace would give other numbers than the kernel gives for sockets. */
static bool proc_is_own(void)
{
	struct namespace_pids pids;
	struct buf status;
	bool own = false;

	buf_init(&status, PROCFS_TEXT_MAX_BYTES);
	if (!file_read("/proc/self/status", &status) && status.len &&
		namespace_pids_parse(status.data, &pids))
		own = pids.n == 1 && pids.at[0] == (uint64_t)getpid();
	buf_free(&status);
	return own;
}

/* The peer's pidfd, which a PID that is used again does not deceive; -ENOPROTOOPT: the kernel has
 * none to give. */
static int peer_pidfd(int fd)
{
	socklen_t bytes = sizeof(int);
	int pidfd = -1;

	if (!getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &bytes))
		return pidfd;
	return errno == ENOPROTOOPT ? -ENOPROTOOPT : -ESRCH;
}

/* Reads where the peer lives. If it is still alive afterwards, its PID was its own all the while.
 */
static int peer_place(int fd, uint32_t pid, struct viewer *out)
{
	FD_CLOSE int pidfd = peer_pidfd(fd);
	FD_CLOSE int folder = procfs_open(pid);
	struct pollfd end = {.fd = pidfd, .events = POLLIN}; /* readable once it has ended */
	int rc;

	if (pidfd < 0 && pidfd != -ENOPROTOOPT)
		return pidfd;
	if (folder < 0)
		return folder;
	rc = viewer_place(out, folder);
	if (!rc && pidfd >= 0 && poll(&end, 1, 0) != 0)
		rc = -ESRCH;
	return rc;
}

int viewer_of_socket(int fd, gid_t group, struct viewer *out, struct err *err)
{
	struct ucred peer = {0};
	socklen_t bytes = sizeof(peer);
	int member, rc;

	*out = (struct viewer){0};
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) < 0)
		return err_set(err, -errno, "the kernel does not tell who the client is: %s",
			strerror(errno));
	if (peer.pid <= 0)
		return err_set(err, -EPERM,
			"the client runs outside of profd's PID namespace, or is no local program: "
			"nothing here is known to it; run it on the side of profd, in the same container");
	if (!proc_is_own())
		return err_set(err, -ENOTSUP,
			"/proc here is that of another PID namespace than profd's; mount one of its own: "
			"mount -t proc proc /proc");
	member = peer_in_group(fd, &peer, group);
	if (member < 0)
		return err_set(err, member, "the groups of the client cannot be read: %s",
			strerror(-member));
	rc = peer_place(fd, (uint32_t)peer.pid, out);
	if (rc == -ESRCH)
		return err_set(err, rc, "the client (PID %d) has ended already", (int)peer.pid);
	if (rc < 0)
		return err_set(err, rc,
			"cannot tell the PID namespace of the client (PID %d): %s; profd needs "
			"CAP_SYS_PTRACE for clients in containers",
			(int)peer.pid, strerror(-rc));
	out->uid = peer.uid;
	out->all = !peer.uid || member;
	return 0;
}

/* ---- what they may see -------------------------------------------------------------------------
 */

static bool is_within(const struct viewer *v, int folder, const char *status)
{
	struct namespace_pids pids;

	if (v->same_pid_namespace)
		return true;
	return namespace_pids_parse(status, &pids) && pids.n > v->pid_level &&
	       namespace_is(folder, pids.n - 1 - v->pid_level, v->pid_namespace);
}

static bool is_owned(const struct viewer *v, const char *status, uint32_t owner)
{
	uint64_t uids[3]; /* real, effective, saved */

	return owner == v->uid && procfs_status_numbers(status, "Uid:", uids, 3) == 3 &&
	       uids[0] == v->uid && uids[1] == v->uid && uids[2] == v->uid;
}

static bool is_zombie(const char *status)
{
	const char *state = strstr(status, "\nState:\t");

	return state && state[strlen("\nState:\t")] == 'Z';
}

/* A main thread that has ended has no memory of its own any more, and so belongs to root; the
 * others tell whose the process is. */
static bool is_owned_by_threads(const struct viewer *v, int folder, struct buf *scratch)
{
	uint32_t *tids, owner;
	bool owned = false;
	char name[64];
	size_t n;

	if (procfs_numbered(folder, "task", THREADS_TRIED_MAX, &tids, &n) < 0)
		return false;
	for (size_t i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "task/%u/status", tids[i]);
		if (procfs_read(folder, name, scratch, &owner) < 0 || !scratch->len ||
			is_zombie(scratch->data))
			continue;
		owned = is_owned(v, scratch->data, owner);
		break;
	}
	free(tids);
	return owned;
}

bool viewer_may_see(const struct viewer *v, uint32_t pid)
{
	FD_CLOSE int folder = procfs_open(pid);
	struct buf status;
	uint32_t owner;
	bool may = false;

	if (folder < 0)
		return false;
	if (v->all && v->same_pid_namespace)
		return true;
	buf_init(&status, PROCFS_TEXT_MAX_BYTES);
	if (!procfs_read(folder, "status", &status, &owner) && status.len)
		may = is_within(v, folder, status.data);
	if (may && !v->all)
		may = is_zombie(status.data) ? is_owned_by_threads(v, folder, &status)
					     : is_owned(v, status.data, owner);
	buf_free(&status);
	return may;
}

/* ---- numbers -----------------------------------------------------------------------------------
 */

/* The number of the process or thread with this `status` as the viewer has it, or 0. `folder` is
 * that of its process. */
static uint32_t pid_as_seen(const struct viewer *v, int folder, const char *status)
{
	struct namespace_pids pids;

	if (!is_within(v, folder, status) || !namespace_pids_parse(status, &pids))
		return 0;
	return (uint32_t)pids.at[v->pid_level];
}

uint32_t viewer_pid_to(const struct viewer *v, uint32_t pid)
{
	FD_CLOSE int folder = v->same_pid_namespace ? -1 : procfs_open(pid);
	struct buf status;
	uint32_t seen = 0;

	if (v->same_pid_namespace)
		return pid;
	if (folder < 0)
		return 0;
	buf_init(&status, PROCFS_TEXT_MAX_BYTES);
	if (!procfs_read(folder, "status", &status, NULL) && status.len)
		seen = pid_as_seen(v, folder, status.data);
	buf_free(&status);
	return seen;
}

/* Keeps of the `n` processes those in the viewer's namespace. Ends early with the one that has the
 * number as `*found`. */
static size_t keep_within(
	const struct viewer *v, uint32_t *all, size_t n, uint32_t number, uint32_t *found)
{
	struct buf status;
	size_t kept = 0;

	buf_init(&status, PROCFS_TEXT_MAX_BYTES);
	for (size_t i = 0; i < n && !*found; i++) {
		FD_CLOSE int folder = procfs_open(all[i]);
		uint32_t seen = 0;

		if (folder >= 0 && !procfs_read(folder, "status", &status, NULL) && status.len)
			seen = pid_as_seen(v, folder, status.data);
		if (seen)
			all[kept++] = all[i];
		if (seen == number)
			*found = all[i];
	}
	buf_free(&status);
	return kept;
}

/* The thread that has the number, of a process in the viewer's namespace, or 0. Threads live in the
 * namespace of their process. */
static uint32_t find_thread(const struct viewer *v, uint32_t process, uint32_t number)
{
	FD_CLOSE int folder = procfs_open(process);
	uint32_t *tids, found = 0;
	struct buf status;
	char name[64];
	size_t n;

	if (folder < 0 || procfs_numbered(folder, "task", SIZE_MAX, &tids, &n) < 0)
		return 0;
	buf_init(&status, PROCFS_TEXT_MAX_BYTES);
	for (size_t i = 0; n > 1 && i < n && !found; i++) {
		snprintf(name, sizeof(name), "task/%u/status", tids[i]);
		if (!procfs_read(folder, name, &status, NULL) && status.len &&
			pid_as_seen(v, folder, status.data) == number)
			found = tids[i];
	}
	buf_free(&status);
	free(tids);
	return found;
}

uint32_t viewer_pid_from(const struct viewer *v, uint32_t pid)
{
	uint32_t *all, found = 0;
	size_t n;

	if (!pid)
		return 0;
	if (v->same_pid_namespace) {
		FD_CLOSE int folder = procfs_open(pid);

		return folder < 0 ? 0 : pid;
	}
	if (process_list(&all, &n) < 0)
		return 0;
	n = keep_within(v, all, n, pid, &found);
	for (size_t i = 0; i < n && !found; i++)
		found = find_thread(v, all[i], pid);
	free(all);
	return found;
}
