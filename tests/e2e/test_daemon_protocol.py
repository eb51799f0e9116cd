# SPDX-License-Identifier: BSD-2-Clause
"""The daemon's socket in the hands of strangers: schema/protocol.md by raw bytes."""

import array
import contextlib
import json
import os
import random
import socket
import struct
import time
import unittest

from daemons import Daemon
from harness import Target, need_ebpf, wait_until

SEED = 4
HELLO = {"hello": {"protocol": 1, "version": "test"}}


class Client:
    def __init__(self, path, greet=True):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20)
        self.rest = b""
        try:
            self.socket.connect(path)
            if greet:
                self.send(HELLO)
                assert "hello" in self.receive()
        except (OSError, AssertionError):
            self.socket.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, message, fd=None):
        data = message if isinstance(message, bytes) else json.dumps(message).encode() + b"\n"
        if fd is None:
            self.socket.sendall(data)
        else:
            fds = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))]
            self.socket.sendmsg([data], fds)

    def receive(self):
        """The next message; None: the daemon has closed."""
        while b"\n" not in self.rest:
            try:
                data = self.socket.recv(65536)
            except ConnectionResetError:
                return None
            if not data:
                return None
            self.rest += data
        line, self.rest = self.rest.split(b"\n", 1)
        return json.loads(line)

    def ask(self, kind, value=None, number=7, **more):
        self.send({"id": number, kind: {} if value is None else value}, **more)
        return self.receive()


def report_request(**changes):
    members = {
        "since_unix_s": None,
        "until_unix_s": None,
        "pids": [],
        "comms": [],
        "containers": [],
        "users": [],
        "threads": [],
        "by": "function",
        "sort": "self",
        "format": "json",
        "limit": 10,
        "columns": 0,
        "colours": False,
        "kernel": True,
        "store": "",
    }
    return {**members, **changes}


