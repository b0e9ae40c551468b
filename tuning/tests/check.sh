# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # variables of the other parts
# check and plan: the arithmetic, and what they say.

case_="a usual machine carries a thousand"
machine
echo 'net.ipv4.tcp_tw_reuse = 1' >"$scratch/fake/etc/sysctl.d/50-operator.conf"
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
says "* hard nofile 37756"
says "root hard nofile 37756"

case_="workers are advised as many as a program takes and the limit lets start, else a higher limit first"
machine
limits 1024
tune 0 plan --role server --conns 150000 --workers 2
says "--workers 245    # the server: "
tune 0 plan --role server --conns 2000000 --workers 2
says "# no number of workers suffices for 2000000 connections with a limit of 1024: the server takes 256 at most; so a higher hard limit first"
never_says "--workers 3256"
tune 0 plan --role client --conns 500000 --workers 2
says "# no number of workers suffices for 500000 connections with a limit of 1024: loadgen starts 338 at most; "
tune 0 plan --role client --conns 346112 --workers 2
says "--workers 338    # loadgen: "
tune 0 plan --role both --conns 500000 --workers 2
says "# no number of workers suffices for 500000 connections with a limit of 1024: the server takes 256 at most"
limits 4096
tune 0 plan --role client --conns 5000000 --workers 2
says "loadgen takes 1024 at most; so"
limits 400
tune 0 plan --role server --conns 5000 --workers 2
says "--workers 16    # the server: "
# What the programs themselves say they take.
for most in "server/src/config/settings.rs 256" "loadgen/src/cli/values.rs 1024"; do
    if grep -Fq "1 to ${most##* }" "$here/../${most% *}"; then ok; else bad "${most% *} says something else"; fi
done

case_="nr_open bounds the limit"
machine
put fs.nr_open 20000
tune 2 check --role server --conns 60000 --workers 1
verdict fs.nr_open fail
tune 0 plan --role server --conns 60000 --workers 1
says "sysctl -w 'fs.nr_open=75256'"

case_="file-max counts both ends on one machine, and may have 20 digits"
machine
put fs.file-max 100000
tune 0 check --role server --conns 60000
tune 2 check --role both --conns 60000
says ">= 128192"
for most in 9223372036854775807 18446744073709551615; do
    put fs.file-max $most
    tune 0 check --role both --conns 60000
    verdict fs.file-max ok
done

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
says "ip_local_reserved_ports=80,9001-9002,32768-32777,60999"
says "ip_local_port_range=1024 65535"
put net.ipv4.ip_unprivileged_port_start 2000
tune 0 plan --role client --conns 28222
says "ip_local_port_range=2000 65535"

case_="on loopback the client spreads over source addresses by itself"
machine
tune 0 check --role both --conns 60000
says "3 source address(es)"

case_="on loopback it hands out the ports itself, whatever the range: only more than 64,512 of an address do not fit"
put net.ipv4.ip_local_port_range "40000	40099"
tune 0 check --role both --conns 300 --sources 1
verdict net.ipv4.ip_local_port_range ok
says "not needed: over loopback loadgen hands out the ports itself"
tune 0 check --role both --conns 60000
tune 0 check --role both --conns 64512 --sources 1
tune 2 check --role both --conns 130000 --sources 1
says "130000 ports"
tune 2 check --role both --conns 64513 --sources 1
says "no range suffices: use 2 addresses or more"
tune 2 check --role client --conns 300 --sources 1
verdict net.ipv4.ip_local_port_range fail

case_="TIME_WAIT: 2 reuses on loopback only"
machine
tune 1 check --role client --conns 1000
verdict net.ipv4.tcp_tw_reuse warn
tune 0 check --role both --conns 1000
put net.ipv4.tcp_tw_reuse 0
tune 1 check --role both --conns 1000
says "2 or 1"

case_="a short listen queue warns, and only raises"
machine
as_booted
put net.core.somaxconn 128
tune 0 check --role server --conns 1000
tune 1 check --role server --conns 20000
verdict net.core.somaxconn warn
says ">= 2500"
tune 0 plan --role server --conns 20000
says "net.core.somaxconn=2500"
never_says tcp_max_syn_backlog
put net.core.somaxconn 65534
put net.ipv4.tcp_mem "1 2 9999999"
tune 1 check --role server --conns 1000000
says ">= 65535"
says "N asks for 125000; 65535 is the most"

case_="connection tracking: absent is fine, full is not"
machine
tune 0 check --role server --conns 20000
says "connection tracking is not loaded"
put net.netfilter.nf_conntrack_max 20000
put net.netfilter.nf_conntrack_buckets 8192
tune 2 check --role server --conns 20000
verdict net.netfilter.nf_conntrack_max fail
verdict net.netfilter.nf_conntrack_buckets ok
tune 2 check --role server --conns 100000
says ">= 32768"

case_="io_uring forbidden, and older than the knob"
machine
put kernel.io_uring_disabled 2
tune 2 check --role server --conns 100
verdict kernel.io_uring_disabled fail
tune 0 plan --role server --conns 100
says "apply leaves this to you"
without kernel.io_uring_disabled
tune 1 check --role server --conns 100
put kernel.osrelease 6.1.0
tune 0 check --role server --conns 100
says "since 6.6"

