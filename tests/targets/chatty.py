# SPDX-License-Identifier: BSD-2-Clause
"""A command as users have them: reads its standard input to its end, says what it got, writes lines
on both outputs while it works in chatty_work, and ends with the status that the second argument
says (0), after so many seconds of CPU time as the first one says (1).
"""

import sys
import time


def chatty_work(n):
    x = n
    for i in range(n):
        x = (x * 31 + i) & 0xFFFF
    return x


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    status = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    print(f"read {len(sys.stdin.read())} characters", flush=True)
    print("a word to the errors", file=sys.stderr, flush=True)
    while time.thread_time() < seconds:
        chatty_work(5000)
    print("\x1b[1mdone\x1b[0m with the work", flush=True)
    sys.exit(status)


if __name__ == "__main__":
    main()
