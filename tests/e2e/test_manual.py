# SPDX-License-Identifier: BSD-2-Clause
"""Help, manual pages and completion: whatever a command takes is in all of them, and they work in
the programs that people read and type with: man, groff, bash, zsh, fish."""

import fcntl
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import tempfile
import termios
import time
import unittest

from harness import PROFD, TOP, wait_until

DEADLINE_S = 30
OPTION = re.compile(r"^  (?:-(?P<letter>\w),|   ) --(?P<name>[a-z-]+)(?: (?P<argument>\S+))?")
COMMAND = re.compile(r"^  (?P<name>[a-z]+) +\S")
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|\r|\x07|[^\n]\x08")
SETTINGS = TOP / "systemd/profd.conf"


def profd(*words):
    return subprocess.run(
        [PROFD, *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
    )


def said(*words):
    done = profd(*words)
    if done.returncode or done.stderr:
        raise AssertionError(f"profd {' '.join(words)}: {done.returncode} {done.stderr}")
    return done.stdout


def commands():
    """The names in the overview, but `help`, which is no command with options."""
    lines = said("--help").split("\n\n", 1)[1].splitlines()
    found = [m["name"] for m in map(COMMAND.match, lines) if m]
    return [name for name in found if name not in ("profd", "help")]


def options(command):
    """[(letter or None, name, argument or None)] as the help of a command has them."""
    found = [OPTION.match(line) for line in said("help", command).splitlines()]
    return [(m["letter"], m["name"], m["argument"]) for m in found if m]


def settings():
    """The names that the daemon takes in its file, as it lists them itself."""
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
        file.write("nothing = 1\n")
        file.flush()
        text = profd("daemon", "--config", file.name).stderr
    return re.sub(r"\s", "", text.split("there are", 1)[1]).split(",")


def need(program, package):
    path = shutil.which(program)
    if not path:
        raise unittest.SkipTest(f"{program} is missing (package {package})")
    return path


# ---- help --------------------------------------------------------------------------------------


class Help(unittest.TestCase):
    def test_no_line_is_wider_than_a_terminal(self):
        for topic in ("help", *commands()):
            for line in said("help", topic).splitlines():
                with self.subTest(topic=topic, line=line):
                    self.assertLessEqual(len(line), 80)
                    self.assertEqual(line, line.rstrip())

    def test_every_command_teaches(self):
        self.assertGreater(len(commands()), 8)
        for command in commands():
            with self.subTest(command):
                text = said("help", command)
                self.assertIn(f"Usage: profd {command}", text)
                self.assertIn("For example:", text)
                self.assertIn("Exit status: 0", text)
                self.assertIn("help", [name for _, name, _ in options(command)])
                self.assertEqual(text, said(command, "--help"))


# ---- manual pages ------------------------------------------------------------------------------


class Pages(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp())
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.names = said("manual", "--pages").split()
        for name in cls.names:
            page = said("manual", "--settings", str(SETTINGS), name)
            (cls.folder / name).write_text(page)

    def render(self, name):
        """A page as it is read at 80 columns; what man has to say about it is a failure."""
        need("man", "man-db")
        env = dict(os.environ, MANROFFSEQ="", MANWIDTH="80", LC_ALL="C.UTF-8", TERM="dumb")
        done = subprocess.run(
            ["man", "--warnings", "-E", "ascii", "-P", "cat", "-l", self.folder / name],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=env,
            timeout=DEADLINE_S,
        )
        self.assertEqual((done.returncode, done.stderr), (0, ""), name)
        return re.sub(r".\x08", "", done.stdout)

    def test_there_is_one_for_each_command(self):
        pages = ["profd.1", *(f"profd-{command}.1" for command in commands()), "profd.conf.5"]
        self.assertEqual(sorted(self.names), sorted(pages))

    def test_roff_has_nothing_to_say(self):
        groff = need("groff", "groff-base")
        for name in self.names:
            done = subprocess.run(
                [groff, "-man", "-ww", "-Tutf8", "-Z", self.folder / name],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=DEADLINE_S,
            )
            self.assertEqual((done.returncode, done.stderr), (0, ""), name)

    def test_what_help_has_is_in_the_page(self):
        for command in commands():
            text = " ".join(self.render(f"profd-{command}.1").split())
            for part in ("NAME", "SYNOPSIS", "DESCRIPTION", "EXAMPLES", "OPTIONS", "EXIT STATUS"):
                self.assertIn(f" {part} ", text)
            for letter, name, argument in options(command):
                with self.subTest(command=command, option=name):
                    spelled = (f"-{letter}, " if letter else "") + f"--{name}"
                    self.assertIn(spelled + (f" {argument}" if argument else ""), text)
            for line in said("help", command).split("\n\n")[2].splitlines()[1::2]:
                self.assertIn(" ".join(line.split()), text)

    def test_the_overview_names_all_pages(self):
        text = " ".join(self.render("profd.1").split())
        for command in commands():
            self.assertIn(f"profd {command} ", text)
            self.assertIn(f"profd-{command}(1)", text)
        self.assertIn("profd.conf(5)", text)
        self.assertIn("PROFD_SOCKET", text)
        self.assertIn("NO_COLOR", text)

    def test_every_setting_has_its_paragraph(self):
        text = self.render("profd.conf.5")
        found = settings()
        self.assertGreater(len(found), 10)
        for name in found:
            self.assertRegex(text, rf"(?m)^ +{name} =.*\n +\S")

    def test_text_is_text_and_no_request(self):
        """Dots, quotes and backslashes in the comments of the settings."""
        file = self.folder / "settings.conf"
        lines = [".SH not a section", "'tis a quote", r"back\slash \fB ~^`", "-- dashes"]
        file.write_text("".join(f"# {line}\n" for line in lines) + "#name = .x\\y\n")
        (self.folder / "odd.5").write_text(
            said("manual", "--settings", str(file), "profd.conf.5")
        )
        text = " ".join(self.render("odd.5").split())
        for line in lines:
            self.assertIn(line, text)
        self.assertIn("name = .x\\y", text)

    def test_wrong_usage(self):
        for words in (["nothing.1"], ["profd.conf.5"], ["profd.1", "profd.1"], ["--settings"]):
            done = profd("manual", *words)
            self.assertEqual((done.returncode, done.stdout), (2, ""), words)
        self.assertNotIn("manual", [line.split()[0] for line in said("help").splitlines() if line])


# ---- shells ------------------------------------------------------------------------------------


class Shell:
    """An interactive shell in a terminal. Ctrl-X d shows its line between << and >>, and clears
    it."""

    def __init__(self, argv, env, columns=200):
        self.pid, self.fd = pty.fork()
        if not self.pid:
            os.execvpe(argv[0], argv, dict(os.environ, **env))
        size = struct.pack("HHHH", 500, columns, 0, 0)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, size)

    def close(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.fd)

    def send(self, text):
        os.write(self.fd, text.encode())

    def read_until(self, pattern):
        seen, until = "", time.monotonic() + DEADLINE_S
        while True:
            found = re.search(pattern, seen)
            if found:
                return found
            left = until - time.monotonic()
            if left <= 0 or not select.select([self.fd], [], [], left)[0]:
                raise AssertionError(f"no {pattern!r} within {DEADLINE_S} s in {seen[-3000:]!r}")
            seen += ESCAPES.sub("", os.read(self.fd, 65536).decode("utf-8", "replace"))

    def run(self, line):
        """Runs a line, and waits until it has."""
        self.send(f"{line}; echo do''ne\n")
        self.read_until(r"(?m)^done\s")

    def type(self, keys):
        """(the line after these keys, what was shown on the way); the line is empty afterwards."""
        self.send(keys + "\x18d")
        found = self.read_until(r"(?s)^(.*)<<(.*?)>>")
        return found[2], found[1]


