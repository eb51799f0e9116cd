# SPDX-License-Identifier: BSD-2-Clause
"""Truth: every burst runs in one of these call chains below <module> > main; the exact shares are
printed.

plain_function
Worker.method, Worker.class_method, Worker.static_method
consume_generator > generator           (the generator burns)
make_closure.<locals>.closure > make_closure.<locals>.closure.<locals>.inner
sort_with_key > key_function            (called by sorted, in C)
reduce_with > reducer                   (called by functools.reduce, in C)
recurse, 40 times
comprehension                           (3.11: > comprehension.<locals>.<listcomp>)
"""

import functools

from truth import Stop, Truth, clock, ready


def plain_function(n):
    x = n
    for i in range(n):
        x = (x * 31 + i) & 0xFFFF
    return x


class Worker:
    def method(self, n):
        x = n
        for i in range(n):
            x = (x * 31 + i) & 0xFFFF
        return x

    @classmethod
    def class_method(cls, n):
        x = n
        for i in range(n):
            x = (x * 31 + i) & 0xFFFF
        return x

    @staticmethod
    def static_method(n):
        x = n
        for i in range(n):
            x = (x * 31 + i) & 0xFFFF
        return x


def generator(n):
    for part in range(4):
        x = n
        for i in range(n // 4):
            x = (x * 31 + i) & 0xFFFF
        yield x


def consume_generator(n):
    total = 0
    for value in generator(n):
        total += value
    return total


def make_closure():
    def closure(n):
        def inner(count):
            x = n
            for i in range(count):
                x = (x * 31 + i) & 0xFFFF
            return x

        return inner(n)

    return closure


def key_function(n):
    x = n
    for i in range(n):
        x = (x * 31 + i) & 0xFFFF
    return x


def sort_with_key(n):
    return sorted([n // 5] * 5, key=key_function)


def reducer(total, n):
    for i in range(n):
        total = (total * 31 + i) & 0xFFFF
    return total


def reduce_with(n):
    return functools.reduce(reducer, [n // 5] * 5, 0)


def recurse(n, depth=40):
    if depth > 1:
        return recurse(n, depth - 1)
    x = n
    for i in range(n):
        x = (x * 31 + i) & 0xFFFF
    return x


def comprehension(n):
    return sum([(i * 31) & 0xFFFF for i in range(n)])


def main():
    closure = make_closure()
    worker = Worker()
    parts = [
        ("plain_function", plain_function, 4000),
        ("Worker.method", worker.method, 8000),
        ("Worker.class_method", Worker.class_method, 4000),
        ("Worker.static_method", Worker.static_method, 2000),
        ("generator", consume_generator, 6000),
        ("make_closure.<locals>.closure.<locals>.inner", closure, 5000),
        ("key_function", sort_with_key, 7000),
        ("reducer", reduce_with, 5000),
        ("recurse", recurse, 6000),
        ("comprehension", comprehension, 6000),
    ]
    stop = Stop()
    ready()
    truth = Truth()
    while not stop:
        name, function, n = truth.random.choice(parts)
        count = truth.random.randrange(n)
        start = clock()
        function(count)
        truth.add(name, clock() - start)
    truth.dump()


if __name__ == "__main__":
    main()
