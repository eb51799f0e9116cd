# SPDX-License-Identifier: BSD-2-Clause
"""Truth: bursts of native work below Python functions, about a quarter of the CPU time each; exact
shares are printed. The second argument is the path of libburn.so.

    call_native > [ctypes, libffi] > burn_native                     (symbols of libburn.so)
    call_through > [ctypes, libffi] > burn_through > [libffi] > python_callback
                                                     (Python again, above native frames)
    hash_block > [_hashlib, libcrypto]
    compress_block > [zlib, libz]
"""

import ctypes
import hashlib
import sys
import zlib

from truth import Stop, Truth, clock, ready

CALLBACK = ctypes.CFUNCTYPE(None, ctypes.c_uint64)
library = ctypes.CDLL(sys.argv[2])
library.burn_native.argtypes = [ctypes.c_uint64]
library.burn_through.argtypes = [ctypes.c_uint64, CALLBACK]


def call_native(n):
    library.burn_native(n)


@CALLBACK
def python_callback(n):
    x = n
    for i in range(n):
        x = (x * 31 + i) & 0xFFFF


def call_through(n):
    library.burn_through(n, python_callback)


def hash_block(block):
    return hashlib.sha256(block).digest()


def compress_block(block):
    return zlib.compress(block, 6)


def main():
    stop = Stop()
    truth = Truth()
    noise = truth.random.randbytes(1 << 18)
    text = b" ".join(b"%d" % (i * i) for i in range(20000))
    parts = [
        ("call_native", call_native, lambda r: 50 + r.randrange(1000)),
        ("call_through", call_through, lambda r: 50 + r.randrange(600)),
        ("hash_block", hash_block, lambda r: noise[: 4096 + r.randrange(len(noise) - 4096)]),
        ("compress_block", compress_block, lambda r: text[: 4096 + r.randrange(16384)]),
    ]
    ready()
    truth = Truth()
    while not stop:
        name, function, argument = truth.random.choice(parts)
        value = argument(truth.random)
        start = clock()
        function(value)
        truth.add(name, clock() - start)
    truth.dump()


if __name__ == "__main__":
    main()
