#!/bin/sh
# Says whether this machine carries N connections, and what would have to change. Changes nothing.
# `tune.sh --help` explains; README.md has the arithmetic.
set -u

here=$(cd "$(dirname "$0")" && pwd) || exit 2
# Everything is read below this: the tests put a made-up machine there.
root=${TUNE_ROOT:-}
table=$here/knobs.tsv
tab=$(printf '\t')

usage() {
    cat <<'HELP'
Usage: tune.sh check|plan --role server|client|both --conns N [options]

  check   each knob: current, wanted, and ok, warn (works, but see why) or fail (N will not fit)
  plan    what would change, why, and the exact commands. Changes nothing itself

  --role R      what runs on this machine: server, client (loadgen), or both (over loopback)
  --conns N     connections at once, 1 to 100000000
  --workers W   worker threads the connections are spread over (default: the processors)
  --sources S   source addresses the client uses (loadgen --src; default: 1; with --role both as
                many as it takes, since any 127.x.y.z will do on loopback)
  --json        one JSON object instead of a table

Exit status of check: 0 all ok, 1 a warning, 2 a failure. plan ends with 0.
A wrong command line also ends with 2, but prints only to standard error and nothing to standard
output; a check that fails prints its table (or JSON with "verdict": "fail") there.
HELP
}

wrong() {
    echo "tune.sh: $1" >&2
    echo "tune.sh: see tune.sh --help" >&2
    exit 2
}

# number NAME VALUE MAX
number() {
    case $2 in
        '' | *[!0-9]*) wrong "$1 wants a whole number from 1 to $3, not '$2'" ;;
        0*) wrong "$1 wants a whole number from 1 to $3 without leading zeros, not '$2'" ;;
    esac
    if [ ${#2} -gt ${#3} ] || [ "$2" -gt "$3" ]; then wrong "$1 is at most $3, not $2"; fi
}

parse_arguments() {
    [ $# -gt 0 ] || wrong "say what to do: check or plan"
    verb=$1
    case $verb in
        check | plan) ;;
        --help | -h | help) usage; exit 0 ;;
        explain | apply | verify | rollback | emit)
            wrong "'$verb' is not in this version; check and plan are. Nothing was changed" ;;
        *) wrong "unknown verb '$verb'; check and plan are known" ;;
    esac
    shift
    role='' conns='' workers='' sources='' json=0
    while [ $# -gt 0 ]; do
        case $1 in
            --json) json=1; shift; continue ;;
            --help | -h) usage; exit 0 ;;
            --role | --conns | --workers | --sources) [ $# -ge 2 ] || wrong "$1 wants a value" ;;
            *) wrong "unknown option '$1'" ;;
        esac
        case $1 in
            --role) role=$2 ;;
            --conns) conns=$2; number "$1" "$2" 100000000 ;;
            --workers) workers=$2; number "$1" "$2" 4096 ;;
            --sources) sources=$2; number "$1" "$2" 16000000 ;;
        esac
        shift 2
    done
    case $role in
        server | client | both) ;;
        '') wrong "--role is missing: server, client or both" ;;
        *) wrong "--role is server, client or both, not '$role'" ;;
    esac
    [ -n "$conns" ] || wrong "--conns is missing: how many connections at once"
}

# ---- the machine -------------------------------------------------------------------------------

read_sysctl() { # dotted name
    { tr -s '\t ' '  ' <"$root/proc/sys/$(echo "$1" | tr . /)"; } 2>/dev/null
}

# The hard limit: the programs raise the soft one to it by themselves.
read_limit() { # name as in /proc/self/limits
    sed -n "s/^$1  *[^ ]*  *\([^ ]*\).*/\1/p" "$root/proc/self/limits" 2>/dev/null
}

# at_least VERSION: whether the kernel is that new; one that does not say is.
at_least() {
    [ -n "$kernel" ] || return 0
    awk -v have="$kernel" -v want="$1" 'BEGIN {
        split(have, h, /[^0-9]+/)
        n = split(want, w, /[^0-9]+/)
        for (i = 1; i <= n; i++) if (h[i] + 0 != w[i] + 0) exit !(h[i] + 0 > w[i] + 0)
    }'
}