@need_ebpf
class Protocol(unittest.TestCase):
    def setUp(self):
        self.enterContext = contextlib.ExitStack()
        self.addCleanup(self.enterContext.close)
        self.daemon = self.enterContext.enter_context(Daemon("--rate", 99, window=1))

    def client(self, **more):
        return Client(self.daemon.socket, **more)

    def assert_alive(self):
        with self.client() as c:
            self.assertIn("status", c.ask("status"))

    def assert_error(self, answer, *words):
        self.assertIn("error", answer)
        for word in words:
            self.assertIn(word, answer["error"]["text"])

    def test_greeting_and_versions(self):
        with self.client(greet=False) as c:
            self.assert_error(c.ask("status"), "hello")
        with self.client(greet=False) as c:
            c.send({"hello": {"protocol": 99, "version": "9.9"}})
            self.assert_error(c.receive(), "99", "1")

    def test_unknown_malformed_and_oversized(self):
        with self.client() as c:
            self.assert_error(c.ask("dance"))
            c.send(b"no json\n")
            self.assert_error(c.receive())
            c.send(b"[" * 100000 + b"\n")
            self.assert_error(c.receive())
            c.send(b'{"id":1,"status":"' + b"x" * 300000 + b'"}\n')
            self.assert_error(c.receive())
            c.send({"id": 1, "status": {"more": 1}})
            self.assert_error(c.receive())
            self.assertIn("status", c.ask("status"))  # the connection can still be used

    def test_random_bytes(self):
        chance = random.Random(SEED)
        for _ in range(60):
            with self.client(greet=chance.random() < 0.5) as c, contextlib.suppress(OSError):
                c.send(chance.randbytes(chance.randrange(1, 5000)) + b"\n")
        self.assert_alive()

    def test_descriptors_are_not_kept(self):
        before = len(os.listdir(f"/proc/{self.daemon.pid}/fd"))
        with self.client() as c:
            for _ in range(50):
                self.assertIn("status", c.ask("status", fd=1))
        # Fewer than were sent: files that the host's processes map come and go meanwhile.
        self.assertTrue(
            wait_until(lambda: len(os.listdir(f"/proc/{self.daemon.pid}/fd")) < before + 25)
        )

    def test_report_needs_an_output_that_can_be_written(self):
        self.daemon.wait_windows(1)
        with self.client() as c:
            self.assert_error(c.ask("report", report_request()), "descriptor")
        with self.client() as c, open("/dev/null", "rb") as f:
            self.assert_error(c.ask("report", report_request(), fd=f.fileno()), "writing")
        with self.client() as c, open("/dev/full", "wb") as f:
            self.assert_error(c.ask("report", report_request(), fd=f.fileno()), "space")
        with self.client() as c, open("/dev/null", "wb") as f:
            answer = c.ask("report", report_request(store="/etc/passwd"), fd=f.fileno())
            self.assert_error(answer, "own store")
        with self.client() as c, open("/dev/null", "wb") as f:
            self.assertIn("reported", c.ask("report", report_request(), fd=f.fileno()))
            self.assertIsNone(c.receive(), "the connection served its request")

    def test_a_reader_that_stops_reading_holds_nobody_up(self):
        with self.client() as slow:
            slow.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            with contextlib.suppress(OSError):
                slow.socket.settimeout(1)
                for number in range(1, 20000):
                    slow.send({"id": number, "ps": {}})
            started = time.monotonic()
            windows = self.daemon.windows()
            self.assert_alive()
            self.daemon.wait_windows(2)
            self.assertGreater(self.daemon.windows(), windows)
            self.assertLess(time.monotonic() - started, 60)

    def test_a_report_into_a_pipe_that_nobody_reads(self):
        self.daemon.wait_windows(2)
        out, into = os.pipe()
        with self.client() as c, Target("native"):
            self.daemon.wait_windows(1)
            c.send({"id": 1, "report": report_request(format="flamegraph")}, fd=into)
            self.daemon.wait_windows(2)  # the daemon itself goes on
            self.assert_alive()
        os.close(into)
        os.close(out)
        # The worker ends with its client's pipe.
        self.assertTrue(wait_until(lambda: self.workers() == 0))

    def workers(self):
        children = f"/proc/{self.daemon.pid}/task/{self.daemon.pid}/children"
        with open(children, encoding="ascii") as f:
            return len(f.read().split())

    def test_abandoned_recordings_end(self):
        with Target("native") as target:
            request = {
                "pids": [target.pid], "duration_s": None, "rate_hz": 99, "format": "collapsed",
                "subprocesses": False, "threads": False, "kernel": True, "native": True,
                "source": "auto", "on_exec": False, "title": "",
            }
            with self.client() as c, open("/dev/null", "wb") as f:
                self.assertIn("started", c.ask("record", request, fd=f.fileno()))
                self.assertEqual(self.workers(), 1)
            self.assertTrue(wait_until(lambda: self.workers() == 0))
        self.assert_alive()

    def test_too_many_clients_and_recordings(self):
        with contextlib.ExitStack() as stack, Target("native") as target:
            request = {
                "pids": [target.pid], "duration_s": None, "rate_hz": 9, "format": "collapsed",
                "subprocesses": False, "threads": False, "kernel": True, "native": True,
                "source": "auto", "on_exec": False, "title": "",
            }
            f = stack.enter_context(open("/dev/null", "wb"))
            for _ in range(4):
                c = stack.enter_context(self.client())
                self.assertIn("started", c.ask("record", request, fd=f.fileno()))
            c = stack.enter_context(self.client())
            self.assert_error(c.ask("record", request, fd=f.fileno()), "4")
        with contextlib.ExitStack() as stack:
            for _ in range(63):
                stack.enter_context(self.client())
            with contextlib.suppress(OSError):
                for _ in range(4):
                    late = stack.enter_context(self.client(greet=False))
                answer = late.receive()
                self.assert_error(answer, "too many")
        self.assertTrue(wait_until(lambda: self.answers_again(), 20))

    def answers_again(self):
        with contextlib.suppress(OSError, AssertionError, TypeError), self.client() as c:
            return "status" in c.ask("status")
        return False

    def test_live_view_follows_and_stops(self):
        with Target("native") as target, self.client() as c:
            request = {"interval_s": 0.5, "pids": [target.pid], "limit": 20}
            names = set()
            c.send({"id": 3, "live": request})
            for _ in range(4):
                message = c.receive()
                self.assertEqual(message["id"], 3)
                names |= {row["function"] for row in message["live"]["top"]}
            self.assertIn("share_40", names)
            c.send({"id": 3, "stop": {}})
            c.send({"id": 4, "status": {}})
            while "status" not in (message := c.receive()):
                self.assertIn("live", message)
            self.assert_error(c.ask("live", {**request, "pids": [2**22 - 1]}), "no process")

    def test_a_client_that_vanishes_in_the_middle_of_a_line(self):
        for _ in range(20):
            c = self.client()
            c.send(b'{"id":1,"sta')
            c.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            c.socket.close()
        self.assert_alive()


if __name__ == "__main__":
    unittest.main()
