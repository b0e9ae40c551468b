"""Processes: built, started on ports the kernel chooses, pinned, bounded, and ended whatever happens."""

import json
import os
import signal
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

START_SECONDS_MAX = 15
# The server drains for at most this long when it gets SIGTERM.
DRAIN_SECONDS = 3
# Exit codes of loadgen with which a report is usable: pass, invalid, correctness, missed.
REPORTED = {0, 4, 5, 99}


class Failed(Exception):
    """A program did not do what was asked of it; the text says which, and shows its last words."""


class Binaries:
    """Where the programs are."""

    NAMES = ("tickring-server", "loadgen", "floor", "stalls")

    def __init__(self, server, loadgen, floor, stalls):
        self.server, self.loadgen, self.floor, self.stalls = server, loadgen, floor, stalls

    @classmethod
    def build(cls, root, profile):
        """Builds them with cargo, and asks it where it put them."""
        command = ["cargo", "build", "--locked", "--message-format=json-render-diagnostics"]
        command += ["--profile", profile]
        command += ["-p", "tickring-server", "-p", "tickring-loadgen", "-p", "tickring-benches", "--bins"]
        built = subprocess.run(command, cwd=root, stdout=subprocess.PIPE, text=True, check=False)
        if built.returncode != 0:
            raise Failed(f"{' '.join(command)} ended with {built.returncode}")
        found = {}
        for line in built.stdout.splitlines():
            executable = json.loads(line).get("executable")
            if executable:
                found[Path(executable).name] = executable
        return cls(*(found[name] for name in cls.NAMES))

    @classmethod
    def in_folder(cls, folder):
        """Takes them as they are."""
        paths = [Path(folder, name) for name in cls.NAMES]
        for path in paths:
            if not path.is_file():
                raise Failed(f"--binaries: there is no {path}")
        return cls(*map(str, paths))


def environment():
    """Ours, without settings that would reach into the server's configuration. What is compared is the cost of all the
    work: the server leaves none of it out when it is late."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("TICKRING_")}
    return ours | {"TICKRING_OVERLOAD__RUNG_MAX": "0"}


def pinned(cpus):
    """For `preexec_fn`: all threads of the program stay on these CPUs."""
    return lambda: os.sched_setaffinity(0, cpus)


class Program:
    """A running server or floor. Use it in a `with` block: its end is the program's end."""

    def __init__(self, command, cpus):
        self.command = command
        self.files = tempfile.TemporaryDirectory(prefix="tickring-benches-")
        self.out, self.err = (Path(self.files.name, name) for name in ("out", "err"))
        with self.out.open("w") as out, self.err.open("w") as err:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=environment(),
                preexec_fn=pinned(cpus),
            )
        try:
            self.address = self.said("listening on ")
        except BaseException:
            self.end()
            raise

    @property
    def pid(self):
        return self.process.pid

    def said(self, beginning):
        """Waits for a line on standard output; what follows `beginning`."""
        deadline = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < deadline:
            for line in self.out.read_text().splitlines():
                if line.startswith(beginning):
                    return line.removeprefix(beginning).strip()
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        raise Failed(f"{' '.join(self.command)}: no line `{beginning}…`\n{last_lines(self.err)}")

    def check(self):
        """Raises when it ended by itself."""
        if self.process.poll() is not None:
            code = self.process.returncode
            raise Failed(f"{' '.join(self.command)} ended by itself with {code}\n{last_lines(self.err)}")

    def rss_bytes(self):
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        return 0

    def end(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(DRAIN_SECONDS + 5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.files.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self.end()


class Server(Program):
    """The dedicated server, with its admin endpoint."""

    def __init__(self, binaries, cpus, *flags):
        command = [binaries.server, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]
        command += ["--drain-timeout", f"{DRAIN_SECONDS}s", *map(str, flags)]
        super().__init__(command, cpus)
        try:
            self.admin = self.said("admin on ")
        except BaseException:
            self.end()
            raise

    def status(self):
        """The status page."""
        with urllib.request.urlopen(f"http://{self.admin}/status", timeout=5) as answer:
            return json.load(answer)

    def load_flags(self):
        """How loadgen finds it; CPU time is read from the process, as with the floor."""
        return ["--target", f"ws://{self.address}", "--admin", self.admin, "--server-pid", self.pid]


class Floor(Program):
    """A floor program."""

    def __init__(self, binaries, cpus, *flags):
        super().__init__([binaries.floor, "--listen", "127.0.0.1:0", *map(str, flags)], cpus)

    def load_flags(self):
        """How loadgen finds it."""
        return ["--raw", "--target", f"tcp://{self.address}", "--server-pid", self.pid]


def stalls(binaries, cpus, seconds):
    """How late a program that never sleeps would be, by CPU, with all of `cpus` busy."""
    command = [binaries.stalls, "--cpus", ",".join(map(str, cpus)), "--seconds", str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 20, check=False)
    if done.returncode != 0:
        raise Failed(f"{' '.join(command)} ended with {done.returncode}\n{done.stderr}")
    return {report["cpu"]: report["lateness_us"] for report in json.loads(done.stdout)}


class Sleeper:
    """A real-time process that wakes on a server's CPU as often as its ticks do, and tells how late it is: what of
    the server's lateness comes from the hypervisor and the kernel, system calls of the server included."""

    def __init__(self, binaries, cpus, hz, seconds):
        command = ["chrt", "--fifo", "50", binaries.stalls, "--asleep", "--hz", str(hz)]
        command += ["--cpus", ",".join(map(str, sorted(cpus))), "--seconds", str(seconds)]
        try:
            self.process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
        except OSError:
            self.process = None

    def report(self):
        """Waits for the end; its lateness, or `None` where real-time processes are not allowed."""
        said, _ = self.process.communicate() if self.process else ("", "")
        return json.loads(said)[0]["lateness_us"] if said else None

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class Load:
    """A run of loadgen that may be waited for; its report is kept without what is the same in every run."""

    KEPT = [
        "verdict",
        "reasons",
        "window_s",
        "conns",
        "messages",
        "latency_us",
        "game",
        "server",
        "generator",
    ]

    def __init__(self, binaries, cpus, preset, flags, seconds_max):
        self.files = tempfile.TemporaryDirectory(prefix="tickring-benches-")
        self.json, self.log = Path(self.files.name, "report.json"), Path(self.files.name, "log")
        self.command = [binaries.loadgen, "run", preset, *map(str, flags), "--out", f"json={self.json}"]
        self.deadline = time.monotonic() + seconds_max
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment(),
                preexec_fn=pinned(cpus),
            )

    def report(self):
        """Waits for the end."""
        try:
            code = self.process.wait(max(0.0, self.deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise Failed(f"{' '.join(self.command)} did not end in time\n{last_lines(self.log)}") from None
        if code not in REPORTED or not self.json.exists():
            raise Failed(f"{' '.join(self.command)} ended with {code}\n{last_lines(self.log)}")
        report = json.loads(self.json.read_text())
        return {key: report[key] for key in self.KEPT}

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.files.cleanup()


def last_lines(path):
    return "\n".join(f"  | {line}" for line in path.read_text(errors="replace").splitlines()[-25:])