# Ports one source address has for one destination: the range without the reserved ones.
usable_ports() {
    awk -v range="$(read_sysctl net.ipv4.ip_local_port_range)" \
        -v reserved="$(read_sysctl net.ipv4.ip_local_reserved_ports)" '
        BEGIN {
            if (split(range, r, " ") < 2) { print 0; exit }
            ports = r[2] - r[1] + 1
            n = split(reserved, parts, ",")
            for (i = 1; i <= n; i++) {
                if (split(parts[i], p, "-") == 1) p[2] = p[1]
                for (port = p[1] + 0; port && port <= p[2] + 0; port++) ports -= port >= r[1] && port <= r[2]
            }
            print ports
        }'
}

# The variables of the table's formulas; `judge` reads them by name.
# shellcheck disable=SC2034
measure() {
    kernel=$(read_sysctl kernel.osrelease)
    [ -n "$workers" ] || workers=$(grep -c '^processor' "$root/proc/cpuinfo" 2>/dev/null)
    [ "${workers:-0}" -gt 0 ] || workers=1
    ports=$(usable_ports)
    N=$conns W=$workers E=$conns
    T=1
    [ "$role" != both ] || { E=$((N * 2)); T='1 2'; }
    S=${sources:-1}
    if [ "$role" = both ] && [ -z "$sources" ] && [ "$ports" -gt 0 ]; then S=$(((N + ports - 1) / ports)); fi
}

# ---- one knob ----------------------------------------------------------------------------------

# judge: from place, want, unmet, absent, kernel_min to current, wanted, verdict, note.
# shellcheck disable=SC2004 # the dollar is needed: `formula` holds an expression, not a number
judge() {
    field='' current='' wanted='' verdict=ok note=''
    case $place in
        sysctl:*\[*\]) field=${place#*[}; field=${field%]}; key=${place#sysctl:}; key=${key%%[*}; line=$(read_sysctl "$key")
            current=$(echo "$line" | cut -d' ' -f"$field") ;;
        sysctl:*) key=${place#sysctl:}; current=$(read_sysctl "$key") ;;
        limit:*) current=$(read_limit "${place#limit:}") ;;
        socket:*) current='-' ;;
    esac
    operator=${want%% *}
    formula=${want#* }
    case $operator in
        '>=' | ports) wanted=$(($formula)) ;;
        in) case $formula in [A-Z]) eval "wanted=\$$formula" ;; *) wanted=$formula ;; esac ;;
        advice) wanted='-'; note=$formula; return ;;
    esac
    if [ -z "$current" ]; then
        current=absent
        if ! at_least "$kernel_min"; then
            note="this kernel has no such knob (since $kernel_min)"
        else
            verdict=${absent%% *}
            note=${absent#* }
        fi
    elif ! holds; then
        verdict=$unmet
    fi
}

# Whether current satisfies wanted.
holds() {
    case $operator in
        '>=') [ "$current" = unlimited ] || [ "$current" -ge "$wanted" ] ;;
        ports)
            note="$ports ports x $S source address(es)"
            # 65535 - 1024 + 1, less the two that plan reserves for the server.
            if [ "$wanted" -gt 64510 ]; then note="$note; no range suffices: use $(((N + 64509) / 64510)) addresses or more"; fi
            [ "$ports" -ge "$wanted" ] ;;
        in) case " $wanted " in *" $current "*) return 0 ;; *) return 1 ;; esac ;;
    esac
}

# What to type, one command a line; the first takes effect now, the others keep it.
commands() {
    case $place in
        limit:Max\ open\ files)
            if [ "$current" -gt 512 ]; then
                more=$(((N * 5 / 4 + current - 257) / (current - 256)))
                echo "--workers $more    # server and loadgen: a table per worker, so the limit there is suffices"
            fi
            echo "prlimit --pid PID --nofile=$wanted:$wanted    # a running process, as root"
            echo "LimitNOFILE=$wanted    # in the systemd unit; docker: --ulimit nofile=$wanted:$wanted"
            echo "echo '* - nofile $wanted' > /etc/security/limits.d/90-tickring.conf    # logins from then on" ;;
        limit:Max\ locked\ memory)
            echo "prlimit --pid PID --memlock=$wanted:$wanted    # a running process, as root"
            echo "LimitMEMLOCK=$wanted    # in the systemd unit; docker: --ulimit memlock=$wanted:$wanted" ;;
        sysctl:net.ipv4.ip_local_port_range)
            # The server's own ports lie in the wider range: keep connect away from them.
            if [ "$current" != "1024 65535" ]; then
                persist net.ipv4.ip_local_reserved_ports "$(reserved_with_own_ports)"
                persist net.ipv4.ip_local_port_range "1024 65535"
            fi ;;
        sysctl:*\[3\]) persist "$key" "$(echo "$line" | cut -d' ' -f1,2) $wanted" ;;
        sysctl:*) persist "$key" "${wanted%% *}" ;;
    esac
}