case_="locked memory: half a MiB a worker, twice that for both ends, on every kernel"
machine
tune 0 check --role server --conns 100 --workers 16
verdict RLIMIT_MEMLOCK ok
says ">= 8388608"
tune 1 check --role server --conns 100 --workers 17
verdict RLIMIT_MEMLOCK warn
tune 0 check --role both --conns 100 --workers 8
tune 1 check --role both --conns 100 --workers 9
without kernel.io_uring_disabled
for release in 5.11.22 5.15.1 6.18.5; do
    put kernel.osrelease $release
    tune 1 check --role server --conns 100 --workers 17
    verdict RLIMIT_MEMLOCK warn
    put kernel.io_uring_disabled 0
done

case_="TCP memory: pages of this machine, the third field, the others kept"
machine
put net.ipv4.tcp_mem "100	200	300"
tune 1 check --role server --conns 1000
verdict net.ipv4.tcp_mem warn
tune 0 plan --role server --conns 1000
says "net.ipv4.tcp_mem=100 200 4000"
printf 'KernelPageSize:       64 kB\n' >"$scratch/fake/proc/self/smaps"
tune 0 plan --role server --conns 4000
says "net.ipv4.tcp_mem=100 200 1000"
tune 0 plan --role server --conns 1000000
says "net.ipv4.tcp_mem=100 200 62500"
says "the most that makes sense here"

case_="the examples that README.md works through"
machine
for size in "1000 568 9192 128 4000" "100000 31506 108192 12500 400000" "1000000 312756 1008192 65535 4000000"; do
    # shellcheck disable=SC2086 # five words
    set -- $size
    printf 'MemTotal: 64000000 kB\n' >"$scratch/fake/proc/meminfo"
    TUNE_ROOT=$scratch/fake sh "$here/tune.sh" check --role server --conns "$1" --workers 4 >"$scratch/out" 2>"$scratch/err"
    for wanted in $2 $3 $4 $5; do says ">= $wanted "; done
done
tune 2 check --role client --conns 1000000
says "no range suffices: use 16 addresses"
tune 2 check --role client --conns 1000000 --sources 35
tune 1 check --role client --conns 1000000 --sources 36
verdict net.ipv4.ip_local_port_range ok

case_="advice that circulates is named"
machine
put net.ipv4.tcp_fin_timeout 15
put net.ipv4.tcp_mem "786432	1697152	1945728000"
put net.ipv4.tcp_max_tw_buckets 5000
put net.ipv4.tcp_tw_recycle 1
put kernel.osrelease 4.4.0
limits 1073741816
tune 1 check --role server --conns 10000
verdict net.ipv4.tcp_fin_timeout warn
verdict copied-tcp_mem warn
verdict net.ipv4.tcp_max_tw_buckets warn
verdict net.ipv4.tcp_tw_recycle warn
verdict LimitNOFILE=infinity warn
says "tune.sh explain net.ipv4.tcp_fin_timeout"
tune 0 plan --role server --conns 10000
never_says "tcp_fin_timeout="
never_says "tcp_tw_recycle="
says "tcp_max_tw_buckets=10000"

case_="advice is never a command"
machine
tune 0 plan --role server --conns 1000
never_says notsent_lowat

case_="nothing readable warns, and does not stop"
rm -rf "$scratch/fake"
mkdir "$scratch/fake"
tune 1 check --role server --conns 1000
says "cannot be read here"

case_="what makes no sense is said, and no number is made of it"
machine
put net.core.somaxconn "many; \$(touch $scratch/ran)"
put fs.nr_open "-1"
tune 1 check --role server --conns 1000
says "cannot be understood: 'many; "
tune 0 plan --role server --conns 1000
never_says "nr_open="
if [ -s "$scratch/err" ] || [ -e "$scratch/ran" ]; then bad "took it for a command"; else ok; fi

case_="JSON says the same"
machine
limits 500
tune 2 check --role both --conns 5000 --json
says '"schema": 1'
says '"verdict": "fail"'
says '"name": "RLIMIT_NOFILE", "current": "500", "wanted": ">= 1818", "verdict": "fail"'
is_json
knobs=$(awk -f "$here/../tests/json.awk" "$scratch/out" | grep -c '^knobs\.[0-9]*\.name=')
rows=$(awk -F'\t' '!/^#/ && (" " $10 " ") ~ / both /' "$here/knobs.tsv" | wc -l)
if [ "$knobs" -eq "$rows" ]; then ok; else bad "$knobs knobs in the JSON, $rows in the table"; fi
tune 0 plan --role both --conns 5000 --json
says '"verb": "plan"'
is_json
put net.core.somaxconn 'a"b\c'
mkdir -p "$scratch/fake/sys/devices/system/cpu/cpu0/cpufreq"
printf 'po\377w"\033[31m\n' >"$scratch/fake/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"
tune 2 check --role both --conns 5000 --json
is_json
says 'po?w\" [31m'
tune 2 check --role both --conns 5000
says 'po?w" [31m'

