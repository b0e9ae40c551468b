"""Python `websockets` against the echo endpoint: python websockets_peer.py ws://HOST:PORT/v1/echo"""

import asyncio

import peer
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed


def open_at(url):
    return connect(url, max_size=None, ping_interval=None, proxy=None)


def echoes(message):
    async def case(url):
        async with open_at(url) as socket:
            await socket.send(message)
            peer.same(await socket.recv(), message)

    return case


def fragments(parts, whole):
    async def case(url):
        async with open_at(url) as socket:
            await socket.send(parts)
            peer.same(await socket.recv(), whole)

    return case


async def ping_between_fragments(url):
    async with open_at(url) as socket:

        async def parts():
            yield "one "
            await (await socket.ping(b"between"))
            yield "two"

        await socket.send(parts())
        peer.same(await socket.recv(), "one two")


async def pings(url):
    async with open_at(url) as socket:
        for size in (0, 125):
            await (await socket.ping(peer.binary(size)))
        # Two at once: the newest must be answered; this library then counts the older as answered.
        first, second = await socket.ping(b"first"), await socket.ping(b"second")
        await asyncio.gather(first, second)


async def in_order(url):
    async with open_at(url) as socket:
        for number in range(1000):
            await socket.send(f"message {number}")
        for number in range(1000):
            peer.same(await socket.recv(), f"message {number}")


def closes(code, reason):
    async def case(url):
        async with open_at(url) as socket:
            await socket.close(code, reason)
            received = socket.protocol.close_rcvd
            if received is None:
                raise AssertionError("no close frame came back")
            peer.same(received.code, code)

    return case


async def bad_utf8(url):
    async with open_at(url) as socket:
        await socket.send(b"a\xff", text=True)
        try:
            await socket.recv()
        except ConnectionClosed as closed:
            peer.same(int(closed.rcvd.code), 1007)
        else:
            raise AssertionError("bad UTF-8 was echoed")


peer.run(
    [(f"text, {size} bytes", echoes(peer.text(size))) for size in peer.SIZES]
    + [(f"binary, {size} bytes", echoes(peer.binary(size))) for size in peer.SIZES]
    + [
        ("text in fragments", fragments(["a", "", "ß漢", "🎲" * 1000], "aß漢" + "🎲" * 1000)),
        ("binary in fragments", fragments([b"", peer.binary(70000), b"x"], peer.binary(70000) + b"x")),
        ("a ping between fragments", ping_between_fragments),
        ("pings", pings),
        ("a thousand messages come back in order", in_order),
    ]
    + [(f"close {code} is answered", closes(code, reason)) for code, reason in [(1000, ""), (1001, "leaving"), (3000, "x" * 123), (4999, "漢")]]
    + [("bad UTF-8 is closed with 1007", bad_utf8)]
)
