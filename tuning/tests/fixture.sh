# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # variables of the other parts
# A made-up machine below $scratch/fake, and what can be said about a run of tune.sh on it.

ok() { passed=$((passed + 1)); }
bad() {
    failed=$((failed + 1))
    echo "FAIL: $case_: $1"
    cat "$scratch/out" "$scratch/err" 2>/dev/null | tail -n 40 | sed 's/^/    | /'
}

# Who runs tune.sh: it asks id, and is told this. So the tests need no root, and never act as it by chance.
user=0
mkdir "$scratch/bin"
cat >"$scratch/bin/id" <<ID
#!/bin/sh
cat "$scratch/user"
ID
chmod 755 "$scratch/bin/id"
PATH=$scratch/bin:$PATH

# machine: a fresh one, four processors, 8 GB, Linux 6.8, long listen queues, otherwise usual values.
machine() {
    rm -rf "$scratch/fake"
    mkdir -p "$scratch/fake/proc/self" "$scratch/fake/proc/1" "$scratch/fake/etc/sysctl.d" "$scratch/fake/etc/security/limits.d" \
        "$scratch/fake/var/lib"
    put kernel.osrelease 6.8.0-test
    put fs.nr_open 1048576
    put fs.file-max 2000000
    put net.core.somaxconn 65535
    put net.core.netdev_max_backlog 65535
    put net.ipv4.tcp_max_syn_backlog 65535
    put net.ipv4.tcp_max_tw_buckets 2000000
    put net.ipv4.tcp_max_orphans 2000000
    put net.ipv4.tcp_mem "290000	380000	570000"
    put net.ipv4.tcp_wmem "4096	16384	4194304"
    put net.ipv4.tcp_rmem "4096	131072	6291456"
    put net.ipv4.tcp_notsent_lowat 4294967295
    put net.ipv4.tcp_slow_start_after_idle 1
    put net.ipv4.tcp_fin_timeout 60
    put net.ipv4.ip_unprivileged_port_start 1024
    put net.ipv4.ip_local_port_range "32768	60999"
    put net.ipv4.ip_local_reserved_ports ""
    put net.ipv4.tcp_tw_reuse 2
    put kernel.io_uring_disabled 0
    limits 1048576
    printf 'processor\t: 0\n\nprocessor\t: 1\n\nprocessor\t: 2\n\nprocessor\t: 3\n' >"$scratch/fake/proc/cpuinfo"
    printf '55c0-55c1 r--p 00000000 08:01 1 /bin/sh\nSize: 4 kB\nKernelPageSize:        4 kB\n' >"$scratch/fake/proc/self/smaps"
    printf 'MemTotal:       8000000 kB\nMemFree: 1 kB\n' >"$scratch/fake/proc/meminfo"
    printf 'proc /proc proc rw,nosuid 0 0\n' >"$scratch/fake/proc/self/mounts"
    echo 0 >"$scratch/user"
    unset TUNE_HOOK
}

# small_machine: nearly everything is too small for 20,000 over one worker.
small_machine() {
    machine
    put fs.nr_open 10000
    put fs.file-max 20000
    put net.core.somaxconn 128
    put net.core.netdev_max_backlog 1000
    put net.ipv4.tcp_max_syn_backlog 512
    put net.ipv4.tcp_max_tw_buckets 5000
    put net.ipv4.tcp_max_orphans 5000
    put net.ipv4.tcp_mem "100	200	300"
    put net.ipv4.tcp_wmem "4096	16384	100000"
    put net.ipv4.tcp_rmem "4096	16384	100000"
    put net.ipv4.ip_local_reserved_ports "80,32768-32777"
    put net.ipv4.tcp_tw_reuse 0
    put net.netfilter.nf_conntrack_max 16384
    put net.netfilter.nf_conntrack_buckets 4096
    limits 1024
    chmod 600 "$scratch/fake/proc/sys/net/core/somaxconn"
    # Of the operator: without an end of line, and not for everybody to read.
    printf '# ours\nvm.swappiness = 10' >"$scratch/fake/etc/sysctl.d/90-tickring.conf"
    chmod 640 "$scratch/fake/etc/sysctl.d/90-tickring.conf"
}

