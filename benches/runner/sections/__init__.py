"""What is measured: one function per section, each for one or more figures of `RESULTS.md`.

A section takes a `Bench`, runs its loads and leaves figures and tables there.
"""

from . import memory, play, sockets, tick

# Name → (function, seconds it takes about with the usual settings, what it answers).
SECTIONS = {
    "echo": (
        sockets.echo,
        190,
        "64 B closed loop, 100 and 1,000 connections: CPU per message / io_uring floor",
    ),
    "light": (sockets.light, 95, "100 connections x 20 messages/s: CPU per message / epoll floor; latency"),
    "pipeline": (sockets.pipeline, 95, "16 messages in flight per connection: messages/s on one core"),
    "players": (
        play.players,
        330,
        "1,000 players in 20 rooms for a minute; then as many as one core carries",
    ),
    "tick": (
        tick.tick,
        190,
        "30 Hz in, 512 B out at 30 Hz: CPU per input / io_uring floor without gathering",
    ),
    "gather": (
        tick.gather,
        350,
        "the same with gather bounds of 0, 200 and 1,000 us, and the latency each costs",
    ),
    "one-room": (play.one_room, 35, "1,000 players in one room at 30 Hz"),
    "effect": (play.effect, 130, "input to effect at 60/60 and 128/128 Hz"),
    "wakeups": (play.wakeups, 65, "how often the worker enters the kernel for 1,000 players"),
    "idle": (memory.idle, 100, "user memory of 15,000 idle connections; 60,000 in one process"),
}