case_="every row has every column, and a formula that a small program can read"
columns=$(sed -n 's/^#name/name/p' "$here/knobs.tsv" | awk -F'\t' '{ print NF }')
: >"$scratch/err"
awk -F'\t' -v n="$columns" '
    function formula(text, where,   tokens, count, i) {
        count = split(text, tokens, " ")
        for (i = 1; i <= count; i++) if (tokens[i] !~ (i % 2 ? "^([0-9]+|[NEWSPGM])$" : "^[-+*/]$")) print NR ": " where ": " text
        if (count % 2 == 0) print NR ": " where " ends with an operator: " text
    }
    /^#/ { next }
    NF != n { print NR ": " NF " columns" }
    { for (i = 1; i <= NF; i++) if ($i == "" || $i ~ /^ | $/) print NR ": column " i " is empty or padded" }
    $3 ~ /^(least|most|ports)$/ { formula($4, "value") }
    $3 !~ /^(least|most|ports|among|advice)$/ { print NR ": kind " $3 }
    $5 != "-" { formula($5, "floor") }
    $6 != "-" { formula($6, "cap") }
    $7 !~ /^(warn|fail)$/ || $8 !~ /^(ok|warn|fail) / || $9 !~ /^(yes|no|never)$/ { print NR ": " $7 ", " $8 ", " $9 }
    $2 !~ /^(sysctl:[a-z0-9_.-]+(\[[1-9]\])?|limit:[A-Za-z ]+|file:\/.+|-)$/ { print NR ": place " $2 }
    $11 !~ /^(global|network namespace|process|hardware)$/ { print NR ": scope " $11 }
    $12 !~ /^[0-9]+(\.[0-9]+)+(-[0-9]+\.[0-9]+)?$/ { print NR ": kernels " $12 }
    { split($10, roles, " "); for (i in roles) { if (seen[$1, roles[i]]++) print NR ": twice for " roles[i] } }
' "$here/knobs.tsv" >"$scratch/out"
if [ -s "$scratch/out" ]; then bad "knobs.tsv is not even"; else ok; fi

case_="the rules at the head of knobs.tsv suffice to evaluate it: another program finds what the shell finds"
N=1234567 E=2469134 W=3 S=7 P=176367 G=65536 M=64000000000
awk -F'\t' '!/^#/ { if ($3 ~ /^(least|most|ports)$/) print $4; if ($5 != "-") print $5; if ($6 != "-") print $6 }' "$here/knobs.tsv" |
    sort -u >"$scratch/formulas"
while IFS= read -r formula; do
    # shellcheck disable=SC2004 # an expression, not a number
    echo $(($formula))
done <"$scratch/formulas" >"$scratch/out"
awk -v N=$N -v E=$E -v W=$W -v S=$S -v P=$P -v G=$G -v M=$M '
    BEGIN { split("N E W S P G M", names, " "); split(N " " E " " W " " S " " P " " G " " M, values, " "); for (i in names) value[names[i]] = values[i] }
    {
        sum = 0; sign = 1; product = ($1 in value) ? value[$1] : $1
        for (i = 2; i < NF; i += 2) {
            operand = ($(i + 1) in value) ? value[$(i + 1)] : $(i + 1)
            if ($i == "*") product *= operand
            else if ($i == "/") product = int(product / operand)
            else { sum += sign * product; sign = ($i == "-") ? -1 : 1; product = operand }
        }
        printf "%.0f\n", sum + sign * product
    }' "$scratch/formulas" >"$scratch/err"
if [ -s "$scratch/out" ] && cmp -s "$scratch/out" "$scratch/err"; then ok; else bad "two evaluations differ"; fi

case_="wrong command lines are refused by name"
machine
refuses "say what to do"
refuses "unknown command 'tune'" tune
refuses "--role is missing" check --conns 10
refuses "not 'boss'" check --role boss --conns 10
refuses "--conns is missing" check --role server
refuses "--conns is missing" apply --role server
refuses "'ten'" check --role server --conns ten
refuses "'-5'" check --role server --conns -5
refuses "'0'" check --role server --conns 0
refuses "'007'" check --role server --conns 007
refuses "at most 100000000" check --role server --conns 99999999999999999999
refuses "--conns wants a value" check --role server --conns
refuses "unknown option '--force'" check --role server --conns 10 --force
refuses "'1;id'" check --role server --conns '1;id'
refuses "one word too many: 'fast'" apply fast --role server --conns 10
refuses "one word too many: 'b'" explain a b
refuses "emit wants systemd" emit helm --conns 10
refuses "emit wants systemd" emit --conns 10
refuses "has no --json" emit docker --conns 10 --json
refuses "--drop-in goes with" emit docker --conns 10 --drop-in
refuses "'/no/such/folder' is none" check --role server --conns 10 --root /no/such/folder

case_="help names every command and every exit status"
tune 0 --help
for word in check plan explain verify emit apply rollback "Exit status" 130; do says "$word"; done
if grep 'tune.sh [a-z]* ' "$scratch/out" | grep -q '.\{81\}'; then bad "a command of the help is wider than 80 columns"; else ok; fi
