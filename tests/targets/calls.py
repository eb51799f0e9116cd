# SPDX-License-Identifier: BSD-2-Clause
"""All ways that CPython has to enter and to leave a frame, each with callers of its own: a stack
read at one instant is <module> > main > a path down this tree.

    Stop.__bool__
    gen1 > gen_outer > gen_inner > gen_leaf
    gen1 > gen_c > gen_c_leaf
    gen1 > gen1.<locals>.<genexpr> > genexpr_leaf
    send1 > send_outer > send_generator > send_leaf
    send1 > send_generator
    send1 > send_left
    await1 > await_outer > await_inner > Awaitable.__await__
    await_outer > await_generator > await_leaf
    raise1 > raise2 > raise3 > raise4
    raise1 > raise_generator > raise_leaf
    init1 > Point.__init__ > init_leaf
    init1 > Slow.__new__
    init1 > init1.<locals>.Body > body_leaf
    hook1 > Hooks.value
    hook1 > Hooks.__getattr__
    hook1 > Hooks.__getitem__ > item_leaf
    hook1 > Hooks.__next__
    hook1 > Hooks.__enter__
    hook1 > Hooks.__exit__
    hook1 > Hooks.__eq__
    end1 > end_maker > Ending.__del__ > end_leaf
    end1 > Ending.__del__
    end1 > end_frame
    code1 > <module> > code_leaf
    code1 > code1.<locals>.<lambda>
    code1 > code1.<locals>.<listcomp> > comp_leaf
    code1 > comp_leaf
    code1 > map_key > map_leaf
    grow > grow > grow_leaf
"""

import functools
import sys

from truth import Stop, ready


# ---- generators


def gen_leaf(x):
    return x


def gen_inner(x):
    yield gen_leaf(x)
    yield x


def gen_outer(x):
    yield from gen_inner(x)
    yield x


def gen_c_leaf(x):
    return x


def gen_c(x):
    yield gen_c_leaf(x)


def genexpr_leaf(x):
    return x


def gen1(x):
    total = 0
    for value in gen_outer(x):
        total += value
    return total + sum(genexpr_leaf(y) for y in list(gen_c(x)))


def send_leaf(x):
    return x


def send_generator(x):
    try:
        x = yield send_leaf(x)
    except ValueError:
        yield 1
    yield x


def send_outer(x):
    yield from send_generator(x)


def send_left(x):
    try:
        yield x
    finally:
        x = 0


def send1(x):
    for make in (send_generator, send_outer):
        generator = make(x)
        next(generator)
        generator.send(x)
        generator.close()
        generator = make(x)
        generator.send(None)
        generator.throw(ValueError())
        generator.close()
    next(send_left(x))


class Awaitable:
    def __await__(self):
        yield 1


async def await_inner(x):
    await Awaitable()
    return x


def await_leaf(x):
    return x


async def await_generator(x):
    yield await_leaf(x)
    yield x


async def await_outer(x):
    await await_inner(x)
    async for y in await_generator(x):
        x += y
    return x


def await1(x):
    coroutine = await_outer(x)
    try:
        while True:
            coroutine.send(None)
    except StopIteration:
        return x


# ---- exceptions


def raise4(x):
    raise KeyError(x)


def raise3(x):
    try:
        raise4(x)
    finally:
        x = 0


def raise2(x):
    return raise3(x)


def raise_leaf(x):
    raise IndexError(x)


def raise_generator(x):
    yield x
    raise_leaf(x)


def raise1(x):
    try:
        raise2(x)
    except KeyError:
        pass
    try:
        for y in raise_generator(x):
            x += y
    except IndexError:
        return x


# ---- classes


def init_leaf(x):
    return x


class Point:
    def __init__(self, x):
        self.x = init_leaf(x)


class Slow:
    def __new__(cls, x):
        return super().__new__(cls)


def body_leaf():
    return 1


def init1(x):
    class Body:
        value = body_leaf()

    Slow(x)
    return Point(x).x


def item_leaf(x):
    return x


class Hooks:
    @property
    def value(self):
        return 1

    def __getattr__(self, name):
        return 2

    def __getitem__(self, x):
        return item_leaf(x)

    def __iter__(self):
        return self

    def __next__(self):
        raise StopIteration

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        return None

    def __eq__(self, other):
        return True


HOOKS = Hooks()
iter(HOOKS)


def hook1(x):
    hooks = HOOKS
    with hooks:
        x += hooks.value + hooks.other + hooks[x]
    next(hooks, None)
    return hooks in (1, 2)


# ---- ends of frames


def end_leaf(x):
    return x


class Ending:
    def __del__(self):
        end_leaf(1)


def end_maker(x):
    ending = Ending()
    return x


def end_frame(x):
    return sys._getframe()


def end1(x):
    end_maker(x)
    return end_frame(x).f_lineno


# ---- code objects


def code_leaf(x):
    return x


def comp_leaf(x):
    return x


def map_leaf(x):
    return x


def map_key(x):
    return map_leaf(x)


CODE = compile("code_leaf(1)", "<string>", "eval")


def code1(x):
    eval(CODE)
    (lambda y: y)(x)
    [comp_leaf(y) for y in (x,)]
    return sorted(map(functools.partial(map_key), (x,)))


# ---- frames of 2 KiB, so that these few need another piece of the thread's data stack


def grow_leaf(x):
    return x


WIDE = " = ".join(f"v{i}" for i in range(250))
exec(f"def grow(n):\n if n < 0:\n  {WIDE} = 0\n return grow(n - 1) if n else grow_leaf(n)\n")


WAYS = [gen1, send1, await1, raise1, init1, hook1, end1, code1, grow]


def main():
    stop = Stop()
    ready()
    while not stop:
        for way in WAYS:
            way(9)


if __name__ == "__main__":
    main()
