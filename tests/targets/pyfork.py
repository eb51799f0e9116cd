# SPDX-License-Identifier: BSD-2-Clause
"""Truth: the parent only waits, as gunicorn's arbiter does; its two children burn in first_work
and second_work, about 1 : 2 of the CPU time. They are forked before READY is printed (by the
parent). Lines: TRUTH-first, TRUTH-second.
"""

import os
import signal
import time

from truth import Stop, Truth, clock, ready


def first_work(n):
    x = n
    for i in range(n):
        x = (x * 31 + i) & 0xFFFF
    return x


def second_work(n):
    x = n
    for i in range(n):
        x = (x * 31 + i) & 0xFFFF
    return x


def child_loop(word, work, n, parent):
    stop = Stop()
    truth = Truth(n)
    while not stop and os.getppid() == parent:
        count = n + truth.random.randrange(n)
        start = clock()
        work(count)
        truth.add(work.__name__, clock() - start)
        time.sleep(0.003)
    truth.dump(word)
    os._exit(0)


def start_child(word, work, n):
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        child_loop(word, work, n, parent)
    return pid


def main():
    children = [
        start_child("TRUTH-first", first_work, 4000),
        start_child("TRUTH-second", second_work, 8000),
    ]
    stop = Stop()
    ready()
    while not stop:
        signal.sigtimedwait([], 0.2)
    for pid in children:
        os.kill(pid, signal.SIGTERM)
    for pid in children:
        os.waitpid(pid, 0)


if __name__ == "__main__":
    main()
