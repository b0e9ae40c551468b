"""A headless Chromium against the echo endpoint:

    python browser_peer.py ws://HOST:PORT/v1/echo BROWSER

Serves browser_page.html on loopback, opens it in BROWSER, and waits for the page to post what it
found. Standard library only. A browser sends large messages in fragments by itself and shows no pings.
"""

import http.server
import pathlib
import subprocess
import sys
import tempfile
import threading
import urllib.parse

TIMEOUT_S = 90
PAGE = pathlib.Path(__file__).with_name("browser_page.html").read_bytes()


class Handler(http.server.BaseHTTPRequestHandler):
    """The page, and the place it posts its results to."""

    results = None
    done = threading.Event()

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(PAGE)

    def do_POST(self):
        Handler.results = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.send_response(204)
        self.end_headers()
        Handler.done.set()

    def log_message(self, *_):
        """Quiet."""


def main():
    url, browser = sys.argv[1], sys.argv[2]
    pages = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=pages.serve_forever, daemon=True).start()
    page = f"http://127.0.0.1:{pages.server_port}/?{urllib.parse.urlencode({'echo': url})}"
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                   "--no-first-run", "--no-proxy-server", f"--user-data-dir={profile}", page]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        # Drained, so that a talkative browser never blocks; kept for the case that nothing comes.
        said = []
        threading.Thread(target=lambda: said.extend(process.stderr), daemon=True).start()
        Handler.done.wait(TIMEOUT_S)
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if Handler.results is None:
        print(b"".join(said[-10:]).decode(errors="replace"))
        print(f"FAIL the page reported nothing within {TIMEOUT_S} s")
        sys.exit(1)
    print(Handler.results)
    sys.exit(0 if Handler.results.endswith(", 0 failed") else 1)


main()