class ShellCase(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)

    def process(self, name):
        """A process of that name that sleeps."""
        path = os.path.join(self.folder, name)
        shutil.copy(shutil.which("sleep"), path)
        child = subprocess.Popen([path, "1000"])
        self.addCleanup(child.wait)
        self.addCleanup(child.kill)
        line = pathlib.Path(f"/proc/{child.pid}/cmdline")
        self.assertTrue(wait_until(lambda: name.encode() in line.read_bytes()))
        return child

    def start(self, argv, **env):
        path = f"{PROFD.resolve().parent}:{os.environ.get('PATH', '')}"
        shell = Shell(argv, dict(env, PATH=path, HOME=self.folder, LC_ALL="C.UTF-8"))
        self.addCleanup(shell.close)
        return shell


class Bash(ShellCase):
    package = None

    def setUp(self):
        super().setUp()
        self.shell = self.start(
            [need("bash", "bash"), "--norc", "--noprofile", "-i"],
            TERM="dumb",
            PS1="$ ",
            HISTFILE="",
        )
        self.shell.run(f"cd {self.folder}")
        for line in (
            "set bell-style none",
            "set completion-query-items 0",
            "set page-completions off",
            "set enable-bracketed-paste off",
        ):
            self.shell.run(f"bind '{line}'")
        if self.package:
            self.shell.run(f"source {self.package}")
        self.shell.run("source <(profd completion bash)")
        self.shell.run("""bind -x '"\\C-xd": printf "<<%s>>" "$READLINE_LINE"; READLINE_LINE='""")

    def completed(self, keys):
        return self.shell.type(keys + "\t")[0]

    def offered(self, keys):
        line, shown = self.shell.type(keys + "\t\t")
        self.assertEqual(line, keys)
        return shown.split()

    def test_commands(self):
        self.assertEqual(self.completed("profd rec"), "profd record ")
        self.assertEqual(self.completed("profd help rec"), "profd help record ")
        self.assertLessEqual({*commands(), "help"}, set(self.offered("profd ")))
        self.assertNotIn("manual", self.offered("profd "))

    def test_every_option_of_every_command(self):
        self.assertEqual(self.completed("profd completion --"), "profd completion --help ")
        for command in commands():
            if command == "completion":
                continue  # it has no other
            shown = self.offered(f"profd {command} --")
            for _, name, _ in options(command):
                with self.subTest(command=command, option=name):
                    self.assertIn(f"--{name}", shown)

    def test_words_of_options(self):
        self.assertEqual(self.completed("profd record --for"), "profd record --format ")
        formats = self.offered("profd record --format ")
        self.assertLessEqual({"flamegraph", "collapsed"}, set(formats))
        self.assertLessEqual({"flamegraph", "collapsed"}, set(self.offered("profd record -f ")))
        self.assertLessEqual(
            {"function", "line", "module", "process", "thread", "container"},
            set(self.offered("profd report --by ")),
        )
        self.assertEqual(self.completed("profd ps --sort c"), "profd ps --sort cpu ")
        self.assertEqual(self.completed("profd report --sort=t"), "profd report --sort=total ")
        self.assertEqual(self.completed("profd completion f"), "profd completion fish ")
        self.assertEqual(self.completed("profd record --rate "), "profd record --rate ")

    def test_without_the_equals_sign_as_a_break(self):
        self.shell.run("COMP_WORDBREAKS=${COMP_WORDBREAKS//=}")
        self.assertEqual(self.completed("profd report --sort=t"), "profd report --sort=total ")

    def test_files(self):
        pathlib.Path(self.folder, "a name.svg").touch()
        line = self.completed("profd record --output a")
        self.assertEqual(line, "profd record --output a\\ name.svg ")
        line = self.completed("profd record --output=a")
        self.assertEqual(line, "profd record --output=a\\ name.svg ")

    def test_processes(self):
        child = self.process("sleeper")
        for words in ("record --pid ", "record -p ", "report --pid=", "report --pid=1,"):
            self.complete_pid(f"profd {words}", child.pid)
        self.assertEqual(
            self.completed("profd report --comm sleepe"), "profd report --comm sleeper "
        )
        _, shown = self.shell.type("profd record --pid \t\t")
        self.assertRegex(shown, rf"\b{child.pid} \(sleeper\)")

    def complete_pid(self, words, pid):
        """From its first digits to all of them, or a list where others begin with these. (Others
        come and go between the two Tabs: then once more.)"""
        for _ in range(20):
            line, shown = self.shell.type(f"{words}{str(pid)[:-1]}\t\t")
            if line.startswith(f"{words}{pid} ") or f"{pid} (sleeper)" in shown:
                return
        self.fail(f"{line!r} {shown!r}")

    def test_hostile_names_do_not_get_onto_the_line(self):
        self.process("zz;$(touch x)")
        self.process("zz`touch x`")
        child = self.process("zzgood")
        self.assertEqual(self.completed("profd report --comm zz"), "profd report --comm zzgood ")
        _, shown = self.shell.type("profd record --pid \t\t")
        self.assertIn(f"{child.pid} (zzgood)", shown)
        self.assertNotIn("$(", shown)
        self.assertFalse(os.path.exists(os.path.join(self.folder, "x")))

    def test_users_and_times(self):
        self.assertEqual(self.completed("profd ps --user nobod"), "profd ps --user nobody ")
        self.assertEqual(
            self.completed("profd report --since yest"), "profd report --since yesterday "
        )
        self.assertEqual(self.completed("profd ps --container hos"), "profd ps --container host ")

    def test_the_command_behind_the_dashes(self):
        pathlib.Path(self.folder, "script.py").touch()
        tool = pathlib.Path(self.folder, "tool-of-mine")
        tool.touch(0o755)
        self.shell.run(f"PATH+=:{self.folder}")
        line = self.completed("profd record -d 5 -- tool-of-m")
        self.assertEqual(line, "profd record -d 5 -- tool-of-mine ")
        line = self.completed("profd record -- tool-of-mine scr")
        self.assertEqual(line, "profd record -- tool-of-mine script.py ")
        self.assertEqual(self.completed("profd ps -- tool-of-m"), "profd ps -- tool-of-m")


