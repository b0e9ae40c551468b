"""Echo: what the WebSocket server costs over a bare socket."""

from ..bench import at_most, median, milliseconds, number, ratio, times, trust, worst

# A masked frame of 64 B payload in, an unmasked one out (RFC 6455 5.2).
PAYLOAD_BYTES = 64
IN_BYTES, OUT_BYTES = PAYLOAD_BYTES + 6, PAYLOAD_BYTES + 2

COLUMNS = [
    "load",
    "program",
    "CPU us/message",
    "messages/s",
    "CPU %",
    "service p50 us",
    "service p99 us",
    "generator CPU %",
]


def variants(bench, engines, flags):
    """The server and floors under the same echo load, a fresh process for each run."""
    flags = ["--size", PAYLOAD_BYTES, *flags]

    def server():
        with bench.server("--echo") as server:
            return bench.load(server, "echo", flags)

    def floor(engine):
        with bench.floor(engine, "echo", "--in", IN_BYTES, "--out", OUT_BYTES) as floor:
            return bench.load(floor, "echo", flags)

    floors = {f"floor {engine}": (lambda engine=engine: floor(engine)) for engine in engines}
    return {"server": server, **floors}


def rows(load, reports):
    paths = ["server.cpu_us_per_message", "messages.received_per_s", "server.cpu_percent"]
    paths += ["latency_us.service.p50", "latency_us.service.p99", "generator.cpu_percent"]
    return [[load, name, *(number(median(of, path)) for path in paths)] for name, of in reports.items()]


def echo(bench):
    table = []
    for conns in (100, 1_000):
        reports = bench.alternate(variants(bench, ["uring", "epoll"], ["--conns", conns, "--closed"]))
        value, detail = ratio(reports, "server", "floor uring")
        detail += trust(*reports.values())
        bench.figure(
            f"echo 64 B, {conns:,} connections, CPU per message / io_uring floor",
            "<= 1.05",
            times(value),
            at_most(value, 1.05),
            detail,
        )
        table += rows(f"{conns:,} connections", reports)
    bench.table("Echo, 64 B, closed loop, one in flight per connection (medians)", COLUMNS, table)


def light(bench):
    load = ["--conns", 100, "--rate", 20]
    reports = bench.alternate(variants(bench, ["epoll", "uring"], load))
    value, detail = ratio(reports, "server", "floor epoll")
    bench.figure(
        "echo at 100 connections x 20 messages/s, CPU per message / epoll floor",
        "<= 1.0",
        times(value),
        at_most(value, 1.0),
        detail + trust(*reports.values()),
    )
    latency(bench, reports)
    bench.table("Echo, 64 B, 100 connections x 20 messages/s (medians)", COLUMNS, rows("100 x 20/s", reports))


def latency(bench, reports):
    """The generator sees the whole way; the floor on the same way says how much of it is not the server."""
    path = "latency_us.service.p99"
    ours, floor = median(reports["server"], path), median(reports["floor epoll"], path)
    bench.figure(
        "echo latency p99 at low load, seen by the client",
        "< 1 ms",
        milliseconds(ours),
        ours is not None and ours < 1_000,
        f"epoll floor {milliseconds(floor)}; worst round {milliseconds(worst(reports['server'], path))}",
    )


def pipeline(bench):
    load = ["--conns", 100, "--closed", "--pipeline", 16]
    reports = bench.alternate(variants(bench, ["uring", "epoll"], load))
    value, detail = ratio(reports, "server", "floor uring")
    reached = median(reports["server"], "messages.received_per_s")
    cpu_us = median(reports["server"], "server.cpu_us_per_message")
    per_core = 1e6 / cpu_us if cpu_us else None
    bench.figure(
        "16 messages in flight on each of 100 connections, one core",
        ">= 2.5 million messages/s or <= 1.15 x floor",
        f"{number(reached)} messages/s, {times(value)} x io_uring floor",
        at_most(value, 1.15) or (reached or 0) >= 2.5e6,
        f"{detail}; a full core would do {number(per_core)} messages/s{trust(*reports.values())}",
    )
    bench.table("Echo, 64 B, 100 connections, 16 in flight (medians)", COLUMNS, rows("100 x 16", reports))
