# SPDX-License-Identifier: BSD-2-Clause
"""`make install` and what it installs for systemd: the units are valid, tight, and what they allow
is enough for profd."""

import configparser
import functools
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import tempfile
import unittest

import harness

EXPOSURE_MAX = 1.8  # of 10, by `systemd-analyze security`; the figure of systemd 252
NOBODY = 65534


def tool(name):
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def need(*names):
    missing = [name for name in names if not tool(name)]
    return unittest.skipIf(missing, f"{', '.join(missing)} missing")


def run(*argv, **more):
    return subprocess.run(
        [str(a) for a in argv], capture_output=True, text=True, timeout=120, **more
    )


def make(*argv):
    """make for what is built already, and with nothing of a make around it."""
    env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    env.pop("DESTDIR", None)
    env.pop("PREFIX", None)
    build = os.path.relpath(harness.BUILD, harness.TOP)
    done = run("make", "-C", harness.TOP, "-o", "all", f"BUILD={build}", *argv, env=env)
    if done.returncode:
        raise AssertionError(f"make {argv}: {done.stdout}{done.stderr}")
    return done.stdout


class Unit(configparser.RawConfigParser):
    """A unit file; a name that is there several times has a line for each."""

    class Lines(dict):
        def __setitem__(self, key, value):
            if isinstance(value, list) and isinstance(self.get(key), list):
                self[key].extend(value)
            else:
                super().__setitem__(key, value)

    def __init__(self, path):
        super().__init__(strict=False, dict_type=self.Lines, delimiters=("=",))
        self.optionxform = str
        self.read(path)

    def words(self, section, name):
        return self.get(section, name).split()