put() { # sysctl value
    rest=$1 file=$scratch/fake/proc/sys
    while [ "${rest#*.}" != "$rest" ]; do file=$file/${rest%%.*} rest=${rest#*.}; done
    [ -d "$file" ] || mkdir -p "$file"
    echo "$2" >"$file/$rest"
}

# as_booted: a file of the operator gives the next boot what is in force now and more than the kernel's own.
as_booted() {
    for name in net.ipv4.tcp_max_syn_backlog net.ipv4.tcp_max_tw_buckets net.ipv4.tcp_max_orphans net.core.netdev_max_backlog; do
        echo "$name = $(cat "$scratch/fake/proc/sys/$(echo "$name" | tr . /)")"
    done >"$scratch/fake/etc/sysctl.d/10-booted.conf"
}

has() { # sysctl value
    file=$scratch/fake/proc/sys/$(echo "$1" | tr . /)
    if [ "$(cat "$file")" = "$2" ]; then ok; else bad "$1 is '$(cat "$file")', expected '$2'"; fi
}

without() { rm -f "$scratch/fake/proc/sys/$(echo "$1" | tr . /)"; }

limits() { # hard limit of open files [of process 1]
    for process in self 1; do
        cat >"$scratch/fake/proc/$process/limits" <<LIMITS
Limit                     Soft Limit           Hard Limit           Units
Max open files            1024                 $1              files
Max locked memory         8388608              8388608              bytes
LIMITS
        [ $# -eq 1 ] || shift
    done
}

# tune EXIT ARGUMENTS...: runs it there and checks how it ends.
tune() {
    expected=$1
    shift
    TUNE_ROOT=$scratch/fake TUNE_HOOK=${TUNE_HOOK:-} sh "$here/tune.sh" "$@" >"$scratch/out" 2>"$scratch/err"
    code=$?
    if [ $code -eq "$expected" ]; then ok; else bad "ended with $code, expected $expected: tune.sh $*"; fi
}

# verdict KNOB WORD: what the table of the last check says.
verdict() {
    if grep -Eq "^$1 .* $2( |\$)" "$scratch/out"; then ok; else bad "$1 is not '$2'"; fi
}

says() { if grep -Fq -- "$1" "$scratch/out"; then ok; else bad "does not say: $1"; fi; }
complains() { if grep -Fq -- "$1" "$scratch/err"; then ok; else bad "does not complain: $1"; fi; }
never_says() { if grep -Fq -- "$1" "$scratch/out"; then bad "says: $1"; else ok; fi; }

# refuses PATTERN ARGUMENTS...: a wrong command line, with nothing on standard output.
refuses() {
    pattern=$1
    shift
    tune 2 "$@"
    if [ -s "$scratch/out" ]; then bad "printed to standard output: tune.sh $*"; else ok; fi
    complains "$pattern"
}

is_json() {
    if awk -f "$here/../tests/json.awk" "$scratch/out" | grep -q '^error='; then bad "is not JSON"; else ok; fi
    # The flattener forgives much; a program does not.
    if command -v python3 >/dev/null 2>&1; then
        if python3 -m json.tool "$scratch/out" >/dev/null 2>&1; then ok; else bad "is not JSON for python"; fi
    fi
}

# snapshot NAME: every name, kind, mode, owner and byte below the made-up root, into $scratch/NAME.
snapshot() {
    (cd "$scratch/fake" && find . -exec stat -c '%n %F %a %u %g' {} + && find . -type f -exec sha256sum {} +) |
        LC_ALL=C sort >"$scratch/$1"
}

# unchanged WHAT: the machine is byte for byte what it was at `snapshot before`.
unchanged() {
    snapshot after
    if diff "$scratch/before" "$scratch/after" >"$scratch/difference"; then ok; else
        bad "$1: not as it was: $(head -n 6 "$scratch/difference")"
    fi
}
