# SPDX-License-Identifier: BSD-2-Clause
"""Watches of a daemon by the raw protocol (schema/protocol.md): the stacks of each interval, of the
daemon's own samples or with a rate of one's own in a worker."""

import collections
import contextlib
import errno
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

import harness
from daemons import Daemon
from harness import SCRIPTS, TARGETS, Target, need_ebpf, wait_until
from test_daemon_protocol import Client

ALICE, BOB = 12347, 12348  # numbers that need no entry in any file
RATE = 199
PROCESS, THREAD, PYTHON = 1, 2, 3
DEADLINE_S = 60

# 150 threads that all want the interpreter, and a main thread that waits.
CROWD = """
import threading
go = threading.Event()  # while others burn, starting one takes long
def burn():
    go.wait()
    while True:
        sum(range(2000))
threads = [threading.Thread(target=burn, daemon=True) for _ in range(150)]
for t in threads: t.start()
go.set()
print("READY", flush=True)
threads[0].join()
"""

# Forks when it is told to; the child alone burns.
PARENT = """
import os, sys
def child_burn():
    while True:
        sum(range(2000))
print("READY", flush=True)
sys.stdin.readline()
if os.fork() == 0:
    child_burn()
os.wait()
"""


def watch_request(**changes):
    members = {
        "interval_s": 0.25,
        "pids": [],
        "comms": [],
        "containers": [],
        "users": [],
        "rate_hz": None,
        "subprocesses": False,
        "kernel": True,
        "native": True,
        "on_exec": False,
        "store": "",
    }
    return {**members, **changes}


Frame = collections.namedtuple("Frame", "kind name file line module")


class Interval:
    """What one interval held: {stack as a tuple of frames: samples} and the numbers beside it."""

    def __init__(self, numbers, stacks):
        self.__dict__.update(numbers)
        self.stacks = stacks

    def processes(self):
        return {stack[0].line for stack in self.stacks}

    def count(self, wanted):
        return sum(n for stack, n in self.stacks.items() if wanted(stack))

    def with_function(self, name):
        return self.count(lambda stack: any(f.name == name for f in stack[2:]))


class Watch:
    """A watch on a connection of its own. Every message is checked against the protocol's rules:
    numbers that were told, parents before children, nodes once an interval, sums that are right."""

    def __init__(self, client, number=5, **request):
        self.client = client
        self.number = number
        self.forget()
        self.processes = {}
        self.client.send({"id": number, "watch": watch_request(**request)})
        self.answer = client.receive()
        self.started = (self.answer or {}).get("started")

    def forget(self):
        self.strings, self.frames, self.nodes = [""], [None], [()]

    def take(self, message):
        """The news of one message: [(stack, samples, weight)]."""
        w = message["watch"]
        if w["reset"]:
            self.forget()
        self.strings += w["strings"]
        frames, nodes, counts, told = (w[k] for k in ("frames", "nodes", "counts", "processes"))
        for i in range(0, len(frames), 5):
            kind, name, file, line, module = frames[i : i + 5]
            s = self.strings
            self.frames.append(Frame(kind, s[name], s[file], line, s[module]))
        for i in range(0, len(nodes), 2):
            self.nodes.append(self.nodes[nodes[i]] + (self.frames[nodes[i + 1]],))
        for i in range(0, len(told), 8):
            pid, comm, user, container, python, threads, ended, gil = told[i : i + 8]
            s = self.strings
            self.processes[pid] = {
                "comm": s[comm], "user": s[user], "container": s[container], "python": s[python],
                "threads": threads, "ended": bool(ended), "gil": gil / 1000,
            }
        return [(self.nodes[counts[i]], *counts[i + 1 : i + 3]) for i in range(0, len(counts), 3)]

    def interval(self):
        stacks, more = {}, True
        while more:
            message = self.client.receive()
            assert message is not None, "the daemon has closed the connection"
            assert message["id"] == self.number and "watch" in message, message
            for stack, samples, weight in self.take(message):
                assert stack not in stacks and samples > 0 and weight > 0, (stack, samples, weight)
                assert (stack[0].kind, stack[1].kind) == (PROCESS, THREAD), stack
                stacks[stack] = samples
            more = message["watch"]["more"]
        numbers = message["watch"]["interval"]
        assert sum(stacks.values()) == numbers["samples"], numbers
        return Interval(numbers, stacks)

    def until(self, condition, what="it"):
        """Intervals until the condition holds of all of them together: [interval, ...]"""
        seen, end = [], time.monotonic() + DEADLINE_S
        while time.monotonic() < end:
            seen.append(self.interval())
            if condition(seen):
                return seen
            if seen[-1].last:
                break
        told = str(self.processes)[:2000], sum(i.samples for i in seen), len(seen)
        raise AssertionError(f"{what} did not come true: {told}")

    def until_function(self, name, samples=10):
        return self.until(lambda seen: sum(i.with_function(name) for i in seen) >= samples, name)


