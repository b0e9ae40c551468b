# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # variables of the other parts
# What is in force by now and in no file: after an apply that was killed, or set by hand.

SERVER="--role server --conns 20000 --workers 1"

# settings_of FILE: its lines `key = value`, ordered.
settings_of() { grep '=' "$1" | grep -v '^#' | sort; }

# same_file WHAT: our file says what it says after an apply that nobody stopped.
same_file() {
    settings_of "$ours" >"$scratch/said"
    if diff "$scratch/whole" "$scratch/said" >"$scratch/difference"; then ok; else bad "$1: $(head -n 6 "$scratch/difference")"; fi
}

case_="an apply that is killed, and then repeated: the file has all that is in force, not only what the second one set"
small_machine
snapshot before
# shellcheck disable=SC2086 # several words on purpose, here and below
tune 0 apply $SERVER
settings_of "$ours" >"$scratch/whole"
if [ "$(wc -l <"$scratch/whole")" -ge 12 ]; then ok; else bad "the file has too little in it"; fi
tune 0 rollback
TUNE_HOOK="[ \$TUNE_POINT -ne 12 ] || kill -9 \$PPID"
# shellcheck disable=SC2086
tune 137 apply $SERVER
unset TUNE_HOOK
# shellcheck disable=SC2086
tune 2 verify $SERVER
says "fs.nr_open = 25256 is lost then, since no file of sysctl.d sets it"
# shellcheck disable=SC2086
tune 0 apply $SERVER
same_file "killed"
says "in no file that a boot reads: fs.nr_open"
# shellcheck disable=SC2086
tune 0 apply $SERVER
says "nothing to change"
# shellcheck disable=SC2086
tune 2 verify $SERVER
never_says "the next boot"
tune 0 rollback
unchanged "killed"

case_="the ports: reserved and range are both in the file, wherever the first apply was killed"
small_machine
snapshot before
tune 0 apply --role client --conns 40000 --workers 1
settings_of "$ours" >"$scratch/whole"
tune 0 rollback
for key in reserved_ports port_range; do
    small_machine
    TUNE_HOOK="case \$(cat $scratch/fake/proc/sys/net/ipv4/ip_local_$key) in *9001*|1024*) kill -9 \$PPID;; esac"
    tune 137 apply --role client --conns 40000 --workers 1
    unset TUNE_HOOK
    tune 0 apply --role client --conns 40000 --workers 1
    same_file "killed after $key"
    tune 0 rollback
    unchanged "killed after $key"
done

case_="values that somebody set by hand: what the kernel would not have by itself is written, and the rest is not"
machine
put net.core.somaxconn 30000
snapshot before
tune 0 plan --role server --conns 200000 --workers 1
says "net.core.somaxconn (network namespace): 30000, wanted >= 25000  [ok now, not after the next boot]"
says "echo 'net.core.somaxconn = 30000' >> $scratch/fake/etc/sysctl.d/90-tickring.conf"
says "all at once"
never_says "nothing to change"
tune 0 plan --role server --conns 200000 --workers 1 --json
is_json
says "\"commands\": [\"echo 'net.core.somaxconn = 30000' >> $scratch/fake/etc/sysctl.d/90-tickring.conf\"]"
tune 1 verify --role server --conns 200000 --workers 1
says "net.core.somaxconn = 30000 is lost then, since no file of sysctl.d sets it"
never_says "fs.file-max = "
tune 0 apply --role server --conns 200000 --workers 1
in_file "$ours" "net.core.somaxconn = 30000"
in_file "$ours" "net.ipv4.tcp_max_tw_buckets = 2000000"
# Of 8 GB there are a tenth for files, whatever is set, and what 200,000 need of tcp_mem is set.
not_in_file "$ours" "fs.file-max"
not_in_file "$ours" "tcp_wmem"
has net.core.somaxconn 30000
tune 0 rollback
unchanged "after rollback"
# A file of the operator says enough, or too little: then ours has what is in force.
echo 'net.core.somaxconn = 25000' >"$theirs/50-operator.conf"
tune 1 verify --role server --conns 200000 --workers 1
never_says "somaxconn = 30000 is lost"
echo 'net.core.somaxconn = 24999' >"$theirs/60-operator.conf"
tune 1 verify --role server --conns 200000 --workers 1
says "60-operator.conf says net.core.somaxconn = 24999, wanted >= 25000"
tune 0 apply --role server --conns 200000 --workers 1
in_file "$ours" "net.core.somaxconn = 30000"
tune 1 verify --role server --conns 200000 --workers 1
never_says "the next boot"