class Installed(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="profd-install-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def files(self):
        return {
            str(p.relative_to(self.folder)) for p in self.folder.rglob("*") if not p.is_dir()
        }

    def stage(self):
        make("install", f"DESTDIR={self.folder}", "PREFIX=/usr")

    def unit(self, name):
        return Unit(self.folder / "usr/lib/systemd/system" / name)


class Install(Installed):
    def test_places(self):
        self.stage()
        pages = run(harness.PROFD, "manual", "--pages").stdout.split()
        self.assertIn("profd-record.1", pages)
        self.assertEqual(
            self.files(),
            {f"usr/share/man/man{page[-1]}/{page}" for page in pages}
            | {
                "usr/share/bash-completion/completions/profd",
                "usr/share/fish/vendor_completions.d/profd.fish",
                "usr/share/zsh/site-functions/_profd",
                "etc/profd/profd.conf",
                "usr/bin/profd",
                "usr/lib/systemd/system/profd.service",
                "usr/lib/systemd/system/profd.socket",
                "usr/lib/sysusers.d/profd.conf",
                "usr/lib/tmpfiles.d/profd.conf",
                "usr/share/doc/profd/LICENSE",
                "usr/share/doc/profd/LICENSE.bpf",
                "usr/share/doc/profd/README.md",
                "usr/share/doc/profd/profd.conf",
            },
        )
        for name in self.files():
            mode = stat.S_IMODE((self.folder / name).stat().st_mode)
            self.assertEqual(mode, 0o755 if name == "usr/bin/profd" else 0o644, name)
        service = self.unit("profd.service")
        self.assertEqual(service.get("Service", "ExecStart"), "/usr/bin/profd daemon")
        for name in self.files() - {"usr/bin/profd"}:
            text = (self.folder / name).read_text()
            self.assertNotRegex(text, r"@[A-Z]+@", f"{name}: a place was not filled in")
            self.assertNotIn(str(self.folder), text, f"{name} names the folder it was staged in")

    def test_other_prefixes(self):
        make("install", f"DESTDIR={self.folder}", "PREFIX=/opt/p", "SYSCONFDIR=/opt/p/etc")
        unit = Unit(self.folder / "opt/p/lib/systemd/system/profd.service")
        self.assertEqual(
            unit.get("Service", "ExecStart"),
            "/opt/p/bin/profd daemon --config /opt/p/etc/profd/profd.conf",
        )
        self.assertTrue((self.folder / "opt/p/etc/profd/profd.conf").exists())
        self.assertFalse((self.folder / "etc").exists())

    def test_settings_of_ones_own_stay(self):
        self.stage()
        config = self.folder / "etc/profd/profd.conf"
        config.write_text("rate = 49\n")
        self.stage()
        self.assertEqual(config.read_text(), "rate = 49\n")
        make("uninstall", f"DESTDIR={self.folder}", "PREFIX=/usr")
        self.assertEqual(self.files(), {"etc/profd/profd.conf"})

    def test_uninstall(self):
        self.stage()
        make("uninstall", f"DESTDIR={self.folder}", "PREFIX=/usr")
        self.assertEqual(self.files(), set())
        self.assertFalse((self.folder / "etc/profd").exists())
        self.assertFalse((self.folder / "usr/share/doc/profd").exists())
        make("uninstall", f"DESTDIR={self.folder}", "PREFIX=/usr")  # there is nothing any more

    def test_shipped_settings_are_all_comments(self):
        """What is installed changes no default."""
        self.stage()
        lines = (self.folder / "etc/profd/profd.conf").read_text().splitlines()
        self.assertEqual([line for line in lines if line and not line.startswith("#")], [])


class Units(Installed):
    @need("systemd-analyze")
    def test_verify(self):
        # In place, so that the program named by ExecStart= is there.
        make("install", f"PREFIX={self.folder}/usr", f"SYSCONFDIR={self.folder}/etc", "DESTDIR=")
        units = self.folder / "usr/lib/systemd/system"
        for name in ("profd.service", "profd.socket"):
            done = run(
                tool("systemd-analyze"),
                "verify",
                "--man=no",
                units / name,
                env=dict(os.environ, SYSTEMD_UNIT_PATH=f"{units}:"),
            )
            self.assertEqual((done.returncode, done.stderr), (0, ""), name)

    @need("systemd-analyze")
    def test_verify_finds_mistakes(self):
        """That the test above could fail."""
        units = self.folder / "units"
        units.mkdir()
        path = units / "profd.service"
        path.write_text("[Service]\nExecStart=/nowhere/profd\nProtectSytem=strict\n")
        done = run(tool("systemd-analyze"), "verify", "--man=no", path)
        self.assertIn("ProtectSytem", done.stderr)

    @need("systemd-analyze")
    def test_exposure(self):
        self.stage()
        unit = self.folder / "usr/lib/systemd/system/profd.service"
        done = run(tool("systemd-analyze"), "security", "--offline=true", unit)
        match = re.search(r"Overall exposure level for profd\.service: ([0-9.]+)", done.stdout)
        self.assertTrue(match, done.stdout + done.stderr)
        self.assertLessEqual(float(match.group(1)), EXPOSURE_MAX, done.stdout)

    def test_nothing_hides_what_is_read(self):
        """Settings that look good and would take the names of the kernel's functions away."""
        self.stage()
        service = self.unit("profd.service")
        for name in ("ProtectKernelTunables", "ProtectKernelLogs", "PrivateUsers", "ProtectProc"):
            self.assertFalse(service.has_option("Service", name), name)

    def test_socket_is_where_clients_look(self):
        self.stage()
        socket = self.unit("profd.socket")
        header = (harness.TOP / "daemon/pipeline/pipeline.h").read_text()
        place = re.search(r'PROFD_DEFAULT_SOCKET\s+"(.*)"', header).group(1)
        self.assertEqual(socket.get("Socket", "ListenStream"), place)
        self.assertEqual(socket.get("Socket", "SocketMode"), "0666")
        service = self.unit("profd.service")
        for name, folder in (("RuntimeDirectory", "/run"), ("StateDirectory", "/var/lib")):
            self.assertEqual(service.get("Service", name), "profd", folder)
        store = re.search(r'PROFD_DEFAULT_STORE\s+"(.*)"', header).group(1)
        self.assertEqual(os.path.dirname(store), "/var/lib/profd")
        # Or stopping the service would take the socket's folder away.
        self.assertEqual(service.get("Service", "RuntimeDirectoryPreserve"), "yes")


class UserAndFolders(Installed):
    @need("systemd-sysusers", "systemd-tmpfiles")
    @unittest.skipIf(os.geteuid() != 0, "needs root to give folders to a user")
    def test_are_made(self):
        self.stage()
        done = run(tool("systemd-sysusers"), f"--root={self.folder}")
        self.assertEqual(done.returncode, 0, done.stderr)
        users = [
            line.split(":")
            for line in (self.folder / "etc/passwd").read_text().splitlines()
            if line.startswith("profd:")
        ]
        groups = [
            line.split(":")
            for line in (self.folder / "etc/group").read_text().splitlines()
            if line.startswith("profd:")
        ]
        self.assertEqual((len(users), len(groups)), (1, 1))
        (_, _, uid, gid, _, home, shell), (_, _, group, members) = users[0], groups[0]
        self.assertEqual((gid, members), (group, ""))
        self.assertGreater(int(uid), 0)
        self.assertEqual(home, "/var/lib/profd")
        self.assertIn("nologin", shell)

        done = run(tool("systemd-tmpfiles"), "--create", f"--root={self.folder}")
        self.assertEqual(done.returncode, 0, done.stderr)
        for path, mode in (("run/profd", 0o755), ("var/lib/profd", 0o750)):
            made = (self.folder / path).stat()
            self.assertEqual(stat.S_IMODE(made.st_mode), mode, path)
            self.assertEqual((made.st_uid, made.st_gid), (int(uid), int(gid)), path)


# ---- what the service allows is enough -----------------------------------------------------------

# Runs a program as the service's settings would: argv is a JSON object {calls, families, listen}
# and the program. Other calls end it with SIGSYS, where the service would fail them with EPERM: so
# that a call that is missing in the list cannot go unnoticed. `listen` is the descriptor of a
# socket to be passed, or null.
SANDBOX = r"""
import ctypes, errno, json, os, sys

class Compare(ctypes.Structure):
    _fields_ = [("arg", ctypes.c_uint), ("op", ctypes.c_int),
                ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]

ALLOW, KILL_PROCESS, EQUAL = 0x7fff0000, 0x80000000, 4
PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN = 65, 1
wanted, argv = json.loads(sys.argv[1]), sys.argv[2:]
lib = ctypes.CDLL("libseccomp.so.2")
lib.seccomp_init.restype = ctypes.c_void_p
context = ctypes.c_void_p(lib.seccomp_init(KILL_PROCESS))
for name in wanted["calls"]:
    number = lib.seccomp_syscall_resolve_name(name.encode())
    if number < 0:
        continue  # not of this machine, or newer than the library
    if name == "socket":
        for family in wanted["families"]:
            compare = Compare(0, EQUAL, family, 0)
            lib.seccomp_rule_add_array(context, ALLOW, number, 1, ctypes.byref(compare))
    else:
        lib.seccomp_rule_add_array(context, ALLOW, number, 0, None)
if wanted["listen"] is not None:
    os.dup2(wanted["listen"], 3)
    os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", WATCHDOG_PID=str(os.getpid()))
ctypes.CDLL(None).prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0)
status = lib.seccomp_load(context)
if status:
    sys.exit(f"seccomp: {os.strerror(-status)}")
os.execv(argv[0], argv)
"""


@functools.lru_cache(maxsize=None)
def calls_of(group):
    """The system calls of a group such as @process, as this systemd has it."""
    done = run(tool("systemd-analyze"), "syscall-filter", group)
    if done.returncode:
        raise AssertionError(f"{group}: {done.stderr}")
    words = [line.strip() for line in done.stdout.splitlines() if line.startswith("    ")]
    calls = set()
    for word in words:
        if word.startswith("@"):
            calls |= calls_of(word)
        elif not word.startswith("#"):
            calls.add(word)
    return frozenset(calls)


def allowed_calls(unit):
    """Of the lines SystemCallFilter=, the first of which makes a list of what is allowed."""
    calls = set()
    for line in unit.get("Service", "SystemCallFilter").splitlines():
        remove, line = line.startswith("~"), line.removeprefix("~")
        for word in line.split():
            named = calls_of(word) if word.startswith("@") else {word}
            calls = calls - named if remove else calls | named
    # systemd always allows what it needs itself to start the program.
    return calls | calls_of("@default") | {"execve"}


@harness.need_ebpf
@need("setpriv", "systemd-analyze")
class Sandbox(Installed):
    def sandboxed(self, unit, *argv, listen=None):
        """The command line that runs argv with the unit's rights as an unprivileged user."""
        names = [
            name.removeprefix("CAP_").lower()
            for name in unit.words("Service", "AmbientCapabilities")
        ]
        sets = ",".join(["-all", *(f"+{name}" for name in names)])
        filters = {"calls": sorted(allowed_calls(unit)), "families": [1], "listen": listen}
        self.assertEqual(unit.get("Service", "RestrictAddressFamilies"), "AF_UNIX")  # that is 1
        return [
            tool("setpriv"),
            f"--reuid={NOBODY}",
            f"--regid={NOBODY}",
            "--clear-groups",
            "--no-new-privs",
            f"--inh-caps={sets}",
            f"--ambient-caps={sets}",
            f"--bounding-set={sets}",
            sys.executable,
            "-I",
            "-c",
            SANDBOX,
            json.dumps(filters),
            *map(str, argv),
        ]

    def setUp(self):
        super().setUp()
        self.stage()
        self.service = self.unit("profd.service")
        # Where the unprivileged user may write.
        self.out = pathlib.Path(tempfile.mkdtemp(prefix="profd-sandbox-"))
        self.addCleanup(shutil.rmtree, self.out)
        self.out.chmod(0o777)
        try:
            run(sys.executable, "-c", "import ctypes; ctypes.CDLL('libseccomp.so.2')", check=True)
        except subprocess.CalledProcessError:
            self.skipTest("libseccomp.so.2 is missing")

    def start_service(self, manager, listener, log):
        """profd daemon as the manager would start it; the test plays the manager."""
        st = os.fstat(log.fileno())
        argv = self.sandboxed(
            self.service,
            *(harness.PROFD, "daemon", "--store", self.out / "store.db"),
            *("--socket", self.out / "not-this"),
            listen=listener.fileno(),
        )
        daemon = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(listener.fileno(),),
            preexec_fn=harness.die_with_parent,
            env=dict(
                os.environ,
                NOTIFY_SOCKET=manager.getsockname(),
                WATCHDOG_USEC="2000000",
                JOURNAL_STREAM=f"{st.st_dev}:{st.st_ino}",
            ),
        )
        self.addCleanup(daemon.wait)
        self.addCleanup(daemon.kill)
        return daemon

    def await_message(self, manager, word):
        """Waits for a message with that line; those before it are passed over."""
        lines = []
        while word not in lines:
            lines = manager.recv(4096).decode().splitlines()  # socket.timeout: it did not come
        return lines

    def test_the_daemon_as_a_service(self):
        manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with manager, listener, open(self.out / "log", "w+") as log:
            manager.settimeout(60)
            for name, end in (("notify", manager), ("profd.sock", listener)):
                end.bind(str(self.out / name))
                (self.out / name).chmod(0o666)
            listener.listen(64)
            daemon = self.start_service(manager, listener, log)
            self.await_message(manager, "READY=1")
            for command in ("status", "ps"):
                done = run(harness.PROFD, command, "--socket", self.out / "profd.sock")
                self.assertEqual(done.returncode, 0, done.stderr)
            self.await_message(manager, "WATCHDOG=1")
            daemon.send_signal(signal.SIGHUP)
            self.await_message(manager, "RELOADING=1")
            self.await_message(manager, "READY=1")
            daemon.terminate()
            self.await_message(manager, "STOPPING=1")
            self.assertEqual(daemon.wait(60), 0)
            log.seek(0)
            lines = log.read().splitlines()
        self.assertTrue(lines)
        for line in lines:
            self.assertRegex(line, r"^<[467]>[a-z_]+: ", "no line for the journal")
        self.assertTrue((self.out / "profd.sock").exists(), "the manager's socket was removed")
        self.assertFalse((self.out / "not-this").exists())
        with sqlite3.connect(self.out / "store.db") as store:
            self.assertEqual(store.execute("PRAGMA integrity_check").fetchone(), ("ok",))

    def test_bounding_set_is_what_is_given(self):
        self.assertEqual(
            self.service.words("Service", "CapabilityBoundingSet"),
            self.service.words("Service", "AmbientCapabilities"),
        )

    def record(self, target):
        path = self.out / "out.collapsed"
        done = run(
            *self.sandboxed(self.service, harness.PROFD, "record"),
            *("-p", target.pid, "-d", 2, "-r", 199, "-f", "collapsed", "-o", path, "--json"),
        )
        return done, path

    def test_record_a_process_of_root(self):
        with harness.Target("chains.py", python=sys.executable) as target:
            done, path = self.record(target)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        recording = harness.Recording(path.read_text(), json.loads(done.stdout))
        self.assertGreater(recording.samples, 50)
        python = recording.count(lambda frames: any(harness.is_python(f) for f in frames))
        self.assertGreater(python / recording.samples, 0.9, recording.describe())

    def test_nothing_works_without(self):
        """That the test above could fail: the same without a call, and without a capability."""
        without = {
            "bpf": ("SystemCallFilter", "@system-service perf_event_open process_vm_readv"),
            "CAP_PERFMON": ("AmbientCapabilities", "CAP_BPF CAP_SYS_PTRACE CAP_DAC_READ_SEARCH"),
        }
        with harness.Target("chains.py", python=sys.executable) as target:
            for name, (setting, value) in without.items():
                with self.subTest(name):
                    self.service = self.unit("profd.service")
                    self.service.set("Service", setting, value)
                    done, _ = self.record(target)
                    self.assertNotEqual(done.returncode, 0)
                    self.assertRegex(done.stderr, "CAP_PERFMON|signal|crash|ended|gone")


if __name__ == "__main__":
    unittest.main()