class BashWithPackage(Bash):
    package = "/usr/share/bash-completion/bash_completion"

    def setUp(self):
        if not os.path.exists(self.package):
            raise unittest.SkipTest("bash-completion is missing (package bash-completion)")
        super().setUp()

    def test_as_installed(self):
        """Found by its name, at the first Tab."""
        place = pathlib.Path(self.folder, "user/completions")
        place.mkdir(parents=True)
        (place / "profd").write_text(said("completion", "bash"))
        self.shell.run("complete -r profd; unset -f _profd")
        self.shell.run(f"BASH_COMPLETION_USER_DIR={place.parent}")
        self.assertEqual(self.completed("profd rec"), "profd record ")
        self.assertEqual(self.completed("profd report --sort=t"), "profd report --sort=total ")

    def test_options_of_the_command_behind_the_dashes(self):
        self.shell.run("complete -W 'own-word other' tool")
        line = self.completed("profd record --rate 99 -- tool own")
        self.assertEqual(line, "profd record --rate 99 -- tool own-word ")


class Zsh(ShellCase):
    is_installed = False

    def setUp(self):
        super().setUp()
        self.shell = self.start(
            [need("zsh", "zsh"), "-f", "-i"], TERM="xterm", PS1="$ ", PROMPT_EOL_MARK=""
        )
        self.shell.run(f"cd {self.folder}; unsetopt BEEP; LISTMAX=10000")
        if self.is_installed:
            place = pathlib.Path(self.folder, "site-functions")
            place.mkdir()
            (place / "_profd").write_text(said("completion", "zsh"))
            self.shell.run(f"fpath=({place} $fpath)")
        self.shell.run("autoload -Uz compinit; compinit -u -D")
        if not self.is_installed:
            self.shell.run("source <(profd completion zsh)")
        self.shell.run("zstyle ':completion:*' menu no; unsetopt AUTO_MENU; bindkey -e")
        self.shell.run("show() { print -rn \"<<$BUFFER>\"\">\"; BUFFER= }; zle -N show")
        self.shell.run("bindkey '^Xd' show")

    def completed(self, keys):
        return self.shell.type(keys + "\t")[0]

    def offered(self, keys, patterns):
        """Waits until all are shown: zsh shows no list while more keys wait."""
        self.shell.send(keys + "\t")
        shown = self.shell.read_until("(?s)^" + "".join(f"(?=.*{p})" for p in patterns) + ".*")
        self.shell.type("")
        return shown[0]

    def test_commands_and_options(self):
        self.assertEqual(self.completed("profd rec"), "profd record ")
        self.assertEqual(self.completed("profd help rec"), "profd help record ")
        for command in commands():
            names = [name for _, name, _ in options(command)]
            if names == ["help"]:
                self.assertEqual(self.completed(f"profd {command} --"), f"profd {command} --help ")
            else:
                self.offered(f"profd {command} --", [rf"\n--{name}\b" for name in names])

    def test_words(self):
        self.assertEqual(self.completed("profd record --for"), "profd record --format=")
        self.assertEqual(self.completed("profd report --sort t"), "profd report --sort total ")
        self.assertEqual(self.completed("profd report --sort=t"), "profd report --sort=total ")
        self.assertEqual(self.completed("profd completion f"), "profd completion fish ")
        self.offered("profd record --format ", [r"\ncollapsed +-- .*?stack", r"\nflamegraph +-- "])

    def test_values(self):
        child = self.process("zz-sleeper")
        self.process("zz;$(touch x)")
        pathlib.Path(self.folder, "some.svg").touch()
        self.assertEqual(self.completed("profd record -o so"), "profd record -o some.svg ")
        line = self.completed(f"profd record -p {child.pid}")
        self.assertEqual(line.rstrip(", "), f"profd record -p {child.pid}")
        line = self.completed(f"profd record --pid 1,{child.pid}")
        self.assertEqual(line.rstrip(", "), f"profd record --pid 1,{child.pid}")
        self.assertEqual(self.completed("profd ps --comm zz"), "profd ps --comm zz-sleeper ")
        self.assertEqual(self.completed("profd ps --user nobod"), "profd ps --user nobody ")
        self.assertEqual(self.completed("profd ps --container ho"), "profd ps --container host ")
        shown = self.offered("profd record --pid ", [rf"{child.pid} +zz-sleeper", r"zz\?"])
        self.assertNotIn("$(", shown)

    def test_the_command_behind_the_dashes(self):
        tool = pathlib.Path(self.folder, "tool-of-mine")
        tool.touch(0o755)
        self.shell.run(f"path+=({self.folder}); rehash")
        line = self.completed("profd record -d 5 -- tool-of-m")
        self.assertEqual(line, "profd record -d 5 -- tool-of-mine ")


