"""What the Python peers share: the payloads and the loop over the cases."""

import asyncio
import sys

SIZES = [0, 1, 125, 126, 65535, 65536, 1 << 20]
TIMEOUT_S = 20


def binary(size):
    """`size` bytes that differ from their neighbours."""
    return bytes((i * 31 + 7) & 0xFF for i in range(size))


def text(size):
    """`size` bytes of UTF-8 with characters of one to four bytes."""
    whole = "aß漢🎲" * (size // 10)
    return whole + "x" * (size - len(whole.encode()))


def same(found, expected):
    """Fails unless what came back is what was sent, without printing a megabyte."""
    if type(found) is not type(expected):
        raise AssertionError(f"{type(found).__name__} instead of {type(expected).__name__}")
    if found != expected:
        raise AssertionError(f"{found!r:.60} (length {len(found)}) instead of {expected!r:.60} (length {len(expected)})"
                             if hasattr(found, "__len__") else f"{found} instead of {expected}")


def run(cases):
    """Runs `cases`, a list of (name, coroutine function taking the URL), and ends the process."""
    url = sys.argv[1]
    failed = 0
    for name, case in cases:
        try:
            asyncio.run(asyncio.wait_for(case(url), TIMEOUT_S))
            print(f"ok {name}", flush=True)
        except Exception as error:  # whatever it is, it is this case's failure
            failed += 1
            print(f"FAIL {name}: {type(error).__name__} {error}", flush=True)
    print(f"{len(cases) - failed} passed, {failed} failed")
    sys.exit(0 if failed == 0 else 1)
