# SPDX-License-Identifier: BSD-2-Clause
"""profd top in a real terminal: keys are pressed, and what stands on the screen is read."""

import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

import harness
from daemons import Daemon
from harness import (
    PROFD,
    SCRIPTS,
    Target,
    need_ebpf,
    need_any_python,
    on_cpu_s,
    parse_collapsed,
    record,
    share_bound,
    wait_until,
)
from terminals import Terminal, need_tmux

BLOCKS = "▁▂▃▄▅▆▇█"
COLOUR = re.compile(r"\x1b\[(?:\d+;)*(?:3[0-7]|4[0-7]|9[0-7]|38;5;\d+|48;5;\d+)(?:;\d+)*m")
ROW = re.compile(r"^ *\d+\.\d +\d+\.\d ")


PYTHON_ONLY = ("--no-native", "--no-kernel")  # few rows: what is looked for is on the screen


@contextlib.contextmanager
def top(*words, only=PYTHON_ONLY, **more):
    """profd top on a private engine, with pictures fast enough for a test."""
    with Terminal("top", "--socket", "none", "--delay", "0.3", *only, *words, **more) as terminal:
        yield terminal


def rows(screen):
    return [line for line in screen.splitlines() if ROW.match(line)]


def has_rows(screen):
    return len(rows(screen)) > 0


def last_has_keys(screen):
    return "q Quit" in screen.splitlines()[-1]


def samples(screen):
    return int(re.search(r"([\d,]+) samples?", screen).group(1).replace(",", ""))


def shares_target():
    return Target("shares.py", python=need_any_python(), seconds=120)