class ZshWithSiteFunctions(Zsh):
    is_installed = True


class Fish(ShellCase):
    def setUp(self):
        super().setUp()
        self.fish = need("fish", "fish")
        self.script = pathlib.Path(self.folder, "profd.fish")
        self.script.write_text(said("completion", "fish"))

    def offered(self, line):
        """{word: what is said about it}"""
        done = subprocess.run(
            [self.fish, "--no-config", "-c", f"source {self.script}; complete -C '{line}'"],
            env=dict(os.environ, HOME=self.folder, TERM="dumb"),
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
        )
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return dict(f"{row}\t".split("\t")[:2] for row in done.stdout.splitlines())

    def test_commands_and_options(self):
        self.assertEqual([*self.offered("profd rec")], ["record"])
        self.assertEqual([*self.offered("profd help rec")], ["record"])
        for command in commands():
            offered = self.offered(f"profd {command} --")
            for _, name, _ in options(command):
                with self.subTest(command=command, option=name):
                    self.assertTrue(offered.get(f"--{name}"))

    def test_words(self):
        self.assertIn("SVG", self.offered("profd record --format ")["flamegraph"])
        self.assertEqual([*self.offered("profd report --sort t")], ["total"])
        self.assertEqual([*self.offered("profd report --sort=t")], ["--sort=total"])
        self.assertEqual([*self.offered("profd completion f")], ["fish"])

    def test_values(self):
        child = self.process("zz-sleeper")
        self.process("zz;$(touch x)")
        pathlib.Path(self.folder, "some.svg").touch()
        self.assertEqual([*self.offered("profd record -o so")], ["some.svg"])
        self.assertEqual(
            self.offered("profd record --pid ")[str(child.pid)], "zz-sleeper"
        )
        self.assertEqual([*self.offered(f"profd record --pid 1,{child.pid}")], [f"1,{child.pid}"])
        self.assertEqual([*self.offered("profd ps --comm zz")], ["zz-sleeper"])
        self.assertEqual([*self.offered("profd ps --user nobod")], ["nobody"])
        self.assertEqual([*self.offered("profd ps --container ho")], ["host"])

    def test_the_command_behind_the_dashes(self):
        pathlib.Path(self.folder, "script.py").touch()
        self.assertIn("--", self.offered("profd record -"))
        self.assertIn("sleep", self.offered("profd record -d 5 -- slee"))
        self.assertEqual([*self.offered("profd record -- cat scr")], ["script.py"])


class Completion(unittest.TestCase):
    def test_wrong_usage(self):
        done = profd("completion", "tcsh")
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn("bash, zsh, fish", done.stderr)
        self.assertEqual(profd("completion").returncode, 2)
        self.assertEqual(profd("completion", "bash", "zsh").returncode, 2)

    def test_a_script_that_cannot_be_written(self):
        for words in (("completion", "bash"), ("manual", "profd.1")):
            with open("/dev/full", "w") as full:
                done = subprocess.run([PROFD, *words], stdout=full, stderr=subprocess.PIPE)
            self.assertEqual(done.returncode, 1)
            self.assertIn(b"cannot write", done.stderr)


if __name__ == "__main__":
    unittest.main()
