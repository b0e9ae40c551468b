#!/bin/sh
# shellcheck disable=SC2034,SC2154 # variables of the fixture
# The same on real sysctls. test.sh starts this in a network and a mount namespace of its own: net.* of the
# namespace is really changed, /etc is a copy, /var/lib is empty, and what belongs to the whole machine
# (fs, kernel, conntrack) is made up, so nothing outside is touched. Ends with `counts PASSED FAILED`.
set -u

here=$(cd "$(dirname "$0")/.." && pwd) || exit 1
scratch=$(mktemp -d /dev/shm/tickring-tuning.XXXXXX 2>/dev/null) || scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
passed=0
failed=0
# shellcheck source=/dev/null # it is checked by itself
. "$here/tests/fixture.sh"
echo 0 >"$scratch/user"

# ---- nothing outside ---------------------------------------------------------------------------

made_up() { # folder: hides it behind an empty one of ours
    mkdir -p "$scratch/over$1" && mount --bind "$scratch/over$1" "$1" && : >"$1/made-up"
}

enclosed() {
    [ "$(readlink /proc/self/ns/net)" != "$(readlink /proc/1/ns/net)" ] || return 1
    [ "$(readlink /proc/self/ns/mnt)" != "$(readlink /proc/1/ns/mnt)" ] || return 1
    mkdir "$scratch/etc" && cp -a /etc/. "$scratch/etc" && mount --bind "$scratch/etc" /etc || return 1
    made_up /var/lib && made_up /proc/sys/fs && made_up /proc/sys/kernel || return 1
    if [ -d /proc/sys/net/netfilter ]; then made_up /proc/sys/net/netfilter || return 1; fi
    for folder in /var/lib /proc/sys/fs /proc/sys/kernel; do [ -e "$scratch/over$folder/made-up" ] || return 1; done
}

release=$(cat /proc/sys/kernel/osrelease)
if ! enclosed; then
    echo "note: 1 skipped: apply on real sysctls: the namespaces do not enclose it"
    echo "counts 0 0"
    exit 0
fi
echo "$release" >/proc/sys/kernel/osrelease
echo 0 >/proc/sys/kernel/io_uring_disabled
echo 50000 >/proc/sys/fs/nr_open
echo 100000 >/proc/sys/fs/file-max
ip link set lo up 2>/dev/null

# ---- runs --------------------------------------------------------------------------------------

# tune EXIT ARGUMENTS...: on the whole of the namespace.
tune() {
    expected=$1
    shift
    TUNE_ROOT=/ TUNE_HOOK=${TUNE_HOOK:-} sh "$here/tune.sh" "$@" >"$scratch/out" 2>"$scratch/err"
    code=$?
    if [ $code -eq "$expected" ]; then ok; else bad "ended with $code, expected $expected: tune.sh $*"; fi
}

# Every sysctl of the namespace that can be read, and every file of /etc and /var/lib.
snapshot() {
    for folder in /proc/sys/net /proc/sys/fs /etc /var/lib; do
        find $folder -exec stat -c '%n %F %a %u %g' {} +
        find $folder -type f -exec sha256sum {} + 2>/dev/null
    done | LC_ALL=C sort >"$scratch/$1"
}

has() { # sysctl value
    value=$(cat "/proc/sys/$(echo "$1" | tr . /)")
    if [ "$(echo "$value" | tr '\t' ' ')" = "$2" ]; then ok; else bad "$1 is '$value', expected '$2'"; fi
}

MANY="--role both --conns 100000 --workers 1 --sources 2"

case_="namespace: apply, verify, rollback, and byte for byte as it was"
echo 300 >/proc/sys/net/core/somaxconn
echo 80,32768-32777 >/proc/sys/net/ipv4/ip_local_reserved_ports
echo 1000 >/proc/sys/net/ipv4/tcp_max_tw_buckets
echo 0 >/proc/sys/net/ipv4/tcp_tw_reuse
echo "4096 16384 100000" >/proc/sys/net/ipv4/tcp_wmem
# Logins, and this shell, have too little, whatever this machine gives them.
mkdir -p /etc/security
printf '* hard nofile 1024\nroot hard nofile 1024\n' >>/etc/security/limits.conf
# shellcheck disable=SC3045 # -n is in every shell this meets
[ "$(ulimit -H -n)" -le 20000 ] || ulimit -n 20000
# Where root may not raise a limit, what is applied does not suffice.
fits=0
# shellcheck disable=SC3045 # -n is in every shell this meets
(ulimit -n 130000) 2>/dev/null || fits=1
snapshot before
if [ "$(grep -c /proc/sys/net/ "$scratch/before")" -ge 100 ]; then ok; else bad "the snapshot has no sysctls"; fi
# shellcheck disable=SC2086 # several words on purpose, here and below
tune $fits apply $MANY
has net.core.somaxconn 12500
has net.ipv4.tcp_max_tw_buckets 100000
has net.ipv4.tcp_tw_reuse 2
tune $fits apply --role client --conns 100000 --workers 1 --sources 2
has net.ipv4.ip_local_port_range "1024 65535"
has net.ipv4.ip_local_reserved_ports "80,9001-9002,32768-32777"
has net.ipv4.tcp_wmem "4096 16384 262144"
has fs.nr_open 125256
if grep -q '^net.core.somaxconn = 12500' /etc/sysctl.d/90-tickring.conf; then ok; else bad "no sysctl.d file"; fi
if grep -q '^root hard nofile ' /etc/security/limits.d/90-tickring.conf; then ok; else bad "no limits.d file"; fi
# shellcheck disable=SC2086
tune $fits apply $MANY
says "nothing to change"