@need_ebpf
class Case(unittest.TestCase):
    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.daemon = self.stack.enter_context(Daemon("--rate", RATE, window=1))

    def client(self, uid=0):
        """The kernel tells the daemon as whom a client has connected."""
        groups = os.getgroups()
        if uid:
            os.setgroups([])
            os.setegid(uid)
            os.seteuid(uid)
        try:
            return self.stack.enter_context(Client(self.daemon.socket))
        finally:
            os.seteuid(0)
            os.setegid(0)
            os.setgroups(groups)

    def watch(self, uid=0, **request):
        watch = Watch(self.client(uid), **request)
        self.assertIsNotNone(watch.started, watch.answer)
        return watch

    def target(self, name, *args, **more):
        return self.stack.enter_context(Target(name, *args, **more))

    def python(self):
        return harness.need_any_python()

    def start(self, *argv, uid=0, stdin=subprocess.DEVNULL):
        """Any program that prints READY."""
        process = subprocess.Popen(
            list(map(str, argv)),
            stdin=stdin,
            stdout=subprocess.PIPE,
            text=True,
            user=uid,
            group=uid,
            extra_groups=[],
            start_new_session=True,
            preexec_fn=harness.die_with_parent,
        )
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(lambda: os.killpg(process.pid, signal.SIGKILL))
        if process.stdin:
            self.addCleanup(process.stdin.close)
        return process

    def ready(self, process):
        self.assertTrue(process.stdout.readline().startswith("READY"))
        return process

    def shared_copy(self, name, called=None):
        """A target that any user may run."""
        folder = tempfile.mkdtemp(prefix="profd-watch-")
        os.chmod(folder, 0o755)
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        return shutil.copy(TARGETS / name, f"{folder}/{called or name}")

    def assert_error(self, answer, *words):
        self.assertIn("error", answer)
        for word in words:
            self.assertIn(word, answer["error"]["text"])

    def workers(self):
        children = f"/proc/{self.daemon.pid}/task/{self.daemon.pid}/children"
        return len(pathlib.Path(children).read_text().split())