case_="our file was removed: the next apply writes all of it anew"
small_machine
rm "$ours"
# shellcheck disable=SC2086
tune 0 apply $SERVER
settings_of "$ours" >"$scratch/whole"
rm "$ours"
# shellcheck disable=SC2086
tune 0 apply $SERVER
same_file "removed"
has fs.nr_open 25256
tune 0 rollback
has fs.nr_open 10000

case_="a value that the kernel rounds up is taken for what it is, and put back"
mkdir "$scratch/rounding"
cat >"$scratch/rounding/tee" <<TEE
#!/bin/sh
case \$1 in
    */nf_conntrack_buckets)
        read -r value
        [ "\$value" -lt 50000 ] || value=\$((value + \${ROUND_ADD:-0}))
        echo \$((value - (value - 1) % 512 + 511)) >"\$1" ;;
    *) exec $(command -v tee) "\$@" ;;
esac
TEE
chmod 755 "$scratch/rounding/tee"
usual_path=$PATH
machine
put net.netfilter.nf_conntrack_buckets 4096
put net.netfilter.nf_conntrack_max 262144
echo 'net.netfilter.nf_conntrack_buckets = 100000' >"$theirs/10-fw.conf"
snapshot before
PATH=$scratch/rounding:$PATH
# shellcheck disable=SC2086
tune 0 apply $SERVER
has net.netfilter.nf_conntrack_buckets 100352
says "the kernel made 100352 of it"
# shellcheck disable=SC2086
tune 1 verify $SERVER
never_says "changed since"
# shellcheck disable=SC2086
tune 0 apply $SERVER
says "nothing to change"
tune 0 rollback
unchanged "after rollback"
# Less than was asked for is a refusal.
ROUND_ADD=-50000
export ROUND_ADD
# shellcheck disable=SC2086
tune 5 apply $SERVER
complains "was refused: the kernel made '50176' of it"
PATH=$usual_path
unset ROUND_ADD
has net.netfilter.nf_conntrack_buckets 4096
unchanged "made less"

case_="a file that is read after ours and says less: apply, plan and check say that the next boot will have that, and what to do"
small_machine
echo 'net.core.somaxconn = 100' >"$theirs/99-z.conf"
snapshot before
# shellcheck disable=SC2086
tune 0 plan $SERVER
says "/etc/sysctl.d/99-z.conf is read after 90-tickring.conf and says net.core.somaxconn = 100, wanted >= 2500"
# What only slows down does not keep N from fitting.
# shellcheck disable=SC2086
tune 0 apply $SERVER
has net.core.somaxconn 2500
says "warn      net.core.somaxconn is 2500 now (/etc/sysctl.d/99-z.conf is read after 90-tickring.conf and says net.core.somaxconn = 100, wanted >= 2500, and the next boot has that: take it out there, then run apply again)"
# Without our file there is nothing to add to it: that would not help.
rm "$ours"
# shellcheck disable=SC2086
tune 0 plan $SERVER
says "net.core.somaxconn (network namespace): 2500, wanted >= 2500  [ok now, not after the next boot]"
says "  note:    /etc/sysctl.d/99-z.conf is read after"
never_says "net.core.somaxconn = 2500"
never_says "nothing to change"
# shellcheck disable=SC2086
tune 0 plan $SERVER --json
is_json
says '"verdict": "ok", "note": "/etc/sysctl.d/99-z.conf is read after'
# shellcheck disable=SC2086
tune 2 check $SERVER
says "/etc/sysctl.d/99-z.conf is read after"
# shellcheck disable=SC2086
tune 0 apply $SERVER
not_in_file "$ours" somaxconn
rm "$theirs/99-z.conf"
# shellcheck disable=SC2086
tune 0 apply $SERVER
in_file "$ours" "net.core.somaxconn = 2500"
never_says "is read after"

