/* SPDX-License-Identifier: BSD-2-Clause */
/* Errors for people: a negative errno for the program, and a text that names the cause and the
 * next step. Every function that can fail for a reason outside the program takes a struct err. */
#ifndef PROFD_BASE_ERR_H
#define PROFD_BASE_ERR_H

struct err {
	int code;       /* negative errno, 0 while nothing failed */
	char text[480]; /* one line, no trailing newline; "" while nothing failed */
};

/* Sets both and returns `code`, so that `return err_set(err, -EINVAL, "...")` reads well. `err` may
 * be NULL. A later call replaces an earlier text. `code` is never 0. */
int err_set(struct err *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Puts "fmt: " before the text that is there; keeps the code and returns it. */
int err_prefix(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
