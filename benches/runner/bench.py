"""Rounds, medians and ratios: what the sections measure with."""

import os
import statistics
import sys

from .programs import Floor, Load, Server, Sleeper

# Traffic before the measuring window: buffers warm, bots past their first steps.
WARMUP_SECONDS = 2


class Bench:
    """Settings of a run, and what has been measured in the present section."""

    def __init__(self, binaries, server_cpus, load_cpus, rounds, seconds, say=None):
        self.binaries = binaries
        self.server_cpus, self.load_cpus = server_cpus, load_cpus
        self.all_cpus = os.sched_getaffinity(0)
        self.rounds = rounds
        # Length of a measuring window; `None`: the section's own choice.
        self.asked_seconds = seconds
        self.say = say or (lambda text: print(text, file=sys.stderr, flush=True))
        self.clear()

    def clear(self):
        """Begins a section."""
        self.figures, self.tables, self.runs = [], [], []

    def seconds(self, usual=8):
        return self.asked_seconds or usual

    # Programs

    def server(self, *flags, pinned=True):
        """A server of one worker on its CPU; if not `pinned`, of as many workers as `flags` say, on all."""
        if pinned:
            flags = ("--workers", 1, *flags)
        return Server(self.binaries, self.server_cpus if pinned else self.all_cpus, *flags)

    def floor(self, engine, load, *flags):
        return Floor(self.binaries, self.server_cpus, "--engine", engine, "--load", load, *flags)

    def begin(self, program, preset, flags, seconds, pinned=True):
        """Starts the load, for those who look at the server meanwhile. Use it in a `with` block."""
        window = ["--duration", f"{seconds}s", "--warmup", f"{WARMUP_SECONDS}s"]
        flags = [*program.load_flags(), *window, *flags]
        # Connecting, settling and closing have bounds of their own, all below this.
        seconds_max = seconds + WARMUP_SECONDS + 120
        return Load(self.binaries, self.load_cpus if pinned else self.all_cpus, preset, flags, seconds_max)

    def sleeper(self, hz, seconds):
        """A real-time process beside the server that only wakes. Use it in a `with` block."""
        return Sleeper(self.binaries, self.server_cpus, hz, seconds + WARMUP_SECONDS)

    def load(self, program, preset, flags, seconds=None, pinned=True):
        """Puts a load on a program; the report."""
        with self.begin(program, preset, flags, seconds or self.seconds(), pinned) as load:
            report = load.report()
        program.check()
        return report

    def note(self, variant, round_, report):
        """Keeps a report, and shows that something happens."""
        self.runs.append({"variant": variant, "round": round_, "report": report})
        words = [f"  {variant}, round {round_ + 1}: {report['verdict']}"]
        for name, path, unit in PROGRESS:
            value = value_at(report, path)
            if value is not None:
                words.append(f"{name} {number(value)}{unit}")
        self.say(", ".join(words))
        for reason in report["reasons"]:
            self.say(f"    {reason}")

    def alternate(self, variants, rounds=None):
        """Runs each of `variants` (name → function that returns a report) in turn, every other round the
        other way round, so that a machine that becomes slower or faster meanwhile favours nobody. The
        reports by name."""
        reports = {name: [] for name in variants}
        for round_ in range(rounds or self.rounds):
            order = list(variants) if round_ % 2 == 0 else list(reversed(variants))
            for name in order:
                report = variants[name]()
                self.note(name, round_, report)
                reports[name].append(report)
        return reports

    def repeat(self, name, run, rounds=None):
        """Several rounds of the same; the reports."""
        return self.alternate({name: run}, rounds)[name]

    # Findings

    def figure(self, figure, aim, measured, met, detail=""):
        """One line of the results. `met`: true, false, or `None` when there is no aim to meet."""
        self.figures.append(
            {"figure": figure, "aim": aim, "measured": measured, "met": met, "detail": detail}
        )
        self.say(f"{figure}: {measured} (aim {aim or 'none'}) {detail}")

    def table(self, title, columns, rows):
        self.tables.append({"title": title, "columns": columns, "rows": rows})


PROGRESS = [
    ("CPU", "server.cpu_us_per_message", " us/message"),
    ("core", "server.cpu_percent", "%"),
    ("messages", "messages.sent_per_s", "/s"),
    ("p99", "latency_us.service.p99", " us"),
    ("lateness p99", "server.tick_lateness_us.p99", " us"),
    ("interval p99", "game.snapshot_interval_us.p99", " us"),
    ("generator", "generator.cpu_percent", "%"),
]


def value_at(report, path):
    """`report["a"]["b"]` for "a.b"; `None` where there is nothing."""
    for key in path.split("."):
        if report is None:
            return None
        report = report.get(key)
    return report


def values(reports, path):
    return [value for value in (value_at(report, path) for report in reports) if value is not None]


def median(reports, path):
    """The median over rounds, or `None`."""
    found = values(reports, path)
    return statistics.median(found) if found else None


def worst(reports, path):
    """The greatest over rounds, or `None`."""
    return max(values(reports, path), default=None)


def ratio(reports, variant, floor, path="server.cpu_us_per_message"):
    """The ratio of the medians, and the least and greatest of single rounds."""
    top, bottom = median(reports[variant], path), median(reports[floor], path)
    if not top or not bottom:
        return None, ""
    pairs = zip(values(reports[variant], path), values(reports[floor], path), strict=False)
    single = [over / under for over, under in pairs if under]
    spread = (
        f"{number(top)} / {number(bottom)} us; single rounds {times(min(single))} to {times(max(single))}"
    )
    return top / bottom, spread


def trust(*groups):
    """What the runs themselves had to say, for the table; empty when all passed."""
    verdicts = [report["verdict"] for reports in groups for report in reports]
    odd = {verdict: verdicts.count(verdict) for verdict in verdicts if verdict != "pass"}
    return "".join(
        f"; loadgen calls {count} of {len(verdicts)} runs {verdict}" for verdict, count in sorted(odd.items())
    )


def at_most(value, bound):
    """Whether a value meets an upper bound; `None` without a value counts as missed."""
    return value is not None and value <= bound


def number(value, unit=""):
    """Three significant digits or whole thousands."""
    if value is None:
        return "not measured"
    size = abs(value)
    if size >= 1_000:
        text = f"{value:,.0f}"
    elif size >= 100 or value == int(value):
        text = f"{value:.0f}"
    else:
        text = f"{value:.3g}"
    return f"{text}{unit}"


def times(ratio):
    """A ratio; three decimals, so that one just over its bound shows."""
    return "not measured" if ratio is None else f"{ratio:.3f}"


def milliseconds(us):
    return "not measured" if us is None else number(us / 1000, " ms")
