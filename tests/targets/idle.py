# SPDX-License-Identifier: BSD-2-Clause
"""Truth: the process sleeps, and uses less than a thousandth of a CPU."""

import signal

from truth import Stop, ready


def main():
    stop = Stop()
    ready()
    while not stop:
        signal.sigtimedwait([], 0.5)


if __name__ == "__main__":
    main()
