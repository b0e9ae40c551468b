"""The tick load: every connection sends one small input and is sent one snapshot, 30 times a second.

The game is `pulse`, which does nothing: what is measured is the worker's own loop. The floor moves the
same bytes at the same times. The generator sends every input at its own time, as a thousand machines would:
if it gathered them, it would do the floor the favour whose worth is to be measured.
"""

from ..bench import at_most, median, milliseconds, number, ratio, times, trust, value_at

HZ = 30
# Masked frame head 6, kind 1, input head 17, the game's 16 bytes.
IN_BYTES = 40
OUT_BYTES = 512
# Aims by number of connections.
AIMS = {1_000: 0.60, 2_000: 0.75}
GATHER_US = [0, 200, 1_000]
# What bots send besides inputs (a ping now and then) is in the server's CPU time, but counts as no input.
CPU = "cpu_us_per_input"


def load(bench, program, conns, *flags):
    report = bench.load(program, "game", ["--conns", conns, "--input-hz", HZ, "--exact", *flags])
    percent = value_at(report, "server.cpu_percent")
    report[CPU] = percent * 10_000 / (conns * HZ) if percent else None
    return report


def server(bench, conns, *flags):
    def run():
        rates = ["--game", "pulse", "--tick-hz", HZ, "--snapshot-hz", HZ]
        with bench.server(*rates, *flags) as server:
            return load(bench, server, conns, "--game", "pulse")

    return run


def floor(bench, conns, engine, *flags):
    def run():
        sizes = ["--in", IN_BYTES, "--out", OUT_BYTES, "--hz", HZ]
        with bench.floor(engine, "tick", *sizes, *flags) as floor:
            return load(bench, floor, conns, "--raw-in", IN_BYTES, "--raw-out", OUT_BYTES)

    return run


def row(load, name, reports):
    paths = [CPU, "server.cpu_percent", "game.snapshot_interval_us.p99"]
    paths += ["server.tick_lateness_us.p99", "server.ticks_missed", "messages.sent_per_s"]
    return [load, name, *(number(median(reports, path)) for path in paths)]


COLUMNS = [
    "load",
    "program",
    "CPU us/input",
    "CPU %",
    "snapshot interval p99 us",
    "lateness p99 us",
    "ticks missed",
    "messages/s",
]


def tick(bench):
    table = []
    for conns, aim in AIMS.items():
        reports = bench.alternate(
            {
                "server": server(bench, conns),
                "floor uring": floor(bench, conns, "uring"),
                "floor uring-gather 200 us": floor(bench, conns, "uring-gather", "--gather-us", 200),
            }
        )
        value, detail = ratio(reports, "server", "floor uring", CPU)
        bench.figure(
            f"tick load, {conns:,} connections, CPU per input / io_uring floor without gathering",
            f"<= {aim:.2f}",
            times(value),
            at_most(value, aim),
            detail + trust(*reports.values()),
        )
        table += [row(f"{conns:,} connections", name, of) for name, of in reports.items()]
    bench.table("Tick load: one input in, 512 B out, both at 30 Hz (medians)", COLUMNS, table)


def gather(bench):
    table = []
    for conns in AIMS:
        bounds = {f"server, gather {us} us": server(bench, conns, "--gather-us", us) for us in GATHER_US}
        reports = bench.alternate({**bounds, "floor uring": floor(bench, conns, "uring")})
        for us in GATHER_US:
            name = f"server, gather {us} us"
            value, detail = ratio(reports, name, "floor uring", CPU)
            bench.figure(
                f"tick load, {conns:,} connections, gather bound {us} us, CPU per input / io_uring floor",
                "",
                times(value),
                None,
                detail + trust(reports[name], reports["floor uring"]),
            )
        table += [row(f"{conns:,} connections", name, of) for name, of in reports.items()]
    bench.table("Tick load by gather bound (medians)", COLUMNS, table)
    latency(bench)


def latency(bench):
    """What gathering costs those who wait for an answer: echo at low load under each bound."""

    def echo(us):
        def run():
            with bench.server("--echo", "--gather-us", us) as server:
                return bench.load(server, "echo", ["--conns", 100, "--rate", 20, "--size", 64])

        return run

    reports = bench.alternate({f"gather {us} us": echo(us) for us in GATHER_US})
    paths = ["latency_us.service.p50", "latency_us.service.p99", "server.cpu_us_per_message"]
    bench.table(
        "Echo latency by gather bound, 100 connections x 20 messages/s (medians)",
        ["program", "service p50 us", "service p99 us", "CPU us/message"],
        [[name, *(number(median(of, path)) for path in paths)] for name, of in reports.items()],
    )
    costs = [
        f"{name.removeprefix('gather ')}: {milliseconds(median(of, 'latency_us.service.p99'))}"
        for name, of in reports.items()
    ]
    detail = trust(*reports.values()).lstrip("; ")
    bench.figure("echo latency p99 by gather bound", "", ", ".join(costs), None, detail)
