#!/bin/sh
# Tests tune.sh: on made-up machines (folders with the files it reads and writes), and in a network namespace
# of its own. This machine is never changed. Run from anywhere, whole or with the parts named (later ones need what earlier
# ones lay out); prints `N passed, N failed`.
set -u

# Who is started in the background without job control ignores INT and QUIT, and no shell takes that back.
if [ -z "${TUNE_TEST_SIGNALS:-}" ] && command -v perl >/dev/null; then
    TUNE_TEST_SIGNALS=default exec perl -e '@SIG{"INT", "QUIT"} = ("DEFAULT") x 2; exec @ARGV or die' sh "$0" "$@"
fi

here=$(cd "$(dirname "$0")" && pwd) || exit 1
# In memory where there is such a folder: tune.sh syncs what it writes.
scratch=$(mktemp -d /dev/shm/tickring-tuning.XXXXXX 2>/dev/null) || scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM
passed=0
failed=0
case_=''

. "$here/tests/fixture.sh"
. "$here/tests/few.sh"
parts=${*:-check explain_emit apply boot environment files values ceiling failures interrupted strangers killed table lock namespace}
for part in $parts; do
    if [ "$part" = namespace ]; then continue; fi
    if [ ! -f "$here/tests/$part.sh" ] || [ "$part" = fixture ] || [ "$part" = few ]; then
        echo "test.sh: no such part: $part; there are check explain_emit apply boot environment files values ceiling failures interrupted strangers killed table lock namespace" >&2
        exit 2
    fi
    # shellcheck source=/dev/null
    . "$here/tests/$part.sh"
done

# outside: what of this machine the test in the namespace must not have touched.
outside() {
    for name in fs/nr_open fs/file-max kernel/io_uring_disabled net/core/somaxconn net/core/netdev_max_backlog net/netfilter/nf_conntrack_max \
        net/netfilter/nf_conntrack_buckets net/ipv4/tcp_mem net/ipv4/tcp_wmem net/ipv4/tcp_rmem net/ipv4/tcp_max_orphans \
        net/ipv4/tcp_max_tw_buckets net/ipv4/tcp_max_syn_backlog net/ipv4/tcp_tw_reuse net/ipv4/ip_local_port_range net/ipv4/ip_local_reserved_ports; do
        echo "$name $(cat /proc/sys/$name 2>/dev/null)"
    done
    ls -l /etc/sysctl.d /etc/security/limits.d /var/lib/tickring-tuning 2>&1
}

# Real sysctls, in namespaces of their own. Forbidden in many containers: then said, and not counted as passed.
case " $parts " in
    *' namespace '*) ;;
    *) echo "$passed passed, $failed failed"; [ "$failed" -eq 0 ]; exit ;;
esac
if why=$(unshare -n -m --propagation private true 2>&1); then
    case_='this machine is as it was'
    outside >"$scratch/outside"
    unshare -n -m --propagation private sh "$here/tests/namespace.sh" >"$scratch/namespace" 2>&1
    grep -v '^counts ' "$scratch/namespace"
    counts=$(sed -n 's/^counts //p' "$scratch/namespace")
    case $counts in
        *' '*) passed=$((passed + ${counts% *})) failed=$((failed + ${counts#* })) ;;
        *) bad "the test in the namespace ended early" ;;
    esac
    outside >"$scratch/out"
    if diff "$scratch/outside" "$scratch/out" >"$scratch/err"; then ok; else bad "the test in the namespace changed this machine"; fi
else
    echo "note: 1 skipped: apply on real sysctls, in a network namespace: $why (run as root, outside a container)"
fi

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