@need_tmux
@need_ebpf
class Views(unittest.TestCase):
    def test_every_view_at_80x24(self):
        with shares_target() as target, top("--pid", target.pid) as terminal:
            screen = terminal.wait(lambda s: has_rows(s) and "recurse" in s)
            self.assertIn("[Functions]", screen)
            self.assertIn(f"({target.pid})", screen.splitlines()[0])
            self.assertRegex(screen, r"99 Hz, [\d,]+ samples")
            self.assertRegex(screen, r"1 process, 1 thread\b")
            self.assertRegex(screen, r"profd itself \d+\.\d %")
            self.assertRegex(screen, r"recurse \(.*shares\.py:\d+\)")
            self.assertTrue(any(c in screen for c in BLOCKS), screen)
            self.assertEqual(len(screen.splitlines()), 24)
            for key, tab, wanted in (
                ("Tab", "[Lines]", r"recurse \(.*shares\.py:10[3-6]\)"),
                ("p", "[Processes]", rf"100\.0.*\({target.pid}\)"),
                ("t", "[Threads]", rf"100\.0.*\({target.pid}\)"),
                ("c", "[Tree]", r"100\.0.* ▾ "),
                ("F2", "[Functions]", r"recurse"),
                ("F6", "[Tree]", r"CALL TREE"),
                ("F3", "[Lines]", r"LINE"),
                ("BTab", "[Functions]", r"FUNCTION"),
            ):
                terminal.press(key)
                terminal.wait(tab)
                terminal.wait_match(wanted)
            self.assertEqual(terminal.end("q"), 0)

    def test_a_large_screen_and_resizes(self):
        with shares_target() as target, top("--pid", target.pid, columns=200, lines=60) as terminal:
            screen = terminal.wait(lambda s: "key_function" in s)
            for head in ("SAMPLES", "FILE:LINE", "KIND", "PROCESS"):
                self.assertIn(head, screen)
            row = rf"key_function .*shares\.py:\d+ +python +\S+ \({target.pid}\)"
            self.assertRegex(screen, row)
            terminal.resize(80, 24)
            screen = terminal.wait(lambda s: "KIND" not in s and has_rows(s) and last_has_keys(s))
            self.assertLessEqual(max(map(len, screen.splitlines())), 80)
            self.assertEqual(len(screen.splitlines()), 24)
            terminal.resize(20, 5)
            terminal.wait("too small")
            terminal.resize(30, 8)
            terminal.wait(lambda s: "SELF%" in s and has_rows(s))
            terminal.resize(132, 40)
            screen = terminal.wait(lambda s: "KIND" in s and has_rows(s) and last_has_keys(s))
            self.assertEqual(len(screen.splitlines()), 40)
            self.assertEqual(terminal.end("C-c"), 0)

    def test_orders(self):
        with shares_target() as target, top("--pid", target.pid) as terminal:
            terminal.wait(lambda s: "▼SELF%" in s and "recurse" in s)
            terminal.press("Space")  # so that the rows stay as they are
            terminal.wait("PAUSED")
            keys = (("2", "▼TOTAL%"), ("1", "▼SELF%"), (">", "▼TOTAL%"), ("i", "▲TOTAL%"))
            for key, head in keys:
                terminal.press(key)
                screen = terminal.wait(head)
                column = 0 if "SELF" in head else 1
                shares = [float(row.split()[column]) for row in rows(screen)]
                self.assertEqual(shares, sorted(shares, reverse="▼" in head), screen)
            terminal.press("4")
            screen = terminal.wait("FUNCTION▼")
            names = [re.sub(rf"[{BLOCKS}]", " ", row[23:]).strip() for row in rows(screen)]
            self.assertEqual(names, sorted(names), screen)
            self.assertEqual(terminal.end("q"), 0)

    def test_filter(self):
        with shares_target() as target, top("--pid", target.pid) as terminal:
            terminal.wait("recurse")
            terminal.press("/")
            terminal.wait("Filter (regex):")
            terminal.type("reduc|recurs")
            screen = terminal.wait(lambda s: has_rows(s) and "key_function" not in s)
            self.assertTrue(all(re.search("reduc|recurs", row) for row in rows(screen)), screen)
            terminal.type("(")  # half of a pattern: the rows stay, and why is said
            screen = terminal.wait_match(r"Filter \(regex\): reduc\|recurs\(  \S+").string
            self.assertTrue(has_rows(screen))
            terminal.press("BSpace", "Enter")
            screen = terminal.wait("q Quit")
            self.assertIn("filter reduc|recurs", screen)
            terminal.press("/", "C-u")
            terminal.type("no such thing")
            terminal.wait("nothing matches the filter")
            terminal.press("Enter", "Escape")
            terminal.wait(lambda s: "key_function" in s and "filter" not in s)
            self.assertEqual(terminal.end("q"), 0)

    def test_callers_and_callees(self):
        with shares_target() as target:
            with top("--pid", target.pid, "--filter", "^key_function$") as terminal:
                terminal.wait(lambda s: has_rows(s) and "key_function" in s)
                terminal.press("Enter")
                terminal.wait("callers of key_function")
                terminal.press("Escape", "/", "C-u", "Enter")
                terminal.wait(lambda s: "filter" not in s and has_rows(s))
            # Wide enough for whole names.
            with top("--pid", target.pid, columns=160, lines=40) as terminal:
                terminal.wait("key_function")
                terminal.press("Down", "Down", "Enter")
                focus = terminal.wait_match(r"callers of (\S+)").group(1)
                terminal.wait_match(rf"itself +{re.escape(focus)}")
                terminal.wait_match(r"caller +\S+")
                terminal.press("Home", "Enter")  # its caller
                terminal.wait(lambda s: "callers of" in s and f"callers of {focus}" not in s)
                terminal.press("BSpace")
                terminal.wait(f"callers of {focus}")
                terminal.press("Escape")
                terminal.wait_gone("callers of")
                self.assertEqual(terminal.end("q"), 0)

    def test_the_tree_unfolds(self):
        with shares_target() as target:
            with top("--pid", target.pid, "--view", "tree") as terminal:
                terminal.wait_match(r"▾ .*<module>")
                terminal.press("Home", "Left")
                terminal.wait(lambda s: "▸ <module>" in s and len(rows(s)) == 1)
                terminal.press("Right")
                terminal.wait(lambda s: "▾ <module>" in s and " main " in s)
                terminal.press("*")
                terminal.wait(lambda s: "consume_generator" in s and "▸" not in s)
                terminal.press("Enter")
                terminal.wait(lambda s: "▸ <module>" in s and len(rows(s)) == 1)
                self.assertEqual(terminal.end("q"), 0)

    def test_help(self):
        with shares_target() as target, top("--pid", target.pid) as terminal:
            terminal.wait(has_rows)
            for key in ("h", "?", "F1"):
                terminal.press(key)
                terminal.wait("turn the order round")
                terminal.press("Down", "Down", "Down", "Down", "Down", "Down")
                terminal.wait("q, Ctrl-C, F10")
                terminal.press("q")  # goes back
                terminal.wait(has_rows)
            self.assertEqual(terminal.end("F10"), 0)


