"""Python `aiohttp` against the echo endpoint: python aiohttp_peer.py ws://HOST:PORT/v1/echo

Its public interface cannot send fragments, so the other peers do that.
"""

import peer
from aiohttp import ClientSession, WSMsgType


def with_socket(body, **options):
    async def case(url):
        async with ClientSession() as session:
            async with session.ws_connect(url, max_msg_size=0, **options) as socket:
                await body(socket)

    return case


async def expect(socket, kind, data):
    message = await socket.receive()
    if message.type != kind:
        raise AssertionError(f"{message.type.name} ({message.data!r:.60}) instead of {kind.name}")
    peer.same(bytes(message.data) if isinstance(message.data, bytearray) else message.data, data)


def echoes_text(size):
    async def body(socket):
        await socket.send_str(peer.text(size))
        await expect(socket, WSMsgType.TEXT, peer.text(size))

    return with_socket(body)


def echoes_binary(size, compress):
    async def body(socket):
        await socket.send_bytes(peer.binary(size))
        await expect(socket, WSMsgType.BINARY, peer.binary(size))

    return with_socket(body, compress=compress)


async def pings(socket):
    for size in (0, 125):
        await socket.ping(peer.binary(size))
        await expect(socket, WSMsgType.PONG, peer.binary(size))


async def in_order(socket):
    for number in range(1000):
        await socket.send_str(f"message {number}")
    for number in range(1000):
        await expect(socket, WSMsgType.TEXT, f"message {number}")


def closes(code, reason):
    async def body(socket):
        await socket.close(code=code, message=reason)
        peer.same(int(socket.close_code), code)

    return with_socket(body)


peer.run(
    [(f"text, {size} bytes", echoes_text(size)) for size in peer.SIZES]
    + [(f"binary, {size} bytes", echoes_binary(size, 0)) for size in peer.SIZES]
    + [
        ("compression offered, answered without", echoes_binary(65536, 15)),
        ("pings", with_socket(pings, autoping=False)),
        ("a thousand messages come back in order", with_socket(in_order)),
    ]
    + [(f"close {code} is answered", closes(code, reason)) for code, reason in [(1000, b""), (1001, b"leaving"), (4999, "漢".encode())]]
)
