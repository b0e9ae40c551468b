# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # variables of the other parts
# apply, verify, rollback on made-up machines: what is written, what stays, and that it comes back.

BOTH="--role both --conns 20000 --workers 1 --sources 1"
theirs=$scratch/fake/etc/sysctl.d
ours=$theirs/90-tickring.conf
limits_conf=$scratch/fake/etc/security/limits.d/90-tickring.conf
state=$scratch/fake/var/lib/tickring-tuning

# in_file FILE LINE
in_file() { if grep -Fxq -- "$2" "$1"; then ok; else cp "$1" "$scratch/out"; bad "$1 has no line: $2"; fi; }
not_in_file() { if grep -Fq -- "$2" "$1" 2>/dev/null; then cp "$1" "$scratch/out"; bad "$1 has: $2"; else ok; fi; }

case_="apply sets, writes, and rollback takes back byte for byte"
small_machine
snapshot before
# shellcheck disable=SC2086 # several words on purpose, here and below
tune 0 apply $BOTH
has fs.nr_open 25256
has fs.file-max 48192
has net.core.somaxconn 2500
has net.core.netdev_max_backlog 2500
has net.ipv4.tcp_max_syn_backlog 2500
has net.ipv4.tcp_mem "100 200 160000"
has net.ipv4.tcp_wmem "4096 16384 262144"
has net.ipv4.tcp_rmem "4096 16384 262144"
has net.ipv4.tcp_tw_reuse 2
has net.ipv4.tcp_max_tw_buckets 20000
has net.ipv4.tcp_max_orphans 20000
has net.netfilter.nf_conntrack_max 33192
has net.netfilter.nf_conntrack_buckets 8192
has net.ipv4.ip_local_port_range "32768	60999"
in_file "$ours" "vm.swappiness = 10"
in_file "$ours" "net.core.somaxconn = 2500"
in_file "$ours" "net.ipv4.tcp_mem = 100 200 160000"
in_file "$limits_conf" "* hard nofile 25256"
in_file "$limits_conf" "root hard nofile 25256"
says "1/15  fs.nr_open: 10000 -> 25256"
says "later     RLIMIT_NOFILE"
if [ "$(stat -c %a "$ours")" = 640 ]; then ok; else bad "the operator's file has another mode now"; fi
# shellcheck disable=SC2086
tune 2 verify $BOTH
says "rollback file                      sound"
says "later: logins from now on get what /etc/security/limits.d/90-tickring.conf says: log in again"
tune 0 rollback
says "15 change(s) taken back"
unchanged "after rollback"
# shellcheck disable=SC2086
tune 2 verify $BOTH
never_says "log in again"
tune 0 rollback
says "nothing to roll back"
unchanged "after a second rollback"

case_="ports are widened together with the reserved ones, and both come back"
small_machine
snapshot before
tune 0 apply --role client --conns 40000 --workers 1
has net.ipv4.ip_local_port_range "1024 65535"
has net.ipv4.ip_local_reserved_ports "80,9001-9002,32768-32777"
has net.ipv4.tcp_tw_reuse 1
if [ "$(grep -n reserved "$ours" | cut -d: -f1)" -lt "$(grep -n port_range "$ours" | cut -d: -f1)" ]; then ok; else
    bad "a client could take 9001 for a moment"; fi
tune 0 rollback
unchanged "after rollback"

case_="a range that begins below 1024 is not cut, where the kernel allows it: now, or by a file at the next boot"
while IFS='|' read -r of_root range_now range_asked expected_range; do
    machine
    put net.ipv4.ip_unprivileged_port_start "$of_root"
    put net.ipv4.ip_local_port_range "$range_now"
    echo "net.ipv4.ip_local_port_range = $range_asked" >"$theirs/60-operator.conf"
    tune 0 apply --role client --conns 60000 --workers 1
    has net.ipv4.ip_local_port_range "$expected_range"
done <<RANGES
0|32768	60999|900 65000|900 65535
1024|32768	60999|900 65000|1024 65535
0|700	30000|900 30000|700 65535
2000|32768	60999|1 2|2000 65535
RANGES

case_="where a range does not suffice, what remains is said"
machine
tune 1 apply --role client --conns 70000
has net.ipv4.ip_local_port_range "1024 65535"
says "use 2 addresses or more"
says "70000 connections still do not fit"