@need_tmux
@need_ebpf
class Sampling(unittest.TestCase):
    def test_pause_and_reset(self):
        with shares_target() as target, top("--pid", target.pid) as terminal:
            terminal.wait(lambda s: has_rows(s) and samples(s) > 50)
            terminal.press("Space")
            before = samples(terminal.wait("PAUSED"))
            used = on_cpu_s(target.pid)
            self.assertTrue(wait_until(lambda: on_cpu_s(target.pid) > used + 1))
            self.assertEqual(samples(terminal.screen()), before)
            terminal.press("Space")  # what was gathered meanwhile is there
            screen = terminal.wait(lambda s: "PAUSED" not in s and samples(s) > before + 50)
            before = samples(screen)
            terminal.press("r")
            terminal.wait(lambda s: samples(s) < before)
            terminal.wait(lambda s: has_rows(s) and samples(s) > 10)
            self.assertEqual(terminal.end("q"), 0)

    def test_rate(self):
        with shares_target() as target, top("--pid", target.pid) as terminal:
            before = samples(terminal.wait(lambda s: has_rows(s) and samples(s) > 30))
            terminal.press("+")
            screen = terminal.wait("199 Hz, ")
            self.assertGreaterEqual(samples(screen), before)  # what was seen stays
            terminal.press("+")
            terminal.wait("499 Hz, ")
            terminal.press("-")
            terminal.wait("199 Hz, ")
            terminal.wait(has_rows)
            self.assertEqual(terminal.end("q"), 0)

    def test_delay_and_span(self):
        with shares_target() as target, top("--pid", target.pid) as terminal:
            terminal.wait(lambda s: has_rows(s) and samples(s) > 30)
            terminal.press("d")
            terminal.wait("Seconds between")
            terminal.type("soon")
            terminal.press("Enter")
            terminal.wait("a number from")
            terminal.press("C-u")
            terminal.type("0.2")
            terminal.press("Enter")
            before = samples(terminal.wait("q Quit"))
            terminal.wait(lambda s: samples(s) > before + 30)
            terminal.press("e")
            terminal.wait("last 60 s")
            terminal.press("e")
            terminal.wait("last 10 s")
            terminal.press("e")
            terminal.wait_gone("last 10 s")
            self.assertEqual(terminal.end("q"), 0)

    def test_a_process_that_ends(self):
        with shares_target() as target, top("--pid", target.pid) as terminal:
            terminal.wait("recurse")
            target.process.terminate()
            screen = terminal.wait("ENDED")
            self.assertTrue(has_rows(screen))
            terminal.press("p")
            terminal.wait(f"({target.pid}) (ended)")
            terminal.press("+")  # nothing to sample any more
            terminal.wait("have ended")
            self.assertEqual(terminal.end("q"), 0)

    def test_one_of_two_processes_ends(self):
        with shares_target() as first, shares_target() as second:
            with top("--pid", f"{first.pid},{second.pid}", "--view", "processes") as terminal:
                terminal.wait(lambda s: f"({first.pid})" in s and f"({second.pid})" in s)
                first.process.terminate()
                screen = terminal.wait(f"({first.pid}) (ended)")
                self.assertIn("1 ended", screen)
                self.assertNotIn("ENDED", screen)
                # Only the other one, by Enter.
                terminal.press("/")
                terminal.type(str(second.pid))
                terminal.press("Enter")
                terminal.wait(lambda s: len(rows(s)) == 1)
                terminal.press("Enter")
                screen = terminal.wait(lambda s: "[Functions]" in s and "recurse" in s)
                self.assertIn(f"\\({second.pid}\\)$", screen)
                self.assertEqual(terminal.end("q"), 0)

    def test_an_end_by_itself(self):
        """After --duration; what was said meanwhile comes then."""
        with shares_target() as target:
            options = ["--duration", "1", "--verbose"]
            with top("--pid", target.pid, *options, lines=200) as terminal:
                self.assertEqual(terminal.end(), 0)
                terminal.wait("sampling with a private engine")

    def test_no_such_process(self):
        with top("--pid", 4194303) as terminal:
            self.assertEqual(terminal.end(), 1)
            terminal.wait("4194303")

    def test_150_threads(self):
        with Target("crowd.py", 150, python=need_any_python(), seconds=120) as target:
            with top("--pid", target.pid, "--view", "threads", columns=200, lines=60) as terminal:
                # Those that have been on a CPU; the main thread is one more.
                screen = terminal.wait(lambda s: len(rows(s)) > 50, 60)
                self.assertRegex(screen, r"1 process, 151 threads")
                pids = re.findall(r"\((\d+)\) +\S+ \((\d+)\)$", screen, re.M)
                self.assertGreater(len({tid for tid, _ in pids}), 50)
                self.assertEqual({pid for _, pid in pids}, {str(target.pid)})
                terminal.press("End")
                terminal.wait(lambda s: has_rows(s))
                terminal.press("f")
                terminal.wait("crowd_work")
                self.assertEqual(terminal.end("q"), 0)

    def test_all_processes(self):
        with shares_target() as target, top("--rate", "99", "--filter", "^recurse$") as terminal:
            screen = terminal.wait(lambda s: has_rows(s) and "recurse" in s)
            self.assertIn("all processes", screen)
            terminal.press("Escape", "p")
            terminal.wait(f"({target.pid})")
            self.assertEqual(terminal.end("q"), 0)


