/* SPDX-License-Identifier: BSD-2-Clause */
/* Python programs for test_python*.c. They print what CPython itself says of their stacks,
 * addresses and lines, and park until their standard input says what to do next. */
#ifndef PROFD_TEST_PYTHON_SCRIPTS_H
#define PROFD_TEST_PYTHON_SCRIPTS_H

/* report(): waits until every other thread is parked, and prints per thread
 *   thread <native id> <pthread_self>
 *   frame <line> <qualname> <TAB> <file>      innermost first
 *   done */
#define SCRIPT_PARKING                                                                             \
	"import os, sys, threading, time\n"                                                        \
	"sys.setrecursionlimit(10000)\n"                                                           \
	"readable, writable = os.pipe()\n"                                                         \
	"def park():\n"                                                                            \
	"    os.read(readable, 1)\n"                                                               \
	"def snapshot(me):\n"                                                                      \
	"    out = {}\n"                                                                           \
	"    for ident, frame in sys._current_frames().items():\n"                                 \
	"        rows = []\n"                                                                      \
	"        while frame is not None and ident != me:\n"                                       \
	"            code = frame.f_code\n"                                                        \
	"            rows.append((frame.f_lineno, code.co_qualname, code.co_filename))\n"          \
	"            frame = frame.f_back\n"                                                       \
	"        out[ident] = rows\n"                                                              \
	"    return out\n"                                                                         \
	"def parked(rows):\n"                                                                      \
	"    return any(row[1] == 'park' for row in rows)\n"                                       \
	"def report(count):\n"                                                                     \
	"    me, same, last = threading.get_ident(), 0, None\n"                                    \
	"    while same < 3:\n"                                                                    \
	"        time.sleep(0.02)\n"                                                               \
	"        now = snapshot(me)\n"                                                             \
	"        ready = sum(parked(rows) for rows in now.values())\n"                             \
	"        same = same + 1 if now == last and ready >= count else 0\n"                       \
	"        last = now\n"                                                                     \
	"    native = {t.ident: t.native_id for t in threading.enumerate()}\n"                     \
	"    for ident, rows in last.items():\n"                                                   \
	"        if ident == me: continue\n"                                                       \
	"        print('thread', native.get(ident, 0), ident)\n"                                   \
	"        for row in rows:\n"                                                               \
	"            print('frame %d %s\\t%s' % row)\n"                                            \
	"    print('done', flush=True)\n"

#define LINES_10 "\n\n\n\n\n\n\n\n\n\n"
#define LINES_40 LINES_10 LINES_10 LINES_10 LINES_10

/* One thread per way to get onto the Python stack. Functions named entry_* are called from C, those
 * named inner_* by Python code in the same eval loop. */
