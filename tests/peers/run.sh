#!/usr/bin/env bash
# Independent WebSocket implementations against the real server's echo endpoint.
#
#   tests/peers/run.sh SERVER      starts SERVER on a free port
#   tests/peers/run.sh ws://HOST:PORT/v1/echo      uses what listens there
#
# Runs the peers that are here. The packages `ws`, `websockets` and `aiohttp` are fetched into
# target/peers when npm or python3 is here and the registries can be reached; nothing is installed
# anywhere else. What is not here is skipped and named, with what would bring it.
set -uo pipefail

if [ $# -ne 1 ]; then
    echo "usage: tests/peers/run.sh SERVER|ws://HOST:PORT/v1/echo" >&2
    exit 2
fi
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
packages=$here/../../target/peers
mkdir -p "$packages" || exit 1
packages=$(cd "$packages" && pwd)
scratch=$(mktemp -d)
server_pid=

clean_up() {
    if [ -n "$server_pid" ]; then
        kill -9 "$server_pid" 2>/dev/null
        # The shell tells of a killed child when it waits for it, also on its own way out.
        wait "$server_pid" 2>/dev/null
    fi
    rm -rf "$scratch"
}
trap clean_up EXIT
trap 'exit 130' INT TERM
export PYTHONDONTWRITEBYTECODE=1 PEERS_FOLDER=$packages

case $1 in
    ws://*) url=$1 ;;
    *)
        "$1" --listen 127.0.0.1:0 --admin off --echo >"$scratch/server.out" 2>"$scratch/server.err" &
        server_pid=$!
        for _ in $(seq 100); do
            grep -q '^listening on ' "$scratch/server.out" && break
            sleep 0.1
        done
        address=$(sed -n 's/^listening on //p' "$scratch/server.out" | head -n 1)
        if [ -z "$address" ]; then
            echo "the server did not print 'listening on ADDR' within 10 s"
            cat "$scratch/server.err"
            exit 1
        fi
        url=ws://$address/v1/echo
        ;;
esac

passed=0 failed=0 skipped=0

skip() { # peer, remedy
    skipped=$((skipped + 1))
    echo "note: skipped $1: $2"
}

# run NAME COMMAND...: one peer; only what went wrong is shown.
run() {
    local name=$1
    shift
    if timeout -k 5 150 "$@" >"$scratch/out" 2>&1; then
        passed=$((passed + 1))
        echo "ok    $name: $(tail -n 1 "$scratch/out")"
    else
        failed=$((failed + 1))
        grep -v '^ok ' "$scratch/out" | tail -n 20 | sed 's/^/      | /'
        echo "FAIL  $name"
    fi
}

if command -v node >/dev/null && command -v npm >/dev/null; then
    [ -d "$packages/node_modules/ws" ] ||
        (cd "$packages" && timeout 120 npm install --no-audit --no-fund --no-save ws) >"$scratch/npm" 2>&1
    if [ -d "$packages/node_modules/ws" ]; then
        run "npm ws" node "$here/ws_peer.mjs" "$url"
    else
        skip "npm ws" "the registry cannot be reached; in target/peers: npm install ws"
    fi
else
    skip "npm ws" "needs node and npm (apt-get install nodejs npm)"
fi

if command -v python3 >/dev/null; then
    python=$packages/venv/bin/python
    if [ ! -x "$python" ]; then timeout 60 python3 -m venv "$packages/venv" >"$scratch/venv" 2>&1; fi
    for package in websockets aiohttp; do
        "$python" -c "import $package" 2>/dev/null ||
            timeout 180 "$python" -m pip install -q "$package" >"$scratch/pip" 2>&1
        if "$python" -c "import $package" 2>/dev/null; then
            run "python $package" "$python" "$here/${package}_peer.py" "$url"
        else
            skip "python $package" "needs venv and pip (apt-get install python3-venv), or: target/peers/venv/bin/pip install $package"
        fi
    done
    browser=
    for name in chromium chromium-browser google-chrome google-chrome-stable; do
        [ -n "$browser" ] || browser=$(command -v "$name")
    done
    if [ -n "$browser" ]; then
        run "headless $(basename "$browser")" python3 "$here/browser_peer.py" "$url" "$browser"
    else
        skip "headless Chromium" "apt-get install chromium"
    fi
else
    for name in "python websockets" "python aiohttp" "headless Chromium"; do
        skip "$name" "needs python3 (apt-get install python3 python3-venv)"
    done
fi

if [ -n "$server_pid" ] && ! kill -0 "$server_pid" 2>/dev/null; then
    echo "FAIL  the server ended while its peers were talking to it"
    tail -n 20 "$scratch/server.err"
    failed=$((failed + 1))
fi
echo "note: peers: $passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