case_="twice is the same as once"
small_machine
# shellcheck disable=SC2086
tune 0 apply $BOTH
snapshot before
# shellcheck disable=SC2086
tune 0 apply $BOTH
says "nothing to change"
unchanged "after a second apply"
machine
snapshot before
tune 0 apply --role server --conns 1000
says "nothing to change"
unchanged "where nothing was missing"

case_="more, later: rollback goes back to the beginning"
small_machine
snapshot before
# shellcheck disable=SC2086
tune 0 apply $BOTH
tune 0 apply --role both --conns 40000 --workers 1 --sources 2
has net.core.somaxconn 5000
in_file "$ours" "net.core.somaxconn = 5000"
not_in_file "$ours" "net.core.somaxconn = 2500"
in_file "$limits_conf" "* hard nofile 50256"
not_in_file "$limits_conf" "* hard nofile 25256"
tune 0 apply --role server --conns 1000
has net.core.somaxconn 5000
tune 0 rollback
unchanged "after two applies"

case_="nothing is lowered that an operator raised, now or for the next boot"
small_machine
put fs.nr_open 500000
put net.core.somaxconn 50000
printf 'net.ipv4.tcp_max_syn_backlog=60000\nnet/ipv4/tcp_max_tw_buckets = 900000\n-net.ipv4.tcp_mem = 1 2 700000\n' >"$theirs/50-operator.conf"
printf '# fs.file-max = 1\n; fs.file-max = 2\nfs.file-max = 9223372036854775807\n' >"$scratch/fake/etc/sysctl.conf"
printf 'net.ipv4.ip_local_port_range = 900 65000\nnet.ipv4.ip_local_reserved_ports = 7000-7010\n' >"$theirs/60-operator.conf"
printf '* hard nofile 400000\nroot - nofile unlimited\n' >"$scratch/fake/etc/security/limits.conf"
snapshot before
tune 0 apply --role client --conns 40000 --workers 1
has net.core.somaxconn 50000
has net.ipv4.tcp_max_tw_buckets 900000
has fs.file-max 9223372036854775807
has net.ipv4.tcp_mem "100 200 700000"
has net.ipv4.ip_local_reserved_ports "80,7000-7010,9001-9002,32768-32777"
not_in_file "$ours" somaxconn
if [ -e "$limits_conf" ]; then bad "the operator's limits were high enough"; else ok; fi
tune 0 apply --role server --conns 20000 --workers 1
has net.ipv4.tcp_max_syn_backlog 60000
not_in_file "$ours" somaxconn
tune 0 rollback
unchanged "after rollback"

case_="what logins may have already is not lowered by a shell that has less, and promised to nobody"
small_machine
limits 1024 524288
put fs.nr_open 1048576
tune 1 apply --role server --conns 20000 --workers 1
if [ -e "$limits_conf" ]; then bad "a line was written that may take something away"; else ok; fi
says "no line for everybody or root in the limits files: a login has from its service what it has, and that may be more than here"
says "if it has no more either: echo '* hard nofile 25256' >> $limits_conf; echo 'root hard nofile 25256' >> "
never_says "later "
# shellcheck disable=SC2086 # several words on purpose, here and below
tune 2 verify $BOTH
never_says "log in again, since"
tune 0 explain RLIMIT_NOFILE --role server --conns 100000
says "no line for everybody or root in the limits files"
# Who has a line gets what it says.
echo '* hard nofile 30000' >"$scratch/fake/etc/security/limits.conf"
tune 1 apply --role server --conns 20000 --workers 1
says "no line for root in the limits files"
tune 0 rollback

case_="nobody gets more than is wanted because process 1 has it"
for first_process in systemd init; do
    machine
    put fs.nr_open 1073741816
    limits 524288 1073741816
    echo "$first_process" >"$scratch/fake/proc/1/comm"
    if [ "$first_process" = systemd ]; then
        # It raises its own, and gives its services 524288.
        tune 0 apply --role server --conns 600000 --workers 1
        in_file "$limits_conf" "* hard nofile 750256"
        in_file "$limits_conf" "root hard nofile 750256"
        tune 0 rollback
    else
        tune 1 apply --role server --conns 600000 --workers 1
        if [ -e "$limits_conf" ]; then bad "$first_process: a line was written"; else ok; fi
    fi
