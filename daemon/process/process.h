/* SPDX-License-Identifier: BSD-2-Clause */
/* What runs: processes, their executable mappings, and the ELF files behind them.
 *
 *    /proc/PID/maps at first sight ----+
 *                                      +--> struct process --> mappings --> struct image (shared by
 * all kernel events afterwards ---------+                                   processes that map that
 * file) (mmap, exec, fork, exit)
 *
 * PIDs are those of profd's own PID namespace. Names and files are hostile input. */
#ifndef PROFD_PROCESS_PROCESS_H
#define PROFD_PROCESS_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "flow/series.h"

/* ---- images: one per ELF file content, numbered from 1, no number twice -------------------------
 */

struct image {
	uint32_t number;
	int fd;     /* open for reading, or -1: could not be opened. pread only: it is shared */
	char *path; /* as the target's maps name it; "[vdso]" for the vDSO */
	const char *name;       /* base name, inside `path` */
	uint64_t device, inode; /* identity together with `size` and `mtime_ns`; 0 for the vDSO */
	uint64_t size, mtime_ns;
	uint8_t build_id[20];
	size_t build_id_bytes; /* 0: has none */
	bool is_elf; /* a little-endian ELF64 of this machine, with a sane program header table */
	uint16_t elf_type; /* ET_EXEC, ET_DYN */
	size_t n_segments; /* PT_LOAD */
	struct image_segment {
		uint64_t offset, vaddr, file_bytes, flags;
	} * segments;
};

/* File offset -> the file's own virtual address, by the PT_LOAD that holds it. False: in none. */
bool image_vaddr(const struct image *image, uint64_t file_offset, uint64_t *vaddr);

/* An image from an open file: for tests and tools. Takes `fd` over, also on failure (then NULL). */
struct image *image_open(int fd, const char *path, struct err *err);
void image_close(struct image *image);

/* ---- processes ---------------------------------------------------------------------------------
 */

enum mapping_kind {
	MAPPING_FILE, /* `image` is set */
	MAPPING_VDSO, /* `image` is set */
	MAPPING_ANON, /* executable memory of no file: JIT code, trampolines; `image` is NULL */
};

struct mapping {
	uint64_t start, end;  /* addresses in the process, end exclusive */
	uint64_t file_offset; /* of `start` */
	uint64_t bias; /* address = file's virtual address + bias; 0 where there is no image */
	enum mapping_kind kind;
	bool is_denied; /* it is of a file, but that may not be opened; `kind` is MAPPING_ANON then
			 */
	struct image *image;
};

struct process {
	uint32_t pid;
	uint64_t
		start_ticks; /* /proc/PID/stat field 22: with the pid the identity of the process */
	char comm[16];       /* of its main thread, at last sight */
	char *exe;           /* path, "" if unknown */
	uint32_t parent;     /* pid */
	bool main_exited;    /* its main thread has begun to end; others may go on */
	bool exited;         /* gone; kept until its last samples are accounted for */
	struct mapping *mappings; /* executable ones, sorted by `start`, not overlapping */
	size_t n_mappings;
	uint64_t generation; /* grows with every change of `mappings`, and with exec; never 0, never
				reused by pid */
	/* Processes with the same number have the same mappings: a child its parent's, until one
	 * of them changes them. 0: not known. */
	uint64_t layout;
	/* For whoever keeps an account of processes: with numbered roots this keeps stacks apart,
	 * where it is not 0, instead of the start. */
	uint64_t identity;

	/* Inside process/. */
	size_t cap_mappings;
	int n_threads;      /* that have not begun to end, by the events; -1: not counted */
	unsigned n_applied; /* mappings by events since the last look at the maps file */
	bool exe_comes;     /* the next file to be mapped is `exe` */
	bool is_changed, is_stale, is_ending; /* on the lists of watch.c */
};

struct process_table;

struct process_table *process_table_new(struct err *err);
void process_table_free(struct process_table *t);

/* The process as known, or NULL. */
struct process *process_find(const struct process_table *t, uint32_t pid);

/* The process, read from /proc where it is not known yet. NULL: there is none (-ESRCH), or it may
 * not be read (-EACCES), with the reason. */