@need_tmux
@need_ebpf
class Names(unittest.TestCase):
    def test_hostile_names(self):
        """Escape sequences in names reach the terminal as question marks, at any size."""
        with Target("hostile.py", python=need_any_python(), seconds=120) as target:
            for columns, lines in ((80, 24), (200, 60)):
                with top("--pid", target.pid, columns=columns, lines=lines) as terminal:
                    screen = terminal.wait(
                        lambda s: "?[31mred" in s and "line?break" in s and "関数" in s
                    )
                    self.assertIn("<script>", screen)
                    for key in ("l", "c", "*", "f", "4"):
                        terminal.press(key)
                    terminal.wait("FUNCTION▼")
                    # Nothing has moved: each line has its place, and the last one its keys.
                    lines_now = terminal.screen().splitlines()
                    self.assertIn("[Functions]", "".join(lines_now[1:4]))
                    self.assertIn("q Quit", lines_now[lines - 1])
                    # A colour of the target's would be 31 of eight; ours are of 256.
                    self.assertNotRegex(terminal.screen(escapes=True), r"\x1b\[31m")
                    terminal.press("/")
                    terminal.type("red")
                    terminal.wait(lambda s: "red" in s and len(rows(s)) == 1)
                    terminal.press("Enter", "Enter")
                    terminal.wait("callers of ?[31mred")
                    self.assertEqual(terminal.end("q"), 0)

    def test_without_utf8(self):
        with shares_target() as target, top("--pid", target.pid, env={"LC_ALL": "C"}) as terminal:
            screen = terminal.wait(lambda s: "vSELF%" in s and "recurse" in s)
            self.assertTrue(screen.isascii(), screen)
            terminal.press("c")
            terminal.wait("- ")
            self.assertEqual(terminal.end("q"), 0)