reserved_with_own_ports() {
    reserved=$(read_sysctl net.ipv4.ip_local_reserved_ports)
    echo "${reserved:+$reserved,}9001-9002"
}

persist() { # name value
    echo "sysctl -w '$1=$2'"
    echo "echo '$1 = $2' >> /etc/sysctl.d/90-tickring.conf"
}

# ---- output ------------------------------------------------------------------------------------

show() { # number of a limit, or words
    case $operator in
        '>=') echo ">= $wanted" ;;
        ports) echo "$wanted ports" ;;
        in) echo "$wanted" | sed 's/ / or /g' ;;
        *) echo "$wanted" ;;
    esac
}

string() { printf '%s' "$1" | sed 's/\\/\\\\/g; s/"/\\"/g; 1s/^/"/; $s/$/"/'; [ -n "$1" ] || printf '""'; }

json_knob() {
    printf '%s\n    { "name": %s, "current": %s, "wanted": %s, "verdict": "%s", "note": %s,\n' "$comma" \
        "$(string "$name")" "$(string "$current")" "$(string "$(show)")" "$verdict" "$(string "$note")"
    printf '      "scope": %s, "why": %s, "symptom": %s, "see": %s, "source": %s,\n      "commands": [' \
        "$(string "$scope")" "$(string "$why")" "$(string "$symptom")" "$(string "$see")" "$(string "$source")"
    if [ "$verdict" != ok ] && [ "$current" != absent ]; then
        commands | { first=''; while IFS= read -r command; do printf '%s%s' "$first" "$(string "$command")"; first=', '; done; }
    fi
    printf '] }'
    comma=,
}

plan_knob() {
    [ "$verdict" != ok ] || return 0
    printf '\n%s (%s): %s, wanted %s  [%s]\n' "$name" "$scope" "$current" "$(show)" "$verdict"
    echo "  why:     $why"
    echo "  without: $symptom"
    echo "  see it:  $see"
    [ -z "$note" ] || echo "  note:    $note"
    [ "$current" = absent ] || commands | sed 's/^/  do:      /'
}

# Walks the table; sets oks, warns, fails and worst.
walk() { # json, check or plan: how to print a knob
    oks=0 warns=0 fails=0 comma=''
    while IFS="$tab" read -r name place want unmet absent roles scope kernel_min why symptom see source; do
        case $name in '#'*) continue ;; esac
        case "$role $roles" in
            both* | server*server* | client*client*) ;;
            *) continue ;;
        esac
        judge
        case $verdict in ok) oks=$((oks + 1)) ;; warn) warns=$((warns + 1)) ;; fail) fails=$((fails + 1)) ;; esac
        case $1 in json) json_knob ;; check) check_knob ;; plan) plan_knob ;; esac
    done <"$table"
    worst=ok
    [ "$warns" -eq 0 ] || worst=warn
    [ "$fails" -eq 0 ] || worst=fail
}

check_knob() { printf '%-30s %-22s %-16s %-5s %s\n' "$name" "$current" "$(show)" "$verdict" "$note"; }

parse_arguments "$@"
measure
if [ "$json" = 1 ]; then
    printf '{ "schema": 1, "verb": "%s", "role": "%s", "conns": %s, "workers": %s, "sources": %s, "kernel": %s,\n  "knobs": [' \
        "$verb" "$role" "$N" "$W" "$S" "$(string "$kernel")"
    walk json
    printf '\n  ],\n  "ok": %s, "warn": %s, "fail": %s, "verdict": "%s" }\n' "$oks" "$warns" "$fails" "$worst"
else
    echo "role $role, $N connections over $W worker(s), $S source address(es), kernel ${kernel:-unknown}"
    if [ "$verb" = check ]; then
        printf '%-30s %-22s %-16s %s\n' knob current wanted verdict
        walk check
    else
        walk plan
        [ "$worst" = ok ] && echo "nothing to change"
    fi
    echo
    echo "$oks ok, $warns warn, $fails fail"
    [ "$worst" = ok ] || [ "$verb" = plan ] || echo "what to do about it: tune.sh plan --role $role --conns $N"
fi
[ "$verb" = plan ] && exit 0
case $worst in ok) exit 0 ;; warn) exit 1 ;; *) exit 2 ;; esac