struct process *process_get(struct process_table *t, uint32_t pid, struct err *err);

/* Frees what only its samples needed. Its names stay, for the profile. */
void process_retire(struct process *p);

/* Forgets the process wholly; `p` is gone then. */
void process_remove(struct process_table *t, struct process *p);

/* Every known process, in no order: start with *at = 0; NULL at the end. Not across anything that
 * adds or removes one. */
struct process *process_next(const struct process_table *t, size_t *at);

/* The mapping that holds `address`, or NULL. */
const struct mapping *process_mapping(const struct process *p, uint64_t address);

/* The image by its number, or NULL: there never was one, or it was swept away. */
struct image *process_image(const struct process_table *t, uint32_t number);

/* Closes and frees the images that no known process has mapped at this call and at the one before;
 * each is handed to `each` first, so that the rooms that keep something of it let go. Numbers are
 * not given out again. To be called when nothing that has still to be named holds such a number:
 * right after a window was closed, all of whose samples are older than the one call. Returns how
 * many; -ENOMEM: none, the next call will do. */
int process_images_sweep(
	struct process_table *t, void (*each)(void *arg, const struct image *image), void *arg);

/* Thread IDs of a process now, in ascending order; `*tids` is the caller's to free. */
int process_threads(uint32_t pid, uint32_t **tids, size_t *n);

/* Whether any thread of the process still runs (a zombie's do not). */
bool process_is_alive(uint32_t pid);

/* The process that a thread ID belongs to (itself for a process's own); 0: there is none. */
uint32_t process_leader(uint32_t tid);

/* Whether the PID is one that can be profiled: a process with a program, not a thread's ID, a
 * zombie or a kernel thread. 0, -ESRCH or -EINVAL, with a text for people. */
int process_check(uint32_t pid, struct err *err);

struct process_usage {
	uint32_t pid, parent;
	uint64_t start_ticks;
	uint64_t cpu_ticks; /* user and system time so far, in clock ticks (sysconf(_SC_CLK_TCK)) */
	char state;         /* as in /proc/PID/stat: 'R', 'S', 'Z', ... */
	bool is_kernel_thread;
	char comm[16];
};
bool process_usage_read(uint32_t pid, struct process_usage *out); /* false: no such process */

/* Children, their children and so on, as they are now; `*list` is the caller's to free. -ESRCH: no
 * such process. */
int process_descendants(uint32_t pid, struct process_usage **list, size_t *n);

struct process_busy {
	uint32_t pid;
	char comm[16];
	double share; /* of one CPU */
};

/* Those of the `n` processes that have used 2 % of a CPU or more in the `elapsed_s` since `before`
 * was read, the busiest first; profd's own are left out. Returns how many were written, at most
 * `cap`. */
size_t process_busy_since(const struct process_usage *before, size_t n, double elapsed_s,
	struct process_busy *out, size_t cap);

/* ---- who a process is --------------------------------------------------------------------------
 */

/* Fills `out` from /proc (all texts set, "" where something is not known), but for `python`, which
 * is "". `command_line`: read that too (it can hold secrets). -ESRCH: gone; -ENOMEM; another
 * negative errno where /proc cannot be read. `out` is to be cleared with series_clear, also after
 * an error. Bounded: no text is over 4 KiB. All of it is of one process, also while PIDs are
 * reused. `start_unix_ns` is rounded to clock ticks: two readings agree as long as nobody sets the
 * clock (`boot`, `pid` and `start_ticks` are the identity, not that). `user` comes from profd's own
 * /etc/passwd. */
int process_series(uint32_t pid, bool command_line, struct series *out);

/* Totals since the process began, for taking differences of. -ESRCH: gone. CPU time and I/O include
 * threads that have ended. Context switches are those of the threads there are now, of at most the
 * 64 that began first: when a thread ends they fall, so a negative difference is to count as 0. */
int process_counters(uint32_t pid, struct series_usage *out);

/* All processes that are there now, in ascending order; `*pids` is the caller's to free. */
int process_list(uint32_t **pids, size_t *n);

