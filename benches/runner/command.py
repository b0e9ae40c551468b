"""The command line of `benches/data-path`."""

import argparse
import os
import shlex
import signal
import sys
import time
from pathlib import Path

from . import machine, store
from .bench import Bench
from .programs import Binaries, Failed, stalls
from .sections import SECTIONS

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benches" / "RESULTS.md"
STORED = ROOT / "benches" / "results"

ABOUT = """\
Runs the server beside bare programs that move the same bytes (the floor), each pinned to one CPU and the
load generator to another, in alternating rounds, and reports medians and ratios. What a server costs above
its floor is its own doing; the rest is the kernel's. Absolute figures drift with the machine, ratios of one
run hold.

Results go to benches/results/SECTION.json (every run, the machine, the limits) and SECTION.md (the tables),
and into benches/RESULTS.md."""

# For how long the machine's own punctuality is watched before each section.
STALLS_SECONDS = 5

EXAMPLES = """\
Examples:
  benches/data-path all                         everything in benches/RESULTS.md, about {minutes} minutes
  benches/data-path echo light --rounds 5       two sections, more rounds
  benches/data-path tick --rounds 1 --seconds 2 --out scratch --profile profiling
                                                does it work? Quick to build, nothing stored in the tree
  benches/data-path results                     tables from what is stored, without measuring

Sections and their time with the usual settings (3 rounds of 8 s; the minute of `players` is a minute):
{sections}

Close everything else first: a compiler on the same machine is in the figures. A warning says when the
machine was busy or its hypervisor took time away. SIGINT and SIGTERM end all programs that were started.

Exit codes: 0 measured (whether aims were met stands in the table), 1 a program failed, 2 usage,
130 interrupted."""


def parser():
    sections = "\n".join(
        f"  {name:9} {seconds // 60 + 1:3} min  {what}" for name, (_, seconds, what) in SECTIONS.items()
    )
    minutes = sum(seconds for _, seconds, _ in SECTIONS.values()) // 60 + 1
    arguments = argparse.ArgumentParser(
        prog="benches/data-path",
        description=ABOUT,
        epilog=EXAMPLES.format(minutes=minutes, sections=sections),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = [*SECTIONS, "all", "results"]
    arguments.add_argument("section", nargs="+", choices=names, metavar="SECTION", help=", ".join(names))
    arguments.add_argument(
        "--rounds", type=positive, default=3, metavar="N", help="rounds per figure (default 3)"
    )
    arguments.add_argument(
        "--seconds",
        type=positive,
        metavar="N",
        help="measuring window of every run (default 8, the long run of `players` 60)",
    )
    arguments.add_argument(
        "--server-cpu", type=int, default=0, metavar="N", help="for server and floor (default 0)"
    )
    arguments.add_argument("--load-cpu", type=int, default=1, metavar="N", help="for loadgen (default 1)")
    arguments.add_argument(
        "--profile",
        default=os.environ.get("TICKRING_BENCH_PROFILE", "release"),
        metavar="NAME",
        help="cargo profile (default release, or $TICKRING_BENCH_PROFILE)",
    )
    arguments.add_argument(
        "--binaries", type=Path, metavar="DIR", help="take tickring-server, loadgen, floor and stalls from here"
    )
    arguments.add_argument(
        "--out", type=Path, metavar="DIR", help="store here instead, and leave RESULTS.md alone"
    )
    return arguments


def positive(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text}: at least 1")
    return number


def main(words):
    arguments = parser().parse_args(words)
    # As an exception it passes every `with` block on its way out, and those end their programs.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))
    try:
        wanted = [name for name in SECTIONS if name in arguments.section or "all" in arguments.section]
        if wanted:
            measure(arguments, wanted, "benches/data-path " + shlex.join(words))
        if arguments.out is None:
            placed = store.refresh(RESULTS, STORED)
            say(f"benches/RESULTS.md shows: {', '.join(placed) or 'nothing, as nothing is stored'}")
    except Failed as error:
        say(f"data-path: {error}")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def measure(arguments, wanted, command):
    check_cpus(arguments)
    if arguments.binaries:
        binaries, profile = Binaries.in_folder(arguments.binaries), "unknown"
    else:
        binaries, profile = Binaries.build(ROOT, arguments.profile), arguments.profile
    bench = Bench(binaries, {arguments.server_cpu}, {arguments.load_cpu}, arguments.rounds, arguments.seconds)
    # This script rests while it measures, but not on the server's CPU.
    os.sched_setaffinity(0, {arguments.load_cpu})
    facts = machine.facts(ROOT, profile)
    for name in wanted:
        function, _, what = SECTIONS[name]
        say(f"\n{name}: {what}")
        section = measured(bench, function, facts)
        section = {"section": name, "command": command, "rounds": arguments.rounds, **section}
        store.store(arguments.out or STORED, name, section)
        print(f"\n# {name}\n\n{store.markdown(section)}", flush=True)


def measured(bench, function, facts):
    """Runs one section; what is to be stored of it."""
    both = (*bench.server_cpus, *bench.load_cpus)
    late = stalls(bench.binaries, both, STALLS_SECONDS)[both[0]]
    facts = {**facts, "when": machine.now(), "stalls_us": late}
    neighbours, from_ = machine.Neighbours(), time.monotonic()
    bench.clear()
    function(bench)
    facts["disturbed"] = neighbours.complaint()
    if facts["disturbed"]:
        say(f"warning: {facts['disturbed']}")
    return {
        "machine": facts,
        "took_s": round(time.monotonic() - from_),
        "figures": bench.figures,
        "tables": bench.tables,
        "runs": bench.runs,
    }


def check_cpus(arguments):
    allowed = os.sched_getaffinity(0)
    for flag, cpu in (("--server-cpu", arguments.server_cpu), ("--load-cpu", arguments.load_cpu)):
        if cpu not in allowed:
            raise Failed(f"{flag} {cpu}: this machine lets us use {sorted(allowed)}; two CPUs are needed")
    if arguments.server_cpu == arguments.load_cpu:
        raise Failed("--server-cpu and --load-cpu are the same: load and server would take each other's time")


def say(text):
    print(text, file=sys.stderr, flush=True)