class Shared(Case):
    """Of the samples that the daemon takes anyhow."""

    def test_a_python_function_with_its_process_and_thread(self):
        target = self.target("pythreads.py", python=self.python())
        watch = self.watch(pids=[target.pid])
        self.assertEqual(watch.started["pids"], [target.pid])
        self.assertIn(f"({target.pid})", watch.started["title"])
        seen = watch.until_function("blue_work", 20)
        for interval in seen:
            self.assertLessEqual(interval.processes(), {target.pid})
            self.assertTrue(interval.shared)
            self.assertFalse(interval.last)
            self.assertEqual(interval.rate_hz, RATE)
            self.assertEqual(interval.cpus, os.cpu_count())
        stacks = [s for i in seen for s in i.stacks if any(f.name == "blue_work" for f in s)]
        for stack in stacks:
            self.assertEqual(stack[0].name, watch.processes[target.pid]["comm"])
            frame = next(f for f in stack if f.name == "blue_work")
            self.assertEqual(frame.kind, PYTHON)
            self.assertEqual(frame.file, str(SCRIPTS / "pythreads.py"))
        tids = {int(t) for t in os.listdir(f"/proc/{target.pid}/task")}
        self.assertLessEqual({stack[1].line for stack in stacks}, tids)
        self.assertEqual(len({stack[1].line for stack in stacks}), 1, "one thread does blue work")
        told = watch.processes[target.pid]
        self.assertEqual((told["user"], told["threads"]), ("root", 4))
        version, _ = harness.ask_version(self.python())
        self.assertTrue(told["python"].startswith(f"{version}."), told)
        self.assertEqual(self.workers(), 0, "the daemon itself has answered")

    def test_names_outlive_the_windows(self):
        """The interval is longer than the daemon's windows; after each of them names are let go."""
        target = self.target("threads")
        watch = self.watch(pids=[target.pid], interval_s=3)
        interval = watch.interval()
        blue = [s for s in interval.stacks if any(f.name == "blue_work" for f in s)]
        names = {(s[0].name, s[1].name) for s in blue}
        self.assertEqual(names, {("threads", "blue")})
        self.assertGreater(interval.with_function("blue_work"), RATE // 10)
        self.assertGreater(interval.interval_s, 2.9)

    def test_filters(self):
        one, two = (f"{word}-{os.getpid()}" for word in ("one", "two"))  # nobody else's names
        first, second = (self.shared_copy("native", called=name) for name in (one, two))
        mine, others = self.ready(self.start(first, 60)), self.ready(self.start(second, 60))
        alices = self.ready(self.start(first, 60, uid=ALICE))
        anyone = self.watch(pids=[mine.pid])
        anyone.interval()
        here = anyone.processes[mine.pid]["container"] or "host"
        cases = [
            ({"comms": [one]}, {mine.pid, alices.pid}),
            ({"comms": [one, two], "users": ["root"]}, {mine.pid, others.pid}),
            ({"comms": [one], "users": [str(ALICE)]}, {alices.pid}),
            ({"comms": [one], "containers": [here]}, {mine.pid, alices.pid}),
            ({"comms": [one], "containers": ["0123456789ab"]}, set()),
            ({"pids": [mine.pid, others.pid], "comms": [two]}, {others.pid}),
            ({"comms": [one[:-1]]}, set()),
        ]
        for request, wanted in cases:
            watch = self.watch(**request)
            if wanted:
                seen = watch.until(
                    lambda all, wanted=wanted: wanted <= set().union(*(i.processes() for i in all)),
                    request,
                )
            else:
                seen = [watch.interval() for _ in range(4)]
            found = set().union(*(i.processes() for i in seen))
            self.assertEqual(found, wanted, request)
            watch.client.socket.close()

    def test_a_user_sees_their_own_only(self):
        path = self.shared_copy("native")
        mine, theirs = (self.ready(self.start(path, 60, uid=u)) for u in (ALICE, BOB))
        ours = self.watch()  # root, who sees both
        watch = self.watch(uid=ALICE)
        seen = watch.until_function("share_40", 20)
        self.assertEqual(set().union(*(i.processes() for i in seen)), {mine.pid})
        self.assertEqual(set(watch.processes), {mine.pid})
        self.assertEqual(watch.processes[mine.pid]["user"], str(ALICE))
        ours.until(lambda all: {mine.pid, theirs.pid} <= set(ours.processes))
        for pid in (theirs.pid, 1, self.daemon.pid):
            for rate in (None, 99):
                refused = Watch(self.client(ALICE), pids=[pid], rate_hz=rate)
                self.assert_error(refused.answer, f"process {pid}")
                self.assertEqual(refused.answer["error"]["code"], errno.EPERM, refused.answer)

    def test_a_process_that_ends_is_told(self):
        first, second = self.target("native"), self.target("threads")
        watch = self.watch(pids=[first.pid, second.pid])
        everybody = self.watch(comms=["native", "threads"])
        watch.until_function("share_40")
        everybody.until_function("share_40")
        first.stop()
        seen = watch.until(lambda _: watch.processes[first.pid]["ended"])
        self.assertFalse(watch.processes[second.pid]["ended"])
        self.assertFalse(seen[-1].last)
        everybody.until(lambda _: everybody.processes[first.pid]["ended"])
        second.stop()
        seen = watch.until(lambda all: all[-1].last)
        self.assertTrue(watch.processes[second.pid]["ended"])
        # The connection is there for more.
        self.assertIn("status", watch.client.ask("status"))
        self.assertFalse(everybody.interval().last)

    def test_children_belong_to_it_where_asked_for(self):
        outer = self.ready(
            self.start(self.python(), "-c", PARENT, stdin=subprocess.PIPE)
        )
        alone, family = (self.watch(pids=[outer.pid], subprocesses=s) for s in (False, True))
        outer.stdin.write("\n")
        outer.stdin.flush()
        seen = family.until_function("child_burn")
        child = max(set().union(*(i.processes() for i in seen)))
        self.assertNotEqual(child, outer.pid)
        self.assertEqual(set(family.processes), {outer.pid, child})
        self.assertEqual(sum(alone.interval().with_function("child_burn") for _ in range(4)), 0)

    def test_the_gil(self):
        target = self.target("chains.py", python=self.python())
        watch = self.watch(pids=[target.pid], interval_s=1)
        watch.until(lambda _: watch.processes[target.pid]["gil"] > 0.5, "GIL held")

    def test_a_slow_reader_loses_nothing(self):
        target = self.target("native")
        watch = self.watch(pids=[target.pid])
        watch.client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        watch.until_function("share_40")
        # More than the socket takes, less than may wait; and then windows come and go.
        for number in range(100, 1000):
            watch.client.send({"id": number, "status": {}})
        before = self.daemon.windows()
        self.daemon.wait_windows(4)
        self.assertGreater(self.daemon.windows(), before)
        # All that was queued is read, and then one long interval comes.
        longest = Interval({"interval_s": 0.0}, {})
        while longest.interval_s < 2:
            message = watch.client.receive()
            self.assertIsNotNone(message, "the daemon has let us go")
            if "watch" not in message:
                continue
            stacks = {s: n for s, n, _ in watch.take(message)}
            while message["watch"]["more"]:
                message = watch.client.receive()
                stacks.update({s: n for s, n, _ in watch.take(message)})
            longest = Interval(message["watch"]["interval"], stacks)
        self.assertEqual(sum(longest.stacks.values()), longest.samples)
        self.assertEqual(longest.lost, 0)
        self.assertEqual(longest.processes(), {target.pid})
        self.assertGreater(longest.with_function("share_40"), 0)
        # native burns all the time but for short sleeps, on whatever part of a CPU it gets.
        self.assertGreater(longest.samples, 20)
        self.assertEqual({s[0].name for s in longest.stacks}, {"native"})

    def test_one_view_a_connection_and_stop(self):
        target = self.target("native")
        watch = self.watch(pids=[target.pid])
        for kind, request in (
            ("watch", watch_request()),
            ("watch", watch_request(rate_hz=99)),
            ("live", {"interval_s": 1, "pids": [], "limit": 9}),
        ):
            watch.client.send({"id": 8, kind: request})
            while "error" not in (message := watch.client.receive()):
                self.assertEqual(message["id"], 5)
            self.assertEqual((message["id"], message["error"]["code"]), (8, errno.EBUSY))
        watch.client.send({"id": 5, "stop": {}})
        watch.client.send({"id": 9, "status": {}})
        while "status" not in (message := watch.client.receive()):
            self.assertIn("watch", message)
        again = Watch(watch.client, number=10, pids=[target.pid])
        self.assertIsNotNone(again.started, again.answer)
        again.until_function("share_40")

    def test_why_there_is_nothing_to_see(self):
        watch = self.watch()
        self.assertIsNone(watch.started["note"])
        watch.client.socket.close()
        self.daemon.run("pause")
        target = self.target("native")
        watch = self.watch(pids=[target.pid])
        self.assertIn("profd resume", watch.started["note"])
        self.assertEqual(sum(watch.interval().samples for _ in range(3)), 0)
        self.daemon.run("resume")
        watch.until_function("share_40")
        with Daemon("--rate", RATE, window=1, config="name = native\n") as chosen:
            with Client(chosen.socket) as c:
                watch = Watch(c)
                self.assertIn("only name native", watch.started["note"])
                watch.until_function("share_40")

    def test_what_is_refused(self):
        cases = [
            ({"pids": [2**22 - 1]}, "no process"),
            ({"pids": [2**22 - 1], "rate_hz": 99}, "no process"),
            ({"store": "/etc/passwd"}, "files"),
            ({"store": "/etc/passwd", "rate_hz": 99}, "files"),
            ({"on_exec": True, "pids": [os.getpid()]}, "on_exec"),
        ]
        for request, word in cases:
            self.assert_error(Watch(self.client(), **request).answer, word)
        refused = Watch(self.client(ALICE), rate_hz=5000)
        self.assertEqual(refused.answer["error"]["code"], errno.EPERM, refused.answer)
        self.assertIn("status", self.client().ask("status"))

    def test_ps_has_the_busiest_first(self):
        target = self.target("native")

        def is_busy():
            return any(p["samples"] and p["pid"] == target.pid for p in self.daemon.ps())

        self.assertTrue(wait_until(is_busy))
        samples = [p["samples"] for p in self.client().ask("ps")["ps"]["processes"]]
        self.assertEqual(samples, sorted(samples, reverse=True))
        self.assertGreater(samples[0], 0)


class OwnRate(Case):
    """With samples of its own, in a worker."""

    def test_a_rate_of_its_own(self):
        target = self.target("pythreads.py", python=self.python())
        watch = self.watch(pids=[target.pid], rate_hz=997)
        self.assertEqual(self.workers(), 1)
        seen = watch.until_function("blue_work", 50)
        for interval in seen:
            self.assertFalse(interval.shared)
            self.assertEqual(interval.rate_hz, 997)
            self.assertLessEqual(interval.processes(), {target.pid})
            self.assertGreaterEqual(interval.cpu_percent, 0)
        self.assertEqual(watch.processes[target.pid]["threads"], 4)
        target.stop()
        watch.until(lambda all: all[-1].last)
        self.assertTrue(watch.processes[target.pid]["ended"])
        self.assertIsNone(watch.client.receive(), "the connection has served its request")
        self.assertTrue(wait_until(lambda: self.workers() == 0))

    def test_stop_and_abandon(self):
        target = self.target("native")
        for leave in (lambda c: c.send({"id": 5, "stop": {}}), lambda c: c.socket.close()):
            watch = self.watch(pids=[target.pid], rate_hz=99)
            watch.until_function("share_40")
            self.assertEqual(self.workers(), 1)
            leave(watch.client)
            self.assertTrue(wait_until(lambda: self.workers() == 0))
        self.assertIsNone(target.process.poll())

    def test_the_whole_host_of_one_user(self):
        path = self.shared_copy("native")
        mine, theirs = (self.ready(self.start(path, 60, uid=u)) for u in (ALICE, BOB))
        watch = self.watch(uid=ALICE, rate_hz=499)
        seen = watch.until_function("share_40", 50)
        self.assertEqual(set().union(*(i.processes() for i in seen)), {mine.pid})
        self.assertEqual(set(watch.processes), {mine.pid})
        everybody = self.watch(rate_hz=499, comms=["native"])
        everybody.until(lambda _: {mine.pid, theirs.pid} <= set(everybody.processes))

    def test_from_the_exec_on(self):
        script = 'echo READY; read line; exec "$0" 60'
        target = self.ready(
            self.start("/bin/sh", "-c", script, TARGETS / "native", stdin=subprocess.PIPE)
        )
        watch = self.watch(pids=[target.pid], rate_hz=499, on_exec=True)
        target.stdin.write("\n")
        target.stdin.flush()
        seen = watch.until_function("share_40", 50)
        names = {stack[0].name for i in seen for stack in i.stacks}
        self.assertEqual(names, {"native"}, "nothing of the shell")
        self.assertEqual(watch.processes[target.pid]["comm"], "native")
        first = next(i for i in seen if i.samples)
        self.assertTrue(any("_start" in f.name or "dl" in f.name or f.name == "main"
                            for s in first.stacks for f in s), first.stacks)

    def test_children_are_followed(self):
        target = self.target("forking")
        watch = self.watch(pids=[target.pid], rate_hz=499, subprocesses=True)
        watch.until(
            lambda all: all[-1].with_function("second_child_work")
            and sum(i.with_function("short_child_work") for i in all) > 5
            and sum(i.with_function("parent_work") for i in all) > 5
        )
        self.assertTrue(any(p["ended"] for p in watch.processes.values()), watch.processes)
        alone = self.watch(pids=[target.pid], rate_hz=499)
        seen = alone.until_function("parent_work", 20)
        self.assertEqual(set().union(*(i.processes() for i in seen)), {target.pid})

    def test_a_program_with_other_rights_below_ones_own_is_not_shown(self):
        """As sudo: a set-uid program that a user starts is not theirs to look into."""
        secret = self.shared_copy("native")
        os.chown(secret, BOB, BOB)
        os.chmod(secret, 0o4755)
        script = f"{secret} 60 & while :; do :; done"
        outer = self.ready(self.start("/bin/sh", "-c", script, uid=ALICE))
        for rate in (None, 499):
            watch = self.watch(uid=ALICE, pids=[outer.pid], rate_hz=rate, subprocesses=True)
            seen = watch.until(lambda all: sum(i.samples for i in all) > 50)
            self.assertEqual(set(watch.processes), {outer.pid})
            self.assertEqual(set().union(*(i.processes() for i in seen)), {outer.pid})
        watch = self.watch(pids=[outer.pid], subprocesses=True)  # root's own
        watch.until_function("share_40")

    def test_150_threads(self):
        target = self.ready(self.start(self.python(), "-c", CROWD))
        watch = self.watch(pids=[target.pid], rate_hz=997, interval_s=1)
        seen = watch.until(
            lambda all: len({s[1].line for i in all for s in i.stacks}) >= 140, "threads"
        )
        self.assertEqual(watch.processes[target.pid]["threads"], 151)
        self.assertGreater(sum(i.with_function("burn") for i in seen), 100)
        tids = {int(t) for t in os.listdir(f"/proc/{target.pid}/task")}
        self.assertLessEqual({s[1].line for i in seen for s in i.stacks}, tids)

    def test_python_alone(self):
        target = self.target("pythreads.py", python=self.python())
        watch = self.watch(pids=[target.pid], rate_hz=499, native=False, kernel=False)
        seen = watch.until_function("blue_work", 20)
        kinds = {f.kind for i in seen for s in i.stacks for f in s[2:]}
        self.assertLessEqual(kinds, {PYTHON, 8})


@need_ebpf
class Namespaces(unittest.TestCase):
    def test_a_client_in_a_container_speaks_of_its_own_pids(self):
        probe = subprocess.run(
            ["unshare", "--pid", "--fork", "--mount-proc", "true"], capture_output=True, text=True
        )
        if probe.returncode:  # in a plain chroot the root is no mount point
            self.skipTest(f"no PID namespace with a /proc of its own: {probe.stderr.strip()}")
        with Daemon("--rate", RATE, window=1) as daemon, Target("native") as outside:
            for rate in ("None", "499"):
                script = (
                    "import subprocess, sys; sys.path.insert(0, sys.argv[1])\n"
                    "from test_watch import *\n"
                    f"with Target('threads') as t, Client({daemon.socket!r}) as c:\n"
                    f"    watch = Watch(c, rate_hz={rate})\n"
                    "    seen = watch.until_function('blue_work', 20)\n"
                    "    assert t.pid < 100, t.pid\n"
                    "    assert t.pid in watch.processes, watch.processes\n"
                    "    found = [s for i in seen for s in i.stacks if s[0].name == 'threads']\n"
                    "    assert {s[0].line for s in found} == {t.pid}, found\n"
                    "    import os\n"
                    "    tids = {int(n) for n in os.listdir(f'/proc/{t.pid}/task')}\n"
                    "    assert {s[1].line for s in found} <= tids, (found, tids)\n"
                    "    assert 'native' not in {s[0].name for i in seen for s in i.stacks}\n"
                    f"    refused = Watch(Client({daemon.socket!r}), pids=[{outside.pid}])\n"
                    "    assert 'no process' in refused.answer['error']['text'], refused.answer\n"
                    "print('fine')\n"
                )
                argv = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
                done = subprocess.run(
                    [*argv, sys.executable, "-c", script, str(pathlib.Path(__file__).parent)],
                    capture_output=True,
                    text=True,
                    timeout=120,
                )
                self.assertEqual(done.stdout, "fine\n", done.stderr)


if __name__ == "__main__":
    unittest.main()