done
machine
sed 's/^Max locked memory.*/Max locked memory         67108864             67108864             bytes/' "$scratch/fake/proc/1/limits" >"$scratch/limits"
cp "$scratch/limits" "$scratch/fake/proc/1/limits"
echo systemd >"$scratch/fake/proc/1/comm"
tune 0 apply --role server --conns 1000 --workers 32
in_file "$limits_conf" "* hard memlock 16384"
tune 0 rollback

case_="folders that are missing are made, and removed again"
small_machine
rm -rf "$scratch/fake/etc" "$scratch/fake/var"
mkdir "$scratch/fake/etc"
snapshot before
# shellcheck disable=SC2086
tune 0 apply $BOTH
in_file "$limits_conf" "root hard nofile 25256"
tune 0 rollback
unchanged "folders"

case_="verify: what changed since, and what the next boot will say"
small_machine
# shellcheck disable=SC2086
tune 0 apply $BOTH
limits 100000
printf 'net.core.somaxconn = 128\n' >"$theirs/99-later.conf"
# shellcheck disable=SC2086
tune 1 verify $BOTH
says "99-later.conf says net.core.somaxconn = 128, wanted >= 2500"
put net.core.somaxconn 100
echo "# mine" >>"$ours"
# shellcheck disable=SC2086
tune 1 verify $BOTH
says "changed since apply: net.core.somaxconn"
says "changed since apply: /etc/sysctl.d/90-tickring.conf"
# shellcheck disable=SC2086
tune 1 verify $BOTH --json
is_json
put fs.nr_open 100
# shellcheck disable=SC2086
tune 2 verify $BOTH

case_="what else a file has is kept: time, and where the disk has them, extended attributes"
small_machine
touch -d '2001-02-03 04:05:06.123456789' "$ours"
# attribute WORDS: of python's os, on the file.
attribute() { python3 -c "import os, sys; print(os.$1)" "$ours" 2>/dev/null; }
noted=''
if attribute "setxattr(sys.argv[1], 'user.note', b'ours')" >"$scratch/out"; then noted="b'ours'"; fi
time=$(stat -c %y "$ours")
# shellcheck disable=SC2086
tune 0 apply $BOTH
if [ "$(attribute "getxattr(sys.argv[1], 'user.note')")" = "$noted" ]; then ok; else bad "the attribute is gone after apply"; fi
tune 0 rollback
if [ "$(attribute "getxattr(sys.argv[1], 'user.note')")" = "$noted" ]; then ok; else bad "the attribute is gone after rollback"; fi
if [ "$(stat -c %y "$ours")" = "$time" ]; then ok; else bad "the file has another time"; fi

case_="JSON of apply and rollback: one object, and nothing else on standard output"
small_machine
snapshot before
# shellcheck disable=SC2086
tune 0 apply $BOTH --json
is_json
says '"name": "net.core.somaxconn", "before": "128", "after": "2500"'
complains "1/15"
tune 0 rollback --json
is_json
says '"name": "net.core.somaxconn", "before": "2500", "after": "128"'
unchanged "after rollback"
tune 0 rollback --json
is_json

case_="where nothing can be read, that is said"
rm -rf "$scratch/fake"
mkdir "$scratch/fake"
snapshot before
for words in "" --json; do
    # shellcheck disable=SC2086
    tune 1 apply $BOTH $words
    complains "nothing can be read below $scratch/fake"
    never_says "everything"
    never_says "warn "
    unchanged "an empty folder"
done
is_json
small_machine
# shellcheck disable=SC2086
tune 0 apply $BOTH
without net.ipv4.tcp_mem
# shellcheck disable=SC2086
tune 0 apply $BOTH
says "nothing to change, as far as it can be read"
says "net.ipv4.tcp_mem is absent"

case_="--root names the machine too"
small_machine
snapshot before
TUNE_ROOT='' sh "$here/tune.sh" apply --root "$scratch/fake/" --role server --conns 20000 --workers 1 >"$scratch/out" 2>"$scratch/err"
has net.core.somaxconn 2500
TUNE_ROOT='' sh "$here/tune.sh" rollback --root "$scratch/fake/" >"$scratch/out" 2>"$scratch/err"
unchanged "after rollback"