static const char script_stacks[] = SCRIPT_PARKING
	"import asyncio, functools, contextlib\n"
	"def inner_c():\n"
	"    x = [\n"
	"        1,\n"
	"        park(),\n"
	"        2]\n"
	"    return x\n"
	"def inner_b(depth):\n"
	"    if depth:\n"
	"        return inner_b(depth - 1)\n"
	"    inner_c()\n"
	"def nested():\n"
	"    inner_b(5)\n"
	"class Thing:\n"
	"    def inner_method(self):\n"
	"        inner_b(1)\n"
	"    @classmethod\n"
	"    def make(cls):\n"
	"        return cls().inner_method()\n"
	"    @staticmethod\n"
	"    def still():\n"
	"        Thing.make()\n"
	"    @property\n"
	"    def value(self):\n"
	"        return Thing.still()\n"
	"    def __getitem__(self, key):\n"
	"        return self.value\n"
	"    def __init__(self, go=False):\n"
	"        if go:\n"
	"            self[3]\n"
	"def methods():\n"
	"    Thing(True)\n"
	"def closures():\n"
	"    free = 3\n"
	"    def inner_closure(n):\n"
	"        def inner_innermost():\n"
	"            return inner_c(), free, n\n"
	"        return inner_innermost()\n"
	"    inner_closure(free)\n"
	"def lambdas():\n"
	"    (lambda: (lambda n: inner_c())(1))()\n"
	"def numbers():\n"
	"    yield 1\n"
	"    yield inner_c()\n"
	"def delegating():\n"
	"    yield from numbers()\n"
	"def generators():\n"
	"    for n in delegating():\n"
	"        pass\n"
	"async def leaf():\n"
	"    inner_c()\n"
	"async def middle():\n"
	"    await leaf()\n"
	"async def waiting():\n"
	"    await asyncio.gather(middle(), asyncio.sleep(0))\n"
	"def coroutines():\n"
	"    asyncio.run(waiting())\n"
	"async def agen():\n"
	"    yield 1\n"
	"    inner_c()\n"
	"    yield 2\n"
	"async def use_agen():\n"
	"    async for n in agen():\n"
	"        pass\n"
	"def async_generators():\n"
	"    asyncio.run(use_agen())\n"
	"def comprehension():\n"
	"    [inner_c() for _ in range(1)]\n"
	"def set_comprehension():\n"
	"    {k: inner_c() for k in (1,)}\n"
	"def generator_expression():\n"
	"    sum(inner_c() or 0 for _ in range(1))\n"
	"def entry_key(x):\n"
	"    return inner_c()\n"
	"def sort_now():\n"
	"    return sorted([2, 1],\n"
	"        key=entry_key)\n"
	"def callbacks():\n"
	"    functools.reduce(lambda a, b: sort_now(), [1, 2])\n"
	"def callbacks_nested():\n"
	"    list(map(entry_key, [1]))\n"
	"def evals():\n"
	"    exec('def inner_made():\\n  eval(\"inner_c()\")\\n\\ninner_made()')\n"
	"def decorate(f):\n"
	"    @functools.wraps(f)\n"
	"    def wrapper(*args, **kwargs):\n"
	"        return f(*args, **kwargs)\n"
	"    return wrapper\n"
	"@decorate\n"
	"@decorate\n"
	"def decorated(n=3, *, k=4):\n"
	"    inner_c()\n"
	"def class_bodies():\n"
	"    class entry_outer:\n"
	"        class entry_body:\n"
	"            inner_c()\n"
	"def \u00fcnic\u00f6de_\u540d\u524d():\n"
	"    inner_c()\n"
	"class \U00010400:\n"
	"    def \u03b4(self):\n"
	"        \u00fcnic\u00f6de_\u540d\u524d()\n"
	"def unicode_names():\n"
	"    \U00010400().\u03b4()\n"
	"@contextlib.contextmanager\n"
	"def managed():\n"
	"    yield inner_c()\n"
	"def context_managers():\n"
	"    with managed():\n"
	"        pass\n"
	"def exceptions():\n"
	"    try:\n"
	"        raise ValueError\n"
	"    except ValueError:\n"
	"        try:\n"
	"            {}['x']\n"
	"        finally:\n"
	"            inner_c()\n"
	"def warm_callee(park_now):\n"
	"    if park_now:\n"
	"        inner_c()\n"
	"def warm_gen(last):\n"
	"    for i in range(300):\n"
	"        warm_callee(i == last)\n"
	"        yield i\n"
	"class Warm:\n"
	"    def __init__(self, i):\n"
	"        warm_callee(i == 200)\n"
	"def specialised():\n"
	"    for i in warm_gen(250):\n"
	"        pass\n"
	"def specialised_init():\n"
	"    for i in range(300):\n"
	"        Warm(i)\n"
	"def deep():\n"
	"    inner_b(500)\n"
	"def too_deep():\n"
	"    inner_b(1500)\n"
	"def after_huge_lines():\n" /* far from the definition: long form of the location table */
	"    a = 1\n"
	"" LINES_40 LINES_40 "    inner_c()\n"
	"scenarios = [nested, methods, closures, lambdas, generators, coroutines, async_generators,\n"
	"    comprehension, set_comprehension, generator_expression, callbacks, callbacks_nested, evals,\n"
	"    decorated, class_bodies, unicode_names, context_managers, exceptions, specialised,\n"
	"    specialised_init, deep, too_deep, after_huge_lines]\n"
	"threading.stack_size(16 << 20)\n"
	"for s in scenarios:\n"
	"    threading.Thread(target=s, daemon=True).start()\n"
	"threading.Thread(target=report, args=(len(scenarios) + 1,), daemon=True).start()\n"
	"def entry_module(x):\n"
	"    park()\n"
	"for i in (1,):\n"
	"    [*map(entry_module, [1])]\n";