case_="what a later file says of a setting without which N does not fit ends apply with 1, and what is enough with 0"
small_machine
echo 'net.netfilter.nf_conntrack_max = 9000' >"$theirs/99-z.conf"
echo 'fs.file-max = 30000' >"$scratch/fake/etc/sysctl.conf"
echo 'net.core.somaxconn = 2500' >>"$theirs/99-z.conf"
for times in first second; do
    # shellcheck disable=SC2086
    tune 1 apply $SERVER
    says "fail      net.netfilter.nf_conntrack_max is 33192 now (/etc/sysctl.d/99-z.conf is read after"
    never_says "still do not fit"
    says "20000 connections fit, but not after the next boot, for what is above"
    never_says "somaxconn = 2500,"
done
says "nothing to change"
has fs.file-max 30000
never_says "sysctl.conf"
tune 0 rollback

case_="later files on the ports: a list or a range that leaves too few, or gives away the server's own"
for what in "ip_local_port_range = 40000 50000" "ip_local_reserved_ports = 9001-9002,10000-65000" "ip_local_reserved_ports = 80"; do
    small_machine
    echo "net.ipv4.$what" >"$theirs/99-z.conf"
    expected_end=1
    [ "$what" != "ip_local_reserved_ports = 80" ] || expected_end=0
    tune "$expected_end" apply --role client --conns 40000 --workers 1
    says "/etc/sysctl.d/99-z.conf is read after 90-tickring.conf and says net.ipv4.$what"
done

case_="/etc/sysctl.conf is not relied on: a boot by systemd reads it only where a link leads to it"
machine
as_booted
put net.core.somaxconn 30000
echo 'net.core.somaxconn = 30000' >"$scratch/fake/etc/sysctl.conf"
tune 0 apply --role server --conns 200000 --workers 1
in_file "$ours" "net.core.somaxconn = 30000"
tune 0 rollback
ln -s ../sysctl.conf "$theirs/99-sysctl.conf"
tune 0 apply --role server --conns 200000 --workers 1
not_in_file "$ours" somaxconn
rm "$theirs/99-sysctl.conf"
echo 'net.core.somaxconn = 128' >"$scratch/fake/etc/sysctl.conf"
tune 0 apply --role server --conns 200000 --workers 1
in_file "$ours" "net.core.somaxconn = 30000"
says "/etc/sysctl.conf is read after 90-tickring.conf and says net.core.somaxconn = 128, wanted >= 25000, and a boot with sysctl --system has that"

case_="globs as keys: they count where no line names the setting, and adding to our file helps against them"
machine
as_booted
put net.core.somaxconn 128
echo 'net.core.some*conn = 4000' >"$theirs/10-op.conf"
echo '-net.core.so?axc** = 3000' >"$theirs/20-op.conf"
echo 'net.core.* = 100' >"$theirs/99-z.conf"
echo 'net.ipv4.tcp_*mem = 1 2' >"$theirs/99-y.conf"
echo 'net.*conn = 100000' >"$theirs/99-x.conf"
# shellcheck disable=SC2086
tune 0 apply $SERVER
has net.core.somaxconn 3000
in_file "$ours" "net.core.somaxconn = 3000"
never_says "is read after"
# shellcheck disable=SC2086
tune 1 verify $SERVER
never_says "somaxconn = 100"
# What is met now, and named in no file.
rm "$ours"
put net.core.netdev_max_backlog 70000
# shellcheck disable=SC2086
tune 1 verify $SERVER
says "99-z.conf says net.core.somaxconn = 100, wanted >= 2500"
# shellcheck disable=SC2086
tune 0 apply $SERVER
in_file "$ours" "net.core.somaxconn = 3000"
