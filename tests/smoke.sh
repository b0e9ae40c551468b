#!/usr/bin/env bash
# Smoke: the real server and the real load generator, on ports the system chooses.
#
#   tests/smoke.sh SERVER LOADGEN
#
# 1. The server starts, names its addresses, and its admin endpoint answers.
# 2. A hundred bots play for four seconds, fifty echo for two: nobody missing, no gap, no wrong state,
#    read from the JSON reports. How fast it was is not judged: this machine may be busy with other things.
# 3. SIGTERM while bots play: exit 0 within the drain time, the bots were told 1001.
# 4. SIGKILL, then a start on the same port: it listens again.
#
# Everything is waited for with a bound, and nothing is left running.
set -uo pipefail

if [ $# -ne 2 ] || [ ! -x "$1" ] || [ ! -x "$2" ]; then
    echo "usage: tests/smoke.sh SERVER LOADGEN (two programs)" >&2
    exit 2
fi
server=$1
loadgen=$2
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
scratch=$(mktemp -d)
server_pid=
load_pid=
wrong=0

clean_up() {
    # TERM, not KILL, for the load: it runs under timeout, which passes TERM on.
    [ -z "$load_pid" ] || kill "$load_pid" 2>/dev/null
    [ -z "$server_pid" ] || kill -9 "$server_pid" 2>/dev/null
    rm -rf "$scratch"
}
trap clean_up EXIT
# A panic is one line here; where it came from is for whoever runs it again.
export RUST_BACKTRACE=0
trap 'exit 130' INT TERM

fail() {
    echo "WRONG: $*"
    wrong=$((wrong + 1))
}

# Nothing after this would mean anything.
give_up() {
    echo "WRONG: $*"
    for log in "$scratch"/server.*; do
        echo "--- ${log##*/}"
        tail -n 30 "$log"
    done
    exit 1
}

# wait_for SECONDS COMMAND...: until the command succeeds.
wait_for() {
    local tries=$(($1 * 10))
    shift
    while ! "$@" >/dev/null 2>&1; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || return 1
        sleep 0.1
    done
}

gone() { ! kill -0 "$1" 2>/dev/null; }

# address NAME: what the server printed as `NAME on ADDR`.
address() { sed -n "s/^$1 on \([0-9.:]*\)\$/\1/p" "$scratch/server.out" | head -n 1; }
printed() { [ -n "$(address "$1")" ]; }

# start_server LISTEN: sets server_pid, listen and admin.
start_server() {
    : >"$scratch/server.out"
    "$server" --listen "$1" --admin 127.0.0.1:0 --echo --drain-timeout 3s \
        >"$scratch/server.out" 2>"$scratch/server.err" &
    server_pid=$!
    wait_for 10 printed listening || give_up "the server did not print 'listening on ADDR' within 10 s"
    wait_for 5 printed admin || give_up "the server did not print 'admin on ADDR' within 5 s"
    listen=$(address listening)
    admin=$(address admin)
    [ "$(head -n 1 "$scratch/server.out")" = "listening on $listen" ] ||
        fail "the first line on standard output is not 'listening on $listen'"
}

# http PATH: status line, headers and body.
http() {
    exec 3<>"/dev/tcp/${admin%:*}/${admin##*:}" || return 1
    printf 'GET %s HTTP/1.1\r\nHost: smoke\r\nConnection: close\r\n\r\n' "$1" >&3
    timeout 5 cat <&3
    exec 3>&-
}

expect_200() {
    http "$1" | head -n 1 | grep -q ' 200 ' || fail "$1 on the admin endpoint did not answer 200"
}

# key FILE PATH: one value of a JSON report.
key() { awk -f "$here/json.awk" "$1" | awk -v path="$2" 'index($0, path "=") == 1 { print substr($0, length(path) + 2) }'; }

# expect FILE PATH VALUE
expect() {
    local found
    found=$(key "$1" "$2")
    [ "$found" = "$3" ] || fail "${1##*/}: $2 is '${found:-missing}', expected $3"
}

# expect_some FILE PATH: a number above zero.
expect_some() {
    local found
    found=$(key "$1" "$2")
    awk -v n="${found:-0}" 'BEGIN { exit !(n + 0 > 0) }' || fail "${1##*/}: $2 is '${found:-missing}', expected more than 0"
}

# load NAME SECONDS_MAX ARGUMENTS...: one run of the generator. Too slow (99) or unable to tell (4) is no
# failure here; whatever else is not a pass, is.
load() {
    local name=$1 seconds_max=$2 code
    shift 2
    timeout -k 2 "$seconds_max" "$loadgen" run "$@" --target "ws://$listen" --out "json=$scratch/$name.json" \
        >"$scratch/$name.log" 2>&1
    code=$?
    case $code in
        0) ;;
        4 | 99) echo "  exit $code, speed is not judged: $(sed -n '/^verdict:/,$p' "$scratch/$name.log" | tr '\n' ' ')" ;;
        *)
            fail "loadgen run $* ended with $code"
            tail -n 20 "$scratch/$name.log"
            ;;
    esac
    [ -s "$scratch/$name.json" ] || give_up "loadgen run $* wrote no report"
    expect "$scratch/$name.json" schema 1
    expect "$scratch/$name.json" conns.failed 0
    expect "$scratch/$name.json" conns.lost 0
    expect "$scratch/$name.json" messages.gaps 0
    expect "$scratch/$name.json" messages.duplicates 0
    expect "$scratch/$name.json" messages.reordered 0
    expect_some "$scratch/$name.json" messages.received
}

