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
says "fs.nr_open = 25256 is lost then, since no file sets it"
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
says "echo 'net.core.somaxconn = 30000' >> /etc/sysctl.d/90-tickring.conf"
says "all at once"
never_says "nothing to change"
tune 0 plan --role server --conns 200000 --workers 1 --json
is_json
says "\"commands\": [\"echo 'net.core.somaxconn = 30000' >> /etc/sysctl.d/90-tickring.conf\"]"
tune 1 verify --role server --conns 200000 --workers 1
says "net.core.somaxconn = 30000 is lost then, since no file sets it"
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
