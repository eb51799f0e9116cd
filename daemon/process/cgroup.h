/* SPDX-License-Identifier: BSD-2-Clause */
/* Which control group a process is in, and which container that means: the text of
 * /proc/PID/cgroup, whose lines are "hierarchy:controllers:path" (cgroups(7)).
 *
 *     0::/system.slice/docker-4f0c...64 digits....scope     -> container 4f0c...12 digits
 *     0::/lxc.payload.web/init.scope                        -> container web
 */
#ifndef PROFD_PROCESS_CGROUP_H
#define PROFD_PROCESS_CGROUP_H

struct cgroup {
	const char *path;   /* inside the parsed text; "" where there is none */
	char container[65]; /* first 12 digits of its ID, or a name; "": none is known */
};

/* Cuts `text` into pieces. The path is that of the unified hierarchy, unless only an older one
 * names a container; without a unified hierarchy that of systemd, else the first. */
void cgroup_parse(char *text, struct cgroup *out);

#endif
