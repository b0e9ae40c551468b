#!/bin/sh
# Tests tune.sh on made-up machines: a folder with the files it would read, so the result depends on
# no machine. Run from anywhere; prints `N passed, N failed`.
set -u

here=$(cd "$(dirname "$0")" && pwd) || exit 1
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
passed=0
failed=0

ok() { passed=$((passed + 1)); }
bad() {
    failed=$((failed + 1))
    echo "FAIL: $case_: $1"
    sed 's/^/    | /' "$scratch/out" "$scratch/err"
}

# machine: a fresh one, four processors, Linux 6.8, long listen queues, otherwise usual values.
machine() {
    rm -rf "$scratch/root"
    mkdir -p "$scratch/root/proc/self"
    put kernel.osrelease 6.8.0-test
    put fs.nr_open 1048576
    put fs.file-max 2000000
    put net.core.somaxconn 65535
    put net.ipv4.tcp_max_syn_backlog 65535
    put net.ipv4.tcp_mem "290000	380000	570000"
    put net.ipv4.tcp_wmem "4096	16384	4194304"
    put net.ipv4.tcp_rmem "4096	131072	6291456"
    put net.ipv4.ip_local_port_range "32768	60999"
    put net.ipv4.ip_local_reserved_ports ""
    put net.ipv4.tcp_tw_reuse 2
    put kernel.io_uring_disabled 0
    limits 1048576
    printf 'processor\t: 0\n\nprocessor\t: 1\n\nprocessor\t: 2\n\nprocessor\t: 3\n' >"$scratch/root/proc/cpuinfo"
}

put() { # sysctl value
    file=$scratch/root/proc/sys/$(echo "$1" | tr . /)
    mkdir -p "$(dirname "$file")"
    echo "$2" >"$file"
}

without() { rm -f "$scratch/root/proc/sys/$(echo "$1" | tr . /)"; }

limits() { # hard limit of open files
    cat >"$scratch/root/proc/self/limits" <<LIMITS
Limit                     Soft Limit           Hard Limit           Units
Max open files            1024                 $1              files
Max locked memory         8388608              8388608              bytes
LIMITS
}

# tune EXIT ARGUMENTS...: runs it there and checks how it ends.
tune() {
    expected=$1
    shift
    TUNE_ROOT=$scratch/root sh "$here/tune.sh" "$@" >"$scratch/out" 2>"$scratch/err"
    code=$?
    if [ $code -eq "$expected" ]; then ok; else bad "ended with $code, expected $expected: tune.sh $*"; fi
}

# verdict KNOB WORD: what the table of the last check says.
verdict() {
    if grep -Eq "^$1 .* $2( |\$)" "$scratch/out"; then ok; else bad "$1 is not '$2'"; fi
}

says() { if grep -Fq -- "$1" "$scratch/out"; then ok; else bad "does not say: $1"; fi; }
never_says() { if grep -Fq -- "$1" "$scratch/out"; then bad "says: $1"; else ok; fi; }

# refuses PATTERN ARGUMENTS...: a wrong command line, with nothing on standard output.
refuses() {
    pattern=$1
    shift
    tune 2 "$@"
    if [ -s "$scratch/out" ]; then bad "printed to standard output: tune.sh $*"; else ok; fi
    if grep -Fq -- "$pattern" "$scratch/err"; then ok; else bad "does not name '$pattern': tune.sh $*"; fi
}

case_="a usual machine carries a thousand"
machine
for role in server client both; do
    put net.ipv4.tcp_tw_reuse 1
    tune 0 check --role $role --conns 1000
    says "0 fail"
    tune 0 plan --role $role --conns 1000
    says "nothing to change"
done

case_="roles see their own knobs"
machine
tune 0 check --role server --conns 1000
never_says ip_local_port_range
says net.core.somaxconn
tune 1 check --role client --conns 1000
says ip_local_port_range
never_says net.core.somaxconn

case_="descriptors: hard limit per worker, a quarter to spare"
machine
limits 20000
tune 0 check --role server --conns 60000
verdict RLIMIT_NOFILE ok
tune 2 check --role server --conns 60000 --workers 2
verdict RLIMIT_NOFILE fail
says ">= 37756"
tune 0 plan --role server --conns 60000 --workers 2
says "LimitNOFILE=37756"
says "--workers 4"
limits unlimited
tune 0 check --role server --conns 60000 --workers 2

case_="nr_open bounds the limit"
machine
put fs.nr_open 20000
tune 2 check --role server --conns 60000 --workers 1
verdict fs.nr_open fail
tune 0 plan --role server --conns 60000 --workers 1
says "sysctl -w 'fs.nr_open=75256'"

case_="file-max counts both ends on one machine"
machine
put fs.file-max 100000
tune 0 check --role server --conns 60000
tune 2 check --role both --conns 60000
says ">= 128192"