@need_tmux
@need_ebpf
class Terminals(unittest.TestCase):
    def test_colours(self):
        with shares_target() as target:
            for term, env, coloured in (
                ("tmux-256color", {}, True),
                ("screen-256color", {}, True),
                ("screen", {}, True),
                ("xterm-256color", {"NO_COLOR": "1"}, False),
                ("vt100", {}, False),
            ):
                with self.subTest(term=term, env=env):
                    with top("--pid", target.pid, term=term, env=env) as terminal:
                        terminal.wait(lambda s: "[Functions]" in s and "recurse" in s)
                        screen = terminal.screen(escapes=True)
                        self.assertEqual(bool(COLOUR.search(screen)), coloured, screen)
                        self.assertIn("\x1b[7m", screen if not coloured else "\x1b[7m")
                        terminal.press("Down", "Down", "c")
                        terminal.wait("[Tree]")
                        self.assertEqual(terminal.end("q", restores=term != "vt100"), 0)

    def test_terminals_that_cannot(self):
        for term in ("dumb", "no-such-terminal", ""):
            with self.subTest(term=term):
                with top("--pid", os.getpid(), term=term) as terminal:
                    self.assertEqual(terminal.status(), 1)
                    terminal.wait("--once")

    def test_no_terminal(self):
        done = subprocess.run(
            [PROFD, "top"], stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        self.assertEqual(done.returncode, 2)
        self.assertIn("--once", done.stderr)

    def test_signals_leave_the_terminal_clean(self):
        for number in (signal.SIGTERM, signal.SIGHUP):
            with shares_target() as target, top("--pid", target.pid) as terminal:
                terminal.wait(has_rows)
                os.kill(self.top_of(target.pid), number)
                self.assertEqual(terminal.end(), 128 + number)

    def test_a_terminal_that_goes(self):
        """A closed window ends it, and nothing of it stays."""
        before = harness.profd_processes()
        with shares_target() as target, top("--pid", target.pid) as terminal:
            terminal.wait(has_rows)
            self.top_of(target.pid)
            terminal.tmux("kill-server")
            self.assertTrue(wait_until(lambda: harness.profd_processes() <= before))

    def test_stop_and_go_on(self):
        with shares_target() as target:
            command = f"{PROFD} top --socket none --delay 0.3 --pid {target.pid}"
            with Terminal(shell="bash --norc --noprofile -i", env={"PS1": "ready> "}) as terminal:
                terminal.wait("ready>")
                terminal.type(command)
                terminal.press("Enter")
                terminal.wait(lambda s: "[Functions]" in s and has_rows(s))
                terminal.press("C-z")
                terminal.wait(lambda s: "Stopped" in s and "[Functions]" not in s)
                terminal.resize(120, 30)
                terminal.type("fg")
                terminal.press("Enter")
                screen = terminal.wait(
                    lambda s: "[Functions]" in s and has_rows(s) and last_has_keys(s)
                )
                self.assertEqual(len(screen.splitlines()), 30)
                terminal.press("q")
                terminal.wait(lambda s: "[Functions]" not in s and s.count("ready>") >= 2)
                terminal.type("exit")
                self.assertEqual(terminal.end("Enter"), 0)

    def top_of(self, pid):
        """The command line's own process: the one that is no child of another profd."""
        for found in harness.profd_processes():
            words = pathlib.Path(f"/proc/{found}/cmdline").read_bytes().split(b"\0")
            name = pathlib.Path(f"/proc/{found}/comm").read_text().strip()
            if str(pid).encode() in words and name == "profd":
                return found
        raise AssertionError("there is no profd top")


@need_tmux
@need_ebpf
class Commands(unittest.TestCase):
    def test_a_command(self):
        """Sampled from its start; its output comes after the screen, its status is passed on."""
        python = need_any_python()
        with top("--", python, SCRIPTS / "chatty.py", "1.5", "7") as terminal:
            screen = terminal.wait(lambda s: "chatty_work" in s)
            self.assertNotIn("characters", screen)
            self.assertNotIn("a word", screen)
            terminal.wait("ENDED")
            self.assertEqual(terminal.end("q"), 7)
            screen = terminal.screen()
            self.assertIn("read 0 characters", screen)
            self.assertIn("a word to the errors", screen)
            self.assertIn("done with the work", screen)

    def test_leaving_a_command_that_runs(self):
        """Its output goes on to the terminal, and profd waits."""
        python = need_any_python()
        with top("--", python, SCRIPTS / "chatty.py", "3") as terminal:
            terminal.wait("chatty_work")
            terminal.press("q")
            terminal.wait(lambda s: "waiting for" in s and "read 0 characters" in s)
            terminal.wait("done with the work")
            self.assertEqual(terminal.end(), 0)

    def test_ctrl_c_is_for_the_command_too(self):
        python = need_any_python()
        with top("--", python, SCRIPTS / "chatty.py", "60") as terminal:
            terminal.wait("chatty_work")
            self.assertEqual(terminal.end("C-c"), 128 + signal.SIGINT)
            terminal.wait("KeyboardInterrupt")

    def test_a_command_that_is_not_there(self):
        with top("--", "/no/such/command") as terminal:
            self.assertEqual(terminal.status(), 127)
            terminal.wait("no such file")


@need_tmux
@need_ebpf
class Saving(unittest.TestCase):
    def save(self, terminal, name, *keys):
        terminal.press("s")
        terminal.wait("Save as: profd-top-")
        terminal.press("C-u")
        terminal.type(name)
        terminal.press("Enter", *keys)

    def test_files(self):
        with tempfile.TemporaryDirectory() as folder, shares_target() as target:
            with top("--pid", target.pid, cwd=folder) as terminal:
                terminal.wait("recurse")
                for name in ("a.svg", "b.json", "c.collapsed"):
                    self.save(terminal, name)
                    terminal.wait(f"saved {name}")
                svg = pathlib.Path(folder, "a.svg").read_text()
                self.assertIn("recurse", svg)
                self.assertTrue(xml.etree.ElementTree.fromstring(svg).tag.endswith("svg"))
                page = json.loads(pathlib.Path(folder, "b.json").read_text())
                self.assertEqual(page["view"], "functions")
                self.assertIn("recurse", {row["function"] for row in page["rows"]})
                stacks = parse_collapsed(pathlib.Path(folder, "c.collapsed").read_text())
                self.assertTrue(any("recurse" in frames[-1] for frames, _ in stacks))
                # What is there is replaced only when Enter is pressed once more.
                self.save(terminal, "c.collapsed")
                terminal.wait("is there already")
                self.assertEqual(
                    parse_collapsed(pathlib.Path(folder, "c.collapsed").read_text()), stacks
                )
                terminal.press("Enter")
                terminal.wait("saved c.collapsed")
                wrong = (("d.png", "has to end in"), ("no/such/e.svg", "create the folder"))
                for name, why in wrong:
                    self.save(terminal, name)
                    terminal.wait(why)
                    terminal.press("Escape", "Escape")
                    terminal.wait("q Quit")
                self.save(terminal, "/dev/full.svg", "Escape")
                self.assertEqual(terminal.end("q"), 0)
            self.assertEqual(sorted(os.listdir(folder)), ["a.svg", "b.json", "c.collapsed"])


@need_tmux
@need_ebpf
class Replaying(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.path = os.path.join(cls.folder.name, "six.profd")
        with shares_target() as target:
            cls.pid = target.pid
            done = harness.run_record("-p", target.pid, "-d", 6, "-f", "profd", "-o", cls.path)
        if done.returncode:
            raise AssertionError(done.stderr)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def test_playing(self):
        """Windows of a second, one after the other, until the end; then from the start again."""
        with Terminal("top", "--replay", self.path, "--delay", "0.3") as terminal:
            self.assertIn("six.profd", terminal.wait("REPLAY").splitlines()[0])
            kept = int(terminal.wait_match(r"STOPPED .* (\d+) of \1  x1$").group(1))
            self.assertGreaterEqual(kept, 5)
            whole = samples(terminal.wait(has_rows))
            terminal.press("p")
            terminal.wait(f"({self.pid})")
            terminal.press("f", "{")
            terminal.wait(rf" 1 of {kept} ")
            self.assertLess(samples(terminal.screen()), whole)
            terminal.press("]")
            terminal.wait(f" 2 of {kept} ")
            terminal.press(",")
            terminal.wait(f" 1 of {kept} ")
            terminal.press("}")
            screen = terminal.wait(f" {kept} of {kept} ")
            self.assertEqual(samples(screen), whole)
            terminal.press("+")
            terminal.wait("  x2")
            terminal.press("-", "-")
            terminal.wait("  x0.5")
            terminal.press("Space")
            terminal.wait(lambda s: "REPLAY" in s and f" {kept} of" not in s)
            terminal.press("+", "+", "+", "+")
            terminal.wait_match(rf"STOPPED .* {kept} of {kept} ")
            terminal.press("?")
            terminal.wait("play, stop")
            terminal.press("q")
            terminal.wait(has_rows)
            self.assertEqual(terminal.end("q"), 0)

    def test_once(self):
        """The whole file, as `report` reads it."""
        done = subprocess.run(
            [PROFD, "top", "--once", "--json", "--replay", self.path],
            capture_output=True,
            text=True,
            timeout=60,
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        page = json.loads(done.stdout)
        done = subprocess.run(
            [PROFD, "report", "--store", self.path, "--since", "all", "--format", "json"],
            capture_output=True,
            text=True,
            timeout=60,
        )
        report = json.loads(done.stdout)
        totals = {
            (row["function"], row["file"], row["module"]): row["total_samples"]
            for row in page["rows"]
        }
        for row in report["rows"]:
            key = (row["name"], row["file"], row["module"])
            self.assertEqual(totals[key], row["total_samples"], row)

    def test_no_such_file(self):
        for path in ("/no/such.profd", "/etc/passwd"):
            with Terminal("top", "--replay", path) as terminal:
                self.assertEqual(terminal.status(), 1)
                terminal.wait(path)


@need_tmux
@need_ebpf
class WithTheDaemon(unittest.TestCase):
    def test_its_own_samples(self):
        """Without --pid and --rate they are the daemon's own: nothing is sampled twice."""
        with Daemon("--rate", "49") as daemon, shares_target() as target:
            words = ["top", "--socket", daemon.socket, "--delay", "0.3"]
            with Terminal(*words, "--filter", "^recurse$") as terminal:
                screen = terminal.wait(lambda s: "49 Hz (daemon)" in s and has_rows(s))
                self.assertIn("the daemon itself", screen)
                terminal.press("Escape", "p")
                terminal.wait(f"({target.pid})")
                self.assertEqual(terminal.end("q"), 0)
            with Terminal(*words, "--pid", target.pid) as terminal:
                terminal.wait(lambda s: "99 Hz, " in s and "recurse" in s)
                self.assertEqual(terminal.end("q"), 0)

    def test_a_daemon_that_goes_and_comes_back(self):
        with Daemon() as daemon, shares_target():
            words = ["--socket", daemon.socket, "--delay", "0.3", "--filter", "^recurse$"]
            with Terminal("top", *words) as terminal:
                terminal.wait(has_rows)
                daemon.stop()
                screen = terminal.wait("the daemon closed the connection")
                self.assertTrue(has_rows(screen))  # what was seen stays
                daemon.start()
                terminal.wait_gone("the daemon closed the connection", 60)
                before = samples(terminal.screen())
                terminal.wait(lambda s: samples(s) > before)
                daemon.stop()
                terminal.wait("the daemon closed the connection")
                self.assertEqual(terminal.end("q"), 1)
                terminal.wait_match(r"profd: the daemon closed")

    def test_filters(self):
        with Daemon("--rate", "49") as daemon, shares_target() as target:
            with Target("native", seconds=120) as other:
                name = pathlib.Path(f"/proc/{target.pid}/comm").read_text().strip()
                with Terminal(
                    *["top", "--socket", daemon.socket, "--delay", "0.3", "--view", "processes"],
                    *["--comm", name, "--user", "root", "--container", "host"],
                ) as terminal:
                    screen = terminal.wait(f"({target.pid})")
                    self.assertNotIn(f"({other.pid})", screen)
                    self.assertIn(f"{name} of root in host", screen.splitlines()[0])
                    self.assertEqual(terminal.end("q"), 0)


@need_ebpf
class Once(unittest.TestCase):
    def run_top(self, *words, **more):
        return subprocess.run(
            [PROFD, "top", "--socket", "none", "--once", *map(str, words)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            **more,
        )

    def page(self, *words):
        done = self.run_top("--json", *words)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout.count("\n"), 1)
        return json.loads(done.stdout)

    def test_the_gil_from_the_first_picture_on(self):
        loop = "while True: pass"
        target = subprocess.Popen(
            [need_any_python(), "-c", loop], preexec_fn=harness.die_with_parent
        )
        self.addCleanup(target.wait)
        self.addCleanup(target.kill)
        page = self.page("--pid", target.pid, "--duration", 2)
        self.assertGreater(page["gil"], 0.9)

    def test_shares_agree_with_a_recording(self):
        """Of the same process, each within the bound that a recording keeps to the truth, so both
        together within its root of two."""
        rate, seconds = 499, 4
        with shares_target() as target:
            page = self.page("--pid", target.pid, "--rate", rate, "--duration", seconds)
            recording = record(target.pid, rate=rate, seconds=seconds)
            truth = target.stop()["TRUTH"]
        self.assertAlmostEqual(page["span_s"], seconds, delta=0.5)
        self.assertGreater(page["samples"], 50)
        totals = {row["function"]: row["total"] for row in page["rows"]}
        for part, account in truth["parts"].items():
            name = part if part != "comprehension" else "comprehension"
            share = recording.share(name)
            on_s = account["ns"] / account["bursts"] / 1e9
            off_s = (truth["cpu_ns"] - account["ns"]) / account["bursts"] / 1e9
            n = min(page["samples"], recording.samples)
            bound = 2**0.5 * share_bound(share, n, 1 / rate, on_s, off_s) + 0.005
            self.assertLessEqual(abs(totals.get(name, 0) - share), bound, name)

    def test_the_object(self):
        with shares_target() as target:
            page = self.page("--pid", target.pid)
            self.assertEqual(page["view"], "functions")
            self.assertEqual(page["processes"], 1)
            self.assertEqual(page["rate_hz"], 99)
            for row in page["rows"]:
                self.assertTrue(row["function"])
                self.assertTrue(0 <= row["self"] <= row["total"] + 1e-9 <= 1 + 2e-9, row)
            self.assertEqual(
                [row["self"] for row in page["rows"]],
                sorted((row["self"] for row in page["rows"]), reverse=True),
            )
            self.assertAlmostEqual(sum(row["self"] for row in page["rows"]), 1, places=6)
            processes = self.page("--pid", target.pid, "--view", "processes")
            self.assertEqual([row["pid"] for row in processes["rows"]], [target.pid])
            filtered = self.page("--pid", target.pid, "--filter", "^reducer$", "--duration", "2")
            self.assertEqual({row["function"] for row in filtered["rows"]}, {"reducer"})
            limited = self.page("--pid", target.pid, "--limit", "3")
            self.assertEqual(len(limited["rows"]), 3)

    def test_the_table(self):
        with shares_target() as target:
            done = self.run_top("--pid", target.pid)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertRegex(done.stdout, r"SELF +TOTAL .*FUNCTION")
            self.assertRegex(done.stdout, r"100\.0% .*<module> .*shares\.py:\d+")
            self.assertNotIn("\x1b", done.stdout)
            self.assertEqual(done.stderr, "")

    def test_a_process_that_ends(self):
        with shares_target() as target:
            started = subprocess.Popen(
                [PROFD, "top", "--socket", "none", "--once", "--json", "--duration", "100"]
                + ["--delay", "0.2", "--pid", str(target.pid)],
                stdout=subprocess.PIPE,
                text=True,
            )
            used = on_cpu_s(target.pid)
            wait_until(lambda: on_cpu_s(target.pid) > used + 2)
            target.process.terminate()
            out, _ = started.communicate(timeout=60)
            self.assertEqual(started.returncode, 0)
            self.assertEqual(json.loads(out)["ended"], 1)

    def test_a_command(self):
        command = [need_any_python(), SCRIPTS / "chatty.py", "1", "3"]
        done = self.run_top("--json", "--duration", "30", "--", *command)
        self.assertEqual(done.returncode, 3, done.stderr)
        rows_ = json.loads(done.stdout)["rows"]  # nothing of the command's between
        self.assertIn("chatty_work", {row["function"] for row in rows_})
        self.assertIn("done", done.stderr)
        done = self.run_top("--", "/no/such/command")
        self.assertEqual(done.returncode, 127, done.stderr)

    def test_no_such_process(self):
        done = self.run_top("--pid", 4194303)
        self.assertEqual(done.returncode, 1)
        self.assertIn("4194303", done.stderr)
        self.assertEqual(done.stdout, "")

    def test_a_reader_that_has_seen_enough(self):
        with shares_target() as target:
            script = f"{PROFD} top --socket none --once --pid {target.pid} | head -n 1"
            done = subprocess.run(
                ["bash", "-c", script + '; exit "${PIPESTATUS[0]}"'],
                capture_output=True,
                text=True,
                timeout=60,
            )
            self.assertNotIn("Traceback", done.stderr)
            self.assertIn(done.returncode, (0, 1, 128 + signal.SIGPIPE))


if __name__ == "__main__":
    unittest.main(argv=sys.argv)