/* Who asks, and so what they may see. */
struct viewer {
	bool all; /* root or group profd: processes of every user */
	uint32_t uid;
	bool same_pid_namespace; /* as profd: the next two say nothing then */
	uint64_t pid_namespace;  /* inode of /proc/PID/ns/pid of the asker */
	unsigned pid_level;      /* how many levels below profd's it is */
};

/* The viewer at the other end of a Unix socket (SO_PEERCRED, and SO_PEERPIDFD where there is one,
 * so that a reused PID deceives nobody). `group` is the group whose members see all; (gid_t)-1:
 * none. A root of another PID namespace sees every user's processes there, but none outside.
 * -ESRCH: the peer has ended already; -EPERM: it runs outside of profd's PID namespace (or the
 * socket has no peer); -EACCES: its namespace may not be known; -ENOTSUP: /proc is not that of
 * profd's own PID namespace; another errno of getsockopt; with a text for people. */
int viewer_of_socket(int fd, gid_t group, struct viewer *out, struct err *err);

/* Whether the viewer may profile the process: it lies in the viewer's PID namespace or one below,
 * and, unless `all`, its real, effective and saved user are the viewer's and it is not protected
 * (dumpable). False where it is gone, and where profd may not know the PID namespace of a process
 * that is in another one than its own (that needs CAP_SYS_PTRACE). */
bool viewer_may_see(const struct viewer *v, uint32_t pid);

/* A PID as the viewer writes it -> profd's; 0: no such process. And back: 0 where it is not in the
 * viewer's namespace. Works for threads too. Where the namespaces are the same the number is the
 * same, for viewer_pid_to also that of a process that is gone. Otherwise viewer_pid_from looks at
 * all processes (some 10 us each), and viewer_pid_to at one that is still there. */
uint32_t viewer_pid_from(const struct viewer *v, uint32_t pid);
uint32_t viewer_pid_to(const struct viewer *v, uint32_t pid);

/* Reads memory of a process: as many bytes as could be read from the start (short at an unreadable
 * page), or negative errno. */
ssize_t process_read(uint32_t pid, uint64_t address, void *data, size_t bytes);

/* Opens a file as the target names it, in its own mount namespace (through /proc/PID/root); a
 * symbolic link cannot lead out of that root. Only regular files. The descriptor or negative errno.
 */
int process_open_file(uint32_t pid, const char *path);

/* ---- events ------------------------------------------------------------------------------------
 */

/* What the kernel said about processes since the last call, applied to the table in order of time.
 */
enum process_event_kind {
	PROCESS_FORKED,
	PROCESS_EXECED, /* it has no mappings yet */
	PROCESS_MAPPED, /* mappings have changed; once for all changes that one call applied */
	PROCESS_EXITED,
	PROCESS_THREAD,
	PROCESS_KSYMBOL, /* kernel code came or went (`pid` is 0); at most once per call */
};

struct process_event {
	enum process_event_kind kind;
	uint64_t time_ns; /* CLOCK_MONOTONIC */
	uint32_t pid, tid, parent;
};

struct process_watch;

/* Opens the kernel's event stream for all CPUs: needs CAP_PERFMON (or root). */
struct process_watch *process_watch_open(struct process_table *t, struct err *err);
void process_watch_close(struct process_watch *w);
int process_watch_fd(
	const struct process_watch *w); /* readable when events wait (an epoll descriptor) */

/* From now on the events of all processes are of interest: one that the table does not know is
 * taken up with the first event of it. Whoever asks for this then reads all that are there
 * (process_list, process_get), so that the others begin with a fork that is told. */
void process_watch_host(struct process_watch *w);

/* Applies all waiting events up to `until_ns` to processes that the table knows (and their
 * children), and reports each of those through `each`, which may remove processes that it was told
 * have ended, now or earlier. Returns how many; negative errno on failure.
 *
 * Mappings come from the events alone, so a process that is gone by now has those that it had.
 * /proc is read where an event does not suffice: for a file that cannot be found by what it says,
 * and now and then for the mappings that went, of which there is no event. Events lost by the
 * kernel are counted, and make every known process be read from /proc again. */
int process_watch_drain(struct process_watch *w, uint64_t until_ns,
	void (*each)(void *arg, const struct process_event *event), void *arg);
uint64_t process_watch_lost(const struct process_watch *w);

#endif
