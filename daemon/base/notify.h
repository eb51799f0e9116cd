/* SPDX-License-Identifier: BSD-2-Clause */
/* Talk with the service manager that started the daemon: systemd's protocol (sd_notify(3),
 * sd_listen_fds(3), sd_watchdog_enabled(3)) by hand, because it is a datagram and a few variables.
 *
 * What the manager has put into the environment is for this process alone: each of the functions
 * that read it takes its variables out, so that a second call finds nothing, and neither do
 * children. They change the environment: call them while there is one thread. */
#ifndef PROFD_BASE_NOTIFY_H
#define PROFD_BASE_NOTIFY_H

#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

/* Where to send what. Zeroed memory sends nothing. */
struct notify {
	struct sockaddr_un to;
	socklen_t to_bytes; /* 0: nobody wants to be told */
};

/* Takes NOTIFY_SOCKET. 0, also where there is none; -EAFNOSUPPORT: an address that is no path and
 * no abstract name, -ENAMETOOLONG; nothing will be sent then. */
int notify_open(struct notify *n);

/* What is sent where somebody wants it; 0, or negative errno, which a daemon may ignore. Each waits
 * a second at most. Status texts are for people, one line: control characters are replaced. */
int notify_ready(const struct notify *n, const char *status); /* after the start and a reload */
int notify_reloading(const struct notify *n);
int notify_stopping(const struct notify *n, const char *status);
int notify_alive(const struct notify *n); /* the watchdog's, every half of notify_watchdog_ns() */
int notify_status(const struct notify *n, const char *status);

/* The time in which the manager wants to hear notify_alive(), or it takes the daemon for hung; 0:
 * it does not ask for that. */
uint64_t notify_watchdog_ns(void);

/* The one listening AF_UNIX stream socket that the manager made for us (descriptor 3), non-blocking
 * and with close-on-exec set, the caller's to close. Its path is the manager's: do not unlink it.
 * -1: none was passed, or something else, which is logged. */
int notify_listen_fd(void);

#endif
