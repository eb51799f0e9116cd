/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside serve/ only: requests as tables of their members, so that a missing, unknown or mistyped
 * one is found in one place for all of them. */
#ifndef PROFD_SERVE_MEMBER_H
#define PROFD_SERVE_MEMBER_H

#include "serve/serve.h"

struct member {
	const char *name;
	/* Reads `value` into the request that the table is about. 0, or -EINVAL with a text that
	 * names the member. */
	int (*decode)(const json_t *value, const struct member *m, void *request, struct err *err);
	size_t at, bytes;           /* the field it is read into: offset and size */
	size_t count_at;            /* of a list: offset of the size_t that counts its items */
	uint32_t least, most;       /* of a whole number; of a list's items */
	const char *const *choices; /* of a text that is one of these; NULL at the end */
};

/* A table, and where the struct that its offsets count from lies in the request. */
struct members {
	const struct member *table;
	size_t n, at;
};

#define MEMBERS(table, at)                                                                         \
	{                                                                                          \
		table, sizeof(table) / sizeof((table)[0]), at                                      \
	}

/* The first members of a row: a field of the same name as on the wire. */
#define MEMBER_FIELD(type, field)                                                                  \
	.name = #field, .at = offsetof(type, field), .bytes = sizeof(((type *)NULL)->field)

int member_bool(const json_t *value, const struct member *m, void *request, struct err *err);
int member_count(const json_t *value, const struct member *m, void *request, struct err *err);
/* A string that fits into the field, which is an array of char. */
int member_text(const json_t *value, const struct member *m, void *request, struct err *err);
/* One of `choices`, into such a field. */
int member_choice(const json_t *value, const struct member *m, void *request, struct err *err);
/* Seconds between two messages of a live view or a watch, into a double. */
int member_interval(const json_t *value, const struct member *m, void *request, struct err *err);
int member_pids(const json_t *value, const struct member *m, void *request, struct err *err);
/* A list of texts of 1 to 255 bytes, into a NULL-terminated list on the heap. After an error the
 * field and its count say what was read, for the request to be cleared. */
int member_texts(const json_t *value, const struct member *m, void *request, struct err *err);

/* Decodes {every member of the tables, and no other}, which is what `name` stands for. The fields
 * of `request` are written, all else of it is left as it is. 0, or -EINVAL. */
int members_decode_body(const json_t *body, const char *name, const struct members *tables,
	size_t n_tables, void *request, struct err *err);

/* The same of {"id":ID,"KIND":{...}}. */
int members_decode(const json_t *message, const char *kind, const struct members *tables,
	size_t n_tables, void *request, uint64_t *id, struct err *err);

/* NULL: out of memory. */
json_t *member_encode_pids(const uint32_t *pids, size_t n);
json_t *member_encode_texts(char *const *texts, size_t n);
void member_texts_clear(char ***texts, size_t *n);

#endif