# Whether anybody has a seat, on any worker.
playing() {
    http /status | sed '1,/^\r*$/d' | awk -f "$here/json.awk" |
        awk -F= '/^workers\.[0-9]+\.players=/ { players += $2 } END { exit !players }'
}

echo "start"
start_server 127.0.0.1:0
echo "  listening on $listen, admin on $admin"
for path in /healthz /readyz /metrics /status; do expect_200 "$path"; done
http /status | sed '1,/^\r*$/d' >"$scratch/status.json"
expect "$scratch/status.json" pid "$server_pid"

echo "game: 100 bots, 4 s"
load game 40 game --conns 100 --rooms 4 --duration 4s
expect "$scratch/game.json" conns.connected 100
expect "$scratch/game.json" game.state_mismatches 0
expect_some "$scratch/game.json" game.input_to_effect_us.p50
expect_some "$scratch/game.json" game.snapshot_interval_us.p50
expect_some "$scratch/game.json" game.shots

echo "echo: 50 connections, 2 s"
load echo 40 echo --conns 50 --size 64 --duration 2s
expect "$scratch/echo.json" conns.connected 50
expect_some "$scratch/echo.json" latency_us.service.p50

echo "SIGTERM under load"
timeout -k 2 40 "$loadgen" run game --conns 100 --rooms 4 --duration 20s --target "ws://$listen" \
    --out "json=$scratch/drain.json" >"$scratch/drain.log" 2>&1 &
load_pid=$!
wait_for 10 playing || fail "nobody was playing 10 s after the load began"
kill -TERM "$server_pid"
if wait_for 8 gone "$server_pid"; then
    wait "$server_pid"
    code=$?
    [ $code -eq 0 ] || fail "the server ended with $code after SIGTERM"
else
    fail "the server was still there 8 s after SIGTERM with a drain timeout of 3 s"
    kill -9 "$server_pid"
fi
wait_for 30 gone "$load_pid" || fail "the load generator was still there 30 s after its server had gone"
wait "$load_pid"
load_pid=
if [ -s "$scratch/drain.json" ]; then
    awk -f "$here/json.awk" "$scratch/drain.json" | grep '^conns\.errors\.[0-9]*\.error=' | grep -q 1001 ||
        fail "drain.json: no bot reports close code 1001"
else
    fail "the load generator kept no report of the run its server left"
fi

echo "SIGKILL and start on the same port"
start_server 127.0.0.1:0
again=$listen
kill -9 "$server_pid"
wait "$server_pid" 2>/dev/null
start_server "$again"
[ "$listen" = "$again" ] || fail "asked for $again, listening on $listen"
expect_200 /healthz
kill -TERM "$server_pid"
wait_for 8 gone "$server_pid" || fail "an idle server was still there 8 s after SIGTERM"
wait "$server_pid" || fail "an idle server ended with $? after SIGTERM"
server_pid=

if [ $wrong -gt 0 ]; then
    echo "--- server.err"
    tail -n 30 "$scratch/server.err"
    echo "$wrong wrong"
    exit 1
fi
echo "all as expected"
