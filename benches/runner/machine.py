"""What the figures hold for: machine, limits, versions. Nothing that names a folder or a user."""

import os
import platform
import resource
import subprocess
import time
from pathlib import Path

SYSCTLS = [
    "kernel.io_uring_disabled",
    "net.core.somaxconn",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_wmem",
]


def facts(root, profile):
    """Everything worth storing beside a figure."""
    return {
        "when": now(),
        "commit": commit(root),
        "profile": profile,
        "rustc": said(["rustc", "--version"]),
        "kernel": platform.release(),
        "architecture": platform.machine(),
        "cpu": cpu_model(),
        "cpus": os.cpu_count(),
        "memory_mib": memory_kib("MemTotal") // 1024,
        "limits": {
            "descriptors": list(resource.getrlimit(resource.RLIMIT_NOFILE)),
            "memlock_bytes": list(resource.getrlimit(resource.RLIMIT_MEMLOCK)),
        },
        "sysctls": {name: sysctl(name) for name in SYSCTLS},
    }


def in_words(facts):
    """One line for people."""
    return (
        f"{facts['cpu']}, {facts['cpus']} CPUs, {facts['memory_mib'] // 1024} GiB, Linux {facts['kernel']}, "
        f"descriptors {facts['limits']['descriptors'][1]}, {facts['rustc']}, "
        f"profile {facts['profile']}, commit {facts['commit']}, {facts['when']}{punctuality(facts)}"
    )


def punctuality(facts):
    """How late the machine itself makes a program that never sleeps."""
    late = facts.get("stalls_us")
    if not late:
        return ""
    p99, p999, worst = (late[key] / 1_000 for key in ("p99", "p999", "max"))
    return f"; a program that never sleeps is late here by p99 {p99:.2f}, p99.9 {p999:.1f}, at most {worst:.1f} ms"


def now():
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())


def said(command, **options):
    """What a command prints, or "unknown"."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True, **options)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return done.stdout.strip()


def commit(root):
    """The commit, with a mark when sources differ from it."""
    name = said(["git", "rev-parse", "--short=10", "HEAD"], cwd=root)
    changed = said(["git", "status", "--porcelain", "--untracked-files=no", "--", "*.rs", "*.toml"], cwd=root)
    return f"{name} with changes" if changed not in ("", "unknown") else name


def cpu_model():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith(("model name", "Model")):
            return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def memory_kib(name):
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    return 0


def sysctl(name):
    try:
        return " ".join(Path("/proc/sys", name.replace(".", "/")).read_text().split())
    except OSError:
        return None


class Neighbours:
    """Who else used the CPUs since this was made: other processes, and other guests of the hypervisor."""

    # Shares of all CPUs' time above which figures are not to be relied on, percent. The kernel samples who
    # is running, so a small difference is not a neighbour.
    OTHERS_PERCENT_MAX = 6.0
    STOLEN_PERCENT_MAX = 2.0

    def __init__(self):
        self.start = self.reading()

    @staticmethod
    def reading():
        """Seconds of all CPUs: in all, stolen, in processes, and of those in ours (that have ended)."""
        per_second = os.sysconf("SC_CLK_TCK")
        first = Path("/proc/stat").read_text().splitlines()[0].split()[1:9]
        user, nice, system, idle, iowait, irq, softirq, stolen = (int(field) / per_second for field in first)
        ours = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        total = user + nice + system + idle + iowait + irq + softirq + stolen
        return total, stolen, user + nice + system, sum(usage.ru_utime + usage.ru_stime for usage in ours)

    def complaint(self):
        """In words, when they used so much that figures are disturbed; otherwise empty."""
        readings = zip(self.reading(), self.start, strict=True)
        total, stolen, busy, ours = (end - start for end, start in readings)
        others_percent, stolen_percent = 100 * (busy - ours) / total, 100 * stolen / total
        words = []
        if others_percent > self.OTHERS_PERCENT_MAX:
            words.append(f"other processes used {others_percent:.0f} % of the CPUs")
        if stolen_percent > self.STOLEN_PERCENT_MAX:
            words.append(f"other guests of the hypervisor used {stolen_percent:.0f} % of the CPUs")
        return " and ".join(words)
