# SPDX-License-Identifier: BSD-2-Clause
"""Truth: the stack changes every 100 ns or so, and every function has exactly one caller. So a
stack read at one instant is <module> > main > a path down this tree, and anything else is a torn
stack:

    Stop.__bool__
    a1 > a2 > a3 > a4 > a5 > a6 > a7 > a8
    b1 > b2
    c1 > c2 > c3 > c4
    d1 > d_generator > d3
    e1 > e_key (called by sorted, in C) > e3
    Walker.f1 > Walker.f2 > Walker.f3
"""

from truth import Stop, ready


def a8(x):
    return x + 8


def a7(x):
    return a8(x) + 7


def a6(x):
    return a7(x) + 6


def a5(x):
    return a6(x) + 5


def a4(x):
    return a5(x) + 4


def a3(x):
    return a4(x) + 3


def a2(x):
    return a3(x) + 2


def a1(x):
    return a2(x) + 1


def b2(x):
    return x + 2


def b1(x):
    return b2(x) + 1


def c4(x):
    return x + 4


def c3(x):
    return c4(x) + c4(x)


def c2(x):
    return c3(x) + c3(x)


def c1(x):
    return c2(x) + c2(x)


def d3(x):
    return x + 3


def d_generator(x):
    yield x
    yield d3(x)
    yield d3(x + 1)


def d1(x):
    total = 0
    for value in d_generator(x):
        total += value
    return total


def e3(x):
    return -x


def e_key(x):
    return e3(x)


def e1(x):
    return sorted((x, x + 1, x + 2), key=e_key)[0]


class Walker:
    def f3(self, x):
        return x + 3

    def f2(self, x):
        return self.f3(x) + 2

    def f1(self, x):
        return self.f2(x) + 1


def main():
    stop = Stop()
    walker = Walker()
    state = 12345
    ready()
    while not stop:
        for _ in range(2000):
            state = (state * 1103515245 + 12345) & 0x7FFFFFFF
            turn = (state >> 16) % 6
            if turn == 0:
                a1(state)
            elif turn == 1:
                b1(state)
            elif turn == 2:
                c1(state)
            elif turn == 3:
                d1(state)
            elif turn == 4:
                e1(state)
            else:
                walker.f1(state)


if __name__ == "__main__":
    main()
