"""What an idle connection costs in user memory, and how many one process holds."""

from ..bench import at_most, median, number, trust, value_at

CONNS = 15_000
BYTES_REQUIRED, BYTES_AIM = 512, 256
MANY = 60_000
WORKERS = 4


def idle(bench):
    reports = bench.repeat(f"{CONNS:,} idle", lambda: held(bench))
    each = median(reports, "server.rss_bytes_per_conn")
    pools = median(reports, "pools_bytes")
    bench.figure(
        f"{CONNS:,} idle connections: user memory of each over the fixed pools",
        f"<= {BYTES_REQUIRED} B, aim {BYTES_AIM} B",
        number(each, " B"),
        at_most(each, BYTES_REQUIRED),
        f"pools {mebibytes(pools)} MiB a worker, touched by an echo load before{trust(reports)}",
    )
    many = bench.repeat(f"{MANY:,} idle", lambda: held_by_many_workers(bench), rounds=1)
    connected = median(many, "conns.connected")
    bench.figure(
        f"idle connections in one process, --workers {WORKERS}",
        f"{MANY:,}",
        number(connected),
        connected == MANY and not value_at(many[0], "conns.lost"),
        f"{number(median(many, 'server.rss_bytes_per_conn'))} B each, pools included{trust(many)}",
    )
    rows = [row(f"{CONNS:,}, 1 worker", reports), row(f"{MANY:,}, {WORKERS} workers", many)]
    columns = [
        "load",
        "connected",
        "lost",
        "B per connection",
        "RSS before MiB",
        "RSS MiB",
        "pools MiB",
        "upgrade p99 us",
    ]
    bench.table("Idle connections (medians)", columns, rows)


def mebibytes(count):
    return number(None if count is None else count / 2**20)


def row(load, reports):
    return [
        load,
        number(median(reports, "conns.connected")),
        number(median(reports, "conns.lost")),
        number(median(reports, "server.rss_bytes_per_conn")),
        mebibytes(median(reports, "server.rss_bytes_before")),
        mebibytes(median(reports, "server.rss_bytes")),
        mebibytes(median(reports, "pools_bytes")),
        number(median(reports, "conns.upgrade_us.p99")),
    ]


def held(bench):
    """Pools are paid for when they are first touched. A short echo load touches them, so that what 15,000
    connections add afterwards is theirs."""
    with bench.server("--echo") as server:
        bench.load(server, "echo", ["--conns", 500, "--closed", "--pipeline", 4], 3)
        report = bench.load(server, "idle", ["--conns", CONNS, "--connect-rate", 4_000])
        report["pools_bytes"] = server.status()["pools"]["total_bytes"]
    return report


def held_by_many_workers(bench):
    """Each worker's ring has a descriptor table of its own, so the process may hold more than its limit."""
    flags = ["--conns", MANY, "--connect-rate", 4_000, "--workers", WORKERS]
    with bench.server("--echo", "--workers", WORKERS, pinned=False) as server:
        report = bench.load(server, "idle", flags, pinned=False)
        report["pools_bytes"] = server.status()["pools"]["total_bytes"]
    return report