# Over more workers, so that the limit of this shell, which is real, suffices.
# shellcheck disable=SC3045 # -n is in every shell this meets
if (ulimit -S -n 9000) 2>/dev/null; then
    # shellcheck disable=SC2086
    TUNE_ROOT=/ sh "$here/tune.sh" verify $MANY --workers 16 >"$scratch/out" 2>"$scratch/err"
    if [ $? -le 1 ]; then ok; else bad "verify fails after apply"; fi
    says "a process may have 8068 open files"
    if perl -MSocket -e 1 2>/dev/null; then
        says "8068 of 8068 open at once"
        says "a listener that asks for 65535 gets 12500"
        says "connected from port 1024"
        says "connected from port 65535"
    fi
fi
tune 0 rollback
unchanged "after rollback"

case_="namespace: verify finds a queue that is too short, whatever the file says"
# shellcheck disable=SC2086
tune 2 verify $MANY
if perl -MSocket -e 1 2>/dev/null; then says "gets 300, wanted 12500"; fi

case_="namespace: a value that the kernel refuses (EINVAL)"
awk -F'\t' -v OFS='\t' '$1 == "net.ipv4.tcp_tw_reuse" { $4 = "7" } { print }' "$here/knobs.tsv" >"$scratch/wrong.tsv"
TUNE_TABLE=$scratch/wrong.tsv
export TUNE_TABLE
# shellcheck disable=SC2086
tune 5 apply $MANY
unset TUNE_TABLE
complains "net.ipv4.tcp_tw_reuse = 7 was refused"
complains "nvalid argument"
complains "nothing is half-applied"
unchanged "after EINVAL"

case_="namespace: a sysctl on a read-only mount (EROFS)"
mount --bind /proc/sys/net/ipv4 /proc/sys/net/ipv4 && mount -o remount,bind,ro /proc/sys/net/ipv4
# shellcheck disable=SC2086
tune 5 apply $MANY
complains "ead-only file system"
unchanged "after EROFS"
umount /proc/sys/net/ipv4

case_="namespace: /proc/sys read-only as in a container"
mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys
# shellcheck disable=SC2086
tune 4 apply $MANY
complains "a container"
umount /proc/sys
unchanged "in a container"

case_="namespace: interrupted and killed half-way"
for point in 4 7 10 12; do
    TUNE_HOOK="[ \$TUNE_POINT != $point ] || kill -INT \$PPID"
    # shellcheck disable=SC2086
    tune 130 apply $MANY
    unchanged "interrupted at point $point"
    TUNE_HOOK="[ \$TUNE_POINT != $point ] || kill -9 \$PPID"
    # shellcheck disable=SC2086
    tune 137 apply $MANY
    unset TUNE_HOOK
    tune 0 rollback
    unchanged "killed at point $point"
done

case_="namespace: a long list of reserved ports, written by its owner piece by piece, stays as it is"
: >"$scratch/ports"
awk 'BEGIN { for (i = 10001; i < 14001; i += 2) printf "%s%d%s", (i % 1000 == 1 ? "" : ","), i, (i % 1000 == 999 ? "\n" : "") }' >"$scratch/ports"
{ while IFS= read -r piece; do echo "$piece"; done <"$scratch/ports"; } >/proc/sys/net/ipv4/ip_local_reserved_ports
if [ "$(wc -c </proc/sys/net/ipv4/ip_local_reserved_ports)" -gt 10000 ]; then ok; else bad "the list is not long"; fi
snapshot before
tune 1 apply --role client --conns 100000 --workers 1 --sources 2
says "apply leaves it, since net.ipv4.ip_local_reserved_ports has more than"
tune 0 rollback
unchanged "a long list of reserved ports"
echo 80 >/proc/sys/net/ipv4/ip_local_reserved_ports

if bash -c : 2>/dev/null; then
    case_="namespace: a shell that keeps here-documents in files, and no room for files"
    # Where /tmp is another one, a checkout below it is not to be found.
    cp -R "$here" "$scratch/copy"
    mkdir "$scratch/full"
    mount -t tmpfs -o size=4k tmpfs "$scratch/full"
    head -c 4096 /dev/zero >"$scratch/full/all" 2>/dev/null
    mount --bind "$scratch/full" /tmp && mount --bind "$scratch/full" /var/tmp
    snapshot before
    for command in "apply $MANY" "rollback"; do
        # shellcheck disable=SC2086
        (cd "$scratch/full" && BASH_COMPAT=4.4 TMPDIR=$scratch/full TUNE_ROOT=/ bash "$scratch/copy/tune.sh" $command) >"$scratch/out" 2>"$scratch/err"
        code=$?
        if [ $code -le $fits ]; then ok; else bad "ended with $code: $command"; fi
        [ "$command" = rollback ] || has net.core.somaxconn 12500
    done
    unchanged "after rollback without room"
    umount /tmp /var/tmp "$scratch/full"
fi

case_="namespace: verify says what it cannot try, and why"
ip link set lo down 2>/dev/null
for locale in C xx_YY.UTF-8; do
    # shellcheck disable=SC2086
    LC_ALL=$locale TUNE_ROOT=/ TICKRING_SERVER=/bin/true sh "$here/tune.sh" verify $MANY --json >"$scratch/out" 2>"$scratch/err"
    is_json
    says "does not speak of io_uring"
    if perl -MSocket -e 1 2>/dev/null; then
        says "is the interface lo up?"
        says "open at once"
        never_says "perl says"
    fi
done
ip link set lo up 2>/dev/null
# shellcheck disable=SC2086
TUNE_ROOT=/ TICKRING_SERVER=/no/such/server sh "$here/tune.sh" verify $MANY >"$scratch/out" 2>"$scratch/err"
says "TICKRING_SERVER is /no/such/server, and there is no such program"

echo "counts $passed $failed"
