/* SPDX-License-Identifier: BSD-2-Clause */
/* Hostile names -> text that is safe where it is put. Every function takes any NUL-terminated bytes
 * and writes valid UTF-8. A byte that is no part of a valid sequence becomes one U+FFFD. Errors
 * stay in the buffer: see buf_failed(). */
#ifndef PROFD_RENDER_TEXT_H
#define PROFD_RENDER_TEXT_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "flow/profile.h"

enum { TEXT_REPLACED = 0xfffd };

/* The next code point and moves on; 0 at the end. Surrogates and overlong forms are invalid. */
uint32_t text_next(const char **s);
void text_put(struct buf *b, uint32_t code_point);

/* For XML text and for attributes in either quote: markup as entities; control characters (C0, DEL,
 * C1), what XML 1.0 forbids, and the controls that turn the direction of text around become U+FFFD.
 */
void text_xml(struct buf *b, const char *s);

/* The same, in at most `cells` columns of a fixed-width font; what is cut off shows as an ellipsis.
 */
void text_xml_cut(struct buf *b, const char *s, unsigned cells);

/* A JSON string with its quotes. `<`, `>` and `&` are \u escapes, so that the text may stand in XML
 * and in a script element as it is; characters are replaced as in text_xml(). */
void text_json(struct buf *b, const char *s);

/* For the collapsed format: `;` becomes `:`, a control character (also U+2028 and U+2029) `?`. */
void text_folded(struct buf *b, const char *s);

/* For people: "1,234,567"; "12.3 ms", "4.56 s", "3 min 20 s". */
void text_count(struct buf *b, uint64_t n);
void text_time(struct buf *b, uint64_t ns);

/* A string of the profile; "" for a number that is none. */
const char *text_of(const struct profile *p, uint32_t number);

/* 0, or the buffer's error with a text that tells what to do. */
int text_result(const struct buf *b, struct err *err);

#endif