case_="ports: 28,232 by default, 64,512 from 1024"
machine
tune 1 check --role client --conns 28232
verdict net.ipv4.ip_local_port_range ok
tune 2 check --role client --conns 28233
verdict net.ipv4.ip_local_port_range fail
says "28232 ports"
tune 1 check --role client --conns 28233 --sources 2
put net.ipv4.ip_local_port_range "1024	65535"
tune 1 check --role client --conns 64512
says "64512 ports"
tune 2 check --role client --conns 64513
says "use 2 addresses or more"

case_="reserved ports are not usable"
machine
put net.ipv4.ip_local_reserved_ports "80,32768-32777,60999"
tune 1 check --role client --conns 28221
tune 2 check --role client --conns 28222
says "28221 ports"
tune 0 plan --role client --conns 28222
says "ip_local_reserved_ports=80,32768-32777,60999,9001-9002"

case_="on loopback the client spreads over source addresses by itself"
machine
tune 0 check --role both --conns 60000
says "3 source address(es)"

case_="TIME_WAIT: 2 reuses on loopback only"
machine
tune 1 check --role client --conns 1000
verdict net.ipv4.tcp_tw_reuse warn
tune 0 check --role both --conns 1000
put net.ipv4.tcp_tw_reuse 0
tune 1 check --role both --conns 1000
says "1 or 2"

case_="a short listen queue warns, and only raises"
machine
put net.core.somaxconn 128
tune 0 check --role server --conns 1000
tune 1 check --role server --conns 20000
verdict net.core.somaxconn warn
says ">= 2500"
tune 0 plan --role server --conns 20000
says "net.core.somaxconn=2500"
never_says tcp_max_syn_backlog
limits unlimited
put net.core.somaxconn 65534
put net.ipv4.tcp_mem "1 2 9999999"
tune 1 check --role server --conns 1000000
says ">= 65535"

case_="connection tracking: absent is fine, full is not"
machine
tune 0 check --role server --conns 20000
says "connection tracking is not loaded"
put net.netfilter.nf_conntrack_max 20000
tune 2 check --role server --conns 20000
verdict net.netfilter.nf_conntrack_max fail

case_="io_uring forbidden, and older than the knob"
machine
put kernel.io_uring_disabled 2
tune 2 check --role server --conns 100
verdict kernel.io_uring_disabled fail
without kernel.io_uring_disabled
tune 1 check --role server --conns 100
put kernel.osrelease 6.1.0
tune 0 check --role server --conns 100
says "since 6.6"

case_="TCP memory: the third field, the others kept"
machine
put net.ipv4.tcp_mem "100	200	300"
tune 1 check --role server --conns 1000
verdict net.ipv4.tcp_mem warn
tune 0 plan --role server --conns 1000
says "net.ipv4.tcp_mem=100 200 4000"

case_="advice is never a command"
machine
tune 0 plan --role server --conns 1000
never_says notsent_lowat

case_="nothing readable warns, and does not stop"
rm -rf "$scratch/root"
mkdir "$scratch/root"
tune 1 check --role server --conns 1000
says "cannot be read here"

case_="JSON says the same"
machine
limits 500
tune 2 check --role both --conns 5000 --json
says '"schema": 1'
says '"verdict": "fail"'
says '"name": "RLIMIT_NOFILE", "current": "500", "wanted": ">= 1818", "verdict": "fail"'
if awk -f "$here/../tests/json.awk" "$scratch/out" | grep -q '^error='; then bad "is not JSON"; else ok; fi
knobs=$(awk -f "$here/../tests/json.awk" "$scratch/out" | grep -c '^knobs\.[0-9]*\.name=')
rows=$(grep -vc '^#' "$here/knobs.tsv")
if [ "$knobs" -eq "$rows" ]; then ok; else bad "$knobs knobs in the JSON, $rows in the table"; fi
tune 0 plan --role both --conns 5000 --json
says '"verb": "plan"'

case_="every row has every column"
columns=$(sed -n 2p "$here/knobs.tsv" | awk -F'\t' '{ print NF }')
: >"$scratch/err"
awk -F'\t' -v n="$columns" '!/^#/ { if (NF != n) print NR ": " NF " columns"; for (i = 1; i <= NF; i++) if ($i == "") print NR ": column " i " is empty" }' \
    "$here/knobs.tsv" >"$scratch/out"
if [ -s "$scratch/out" ]; then bad "knobs.tsv is not even"; else ok; fi

case_="wrong command lines are refused by name"
machine
refuses "check or plan"
refuses "unknown verb 'tune'" tune
refuses "--role is missing" check --conns 10
refuses "not 'boss'" check --role boss --conns 10
refuses "--conns is missing" check --role server
refuses "'ten'" check --role server --conns ten
refuses "'-5'" check --role server --conns -5
refuses "'0'" check --role server --conns 0
refuses "'007'" check --role server --conns 007
refuses "at most 100000000" check --role server --conns 99999999999999999999
refuses "--conns wants a value" check --role server --conns
refuses "unknown option '--force'" check --role server --conns 10 --force
refuses "'1;id'" check --role server --conns '1;id'
for verb in explain apply verify rollback emit; do
    refuses "'$verb' is not in this version" $verb --role server --conns 10
done

case_="help"
tune 0 --help
says "Exit status"

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