/* 50 threads, each of another depth. "new": starts another one, and reports again. */
static const char script_threads[] =
	SCRIPT_PARKING "def dig(n):\n"
		       "    return dig(n - 1) if n else park()\n"
		       "def reporter():\n"
		       "    count = 51\n"
		       "    while True:\n"
		       "        report(count)\n"
		       "        if not sys.stdin.readline(): return\n"
		       "        threading.Thread(target=dig, args=(count,), daemon=True).start()\n"
		       "        count += 1\n"
		       "for i in range(50):\n"
		       "    threading.Thread(target=dig, args=(i,), daemon=True).start()\n"
		       "threading.Thread(target=reporter, daemon=True).start()\n"
		       "park()\n";

/* Parks inside a function made by exec; with the next line of input lets it go, frees its code
 * object, and makes others until one lies at the same address: prints "reused 1" or "reused 0". */
static const char script_reuse[] = SCRIPT_PARKING
	"def make(name):\n"
	"    space = {'park': park}\n"
	"    exec('def %s():\\n    park()\\n' % name, space)\n"
	"    return space[name]\n"
	"def run():\n"
	"    victim = make('victim')\n"
	"    global address\n"
	"    address = id(victim.__code__)\n"
	"    victim()\n"
	"thread = threading.Thread(target=run, daemon=True)\n"
	"thread.start()\n"
	"report(1)\n"
	"sys.stdin.readline()\n"
	"os.write(writable, b'x')\n"
	"thread.join()\n"
	"kept = []\n"
	"for i in range(5000):\n"
	"    kept.append(make('intruder%d' % i))\n"
	"    if id(kept[-1].__code__) == address: break\n"
	"print('reused', int(any(id(f.__code__) == address for f in kept)), flush=True)\n"
	"park()\n";

/* Every code object of some modules, and the line of every instruction:
 *   code <address> <first line> <qualname> <TAB> <file>
 *   line <offset> <line, or 0> */
static const char script_lines[] =
	"import sys, types, argparse, typing, traceback, asyncio.base_events, dataclasses\n"
	"seen = set()\n"
	"def show(code):\n"
	"    if code in seen: return\n"
	"    seen.add(code)\n"
	"    print('code %d %d %s\\t%s' % (id(code), code.co_firstlineno, code.co_qualname, code.co_filename))\n"
	"    for i, (line, *_) in enumerate(code.co_positions()):\n"
	"        print('line', i * 2, line or 0)\n"
	"    for c in code.co_consts:\n"
	"        if isinstance(c, types.CodeType): show(c)\n"
	"def walk(thing):\n"
	"    for v in list(vars(thing).values()):\n"
	"        v = getattr(v, '__func__', v)\n"
	"        if isinstance(v, types.FunctionType): show(v.__code__)\n"
	"        elif isinstance(v, type) and v.__module__ == getattr(thing, '__name__', None): walk(v)\n"
	"for m in (argparse, typing, traceback, asyncio.base_events, dataclasses):\n"
	"    walk(m)\n"
	"print('done', flush=True)\n"
	"sys.stdin.readline()\n";

#endif
