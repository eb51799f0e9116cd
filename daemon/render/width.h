/* SPDX-License-Identifier: BSD-2-Clause */
/* How wide a character is on a terminal, the same under every locale: a renderer may run in a
 * daemon that has none. After the tables of Unicode 14. */
#ifndef PROFD_RENDER_WIDTH_H
#define PROFD_RENDER_WIDTH_H

#include <stdint.h>

/* Columns of a code point: 0 (drawn over the one before), 1 or 2; -1 where it must not reach a
 * terminal: it moves the cursor, shows nothing, or turns the direction of writing. */
int character_width(uint32_t code_point);

#endif
