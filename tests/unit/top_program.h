/* SPDX-License-Identifier: BSD-2-Clause */
/* A program with a known profile, as the model of `profd top` is told of it; 100 samples of
 *
 *   python3 (7)   main (7)    main:1  10 > work:5   5 > work:6  15 > read 20    native
 *                                          work:6  10
 *   python3 (8)   main (8)    main:1   0 > work:5  30
 *                 other (9)   other:3 10
 */
#ifndef TEST_TOP_PROGRAM_H
#define TEST_TOP_PROGRAM_H

#include "top_feed.h"

struct program {
	struct feed f;
	uint32_t seven, eight, main, work, again, read, beside, main_8, work_8, other;
};

static inline void program_init(struct program *p)
{
	feed_init(&p->f);
	p->seven = feed_process(&p->f, "python3", 7);
	p->main = feed_python(&p->f, feed_thread(&p->f, p->seven, "main", 7), "main", "app.py", 1);
	p->work = feed_python(&p->f, p->main, "work", "app.py", 5);
	p->again = feed_python(&p->f, p->work, "work", "app.py", 6);
	p->read = feed_native(&p->f, p->again, "read", "libc.so.6");
	p->beside = feed_python(&p->f, p->main, "work", "app.py", 6);
	p->eight = feed_process(&p->f, "python3", 8);
	p->main_8 =
		feed_python(&p->f, feed_thread(&p->f, p->eight, "main", 8), "main", "app.py", 1);
	p->work_8 = feed_python(&p->f, p->main_8, "work", "app.py", 5);
	p->other =
		feed_python(&p->f, feed_thread(&p->f, p->eight, "other", 9), "other", "app.py", 3);
}

/* The first process alone: 60 of them. */
static inline void run_seven(struct program *p)
{
	feed_count(&p->f, p->main, 10);
	feed_count(&p->f, p->work, 5);
	feed_count(&p->f, p->again, 15);
	feed_count(&p->f, p->read, 20);
	feed_count(&p->f, p->beside, 10);
}

static inline void program_run(struct program *p)
{
	run_seven(p);
	feed_count(&p->f, p->work_8, 30);
	feed_count(&p->f, p->other, 10);
}

#endif
