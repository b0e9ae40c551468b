# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # variables of the other parts
# verify: reads back, and tries. Changes nothing; what it opens is closed when it ends.

verify() {
    measure
    well=0 doubtful=0 broken=0 results='' queue_wanted='' nofile_wanted='' again=''
    known_before
    each_knob read_back
    check_rollback_file
    each_line "$unread" tell_unread
    if [ -n "$root" ]; then
        tell skip probes "the machine is made up (--root)"
    else
        probe_limit
        probe_sockets
        probe_ring
    fi
    if [ "$json" = 1 ]; then
        printf '{ "schema": 1, "verb": "verify", "role": "%s", "conns": %s,\n  "results": [%s\n  ],\n  "ok": %s, "warn": %s, "fail": %s }\n' \
            "$role" "$N" "$results" "$well" "$doubtful" "$broken"
    else
        echo
        echo "$well hold, $doubtful in doubt or not tried, $broken do not hold"
    fi
    [ "$broken" -eq 0 ] || exit 2
    [ "$doubtful" -eq 0 ] || exit 1
    exit 0
}

# tell WORD WHAT DETAIL
tell() {
    case $1 in ok) well=$((well + 1)) ;; fail) broken=$((broken + 1)) ;; *) doubtful=$((doubtful + 1)) ;; esac
    if [ "$json" = 1 ]; then
        results="$results${results:+,}
    { \"result\": $(string "$1"), \"what\": $(string "$2"), \"detail\": $(string "$3") }"
    else
        printf '%-5s %-34s %s\n' "$1" "$2" "$3"
    fi
}

read_back() {
    [ "$kind" != advice ] || return 0
    case $name in net.core.somaxconn) queue_wanted=$wanted ;; RLIMIT_NOFILE) nofile_wanted=$wanted ;; esac
    if is_for_later; then
        note="${note:+$note; }later: logins from now on get what $givers: log in again. A service has what its unit says (tune.sh emit systemd)"
        again="; log in again, since logins get more by now"
    fi
    wanted_in_words
    tell "$verdict" "$name" "$current, wanted $words${note:+; $note}"
    tell_lost
    [ "$current" = absent ] || tell_the_next
}

# Files that give the judged knob too little, when they are read at the next boot or login: then what holds now does not.
tell_the_next() {
    case $place in
        limit:*)
            # What is too little already was told with the row.
            if [ "$verdict" = ok ] && limit_of_row && short_logins; then
                tell warn "the next login" "$short_from says $short, wanted >= $wanted_units"
            fi ;;
        sysctl:*) if short_boot; then tell warn "the next boot" "$short_from says $short"; fi ;;
    esac
}

# What apply wrote is still what is there.
check_rollback_file() {
    # In a shell of its own: a damaged one ends it.
    if ! why=$( (json=0; journal_read) 2>&1); then
        tell fail "rollback file" "$(echo "$why" | sed -n '1s/^tune.sh: //p')"
        return
    fi
    journal_read
    [ -e "$journal" ] || return 0
    each_line "$entries" check_entry_still
    tell ok "rollback file" "sound"
}

check_entry_still() {
    case $what in
        sysctl) still_is || tell warn "changed since apply: $first" "'$(read_sysctl "$first")', apply had set '$(flat "$third")'" ;;
        file)
            now=-
            [ ! -f "$root$first" ] || now=$(sum_of "$root$first")
            is_replaced_later "$first" "$fourth" || [ "$now" = "$fourth" ] || tell warn "changed since apply: $first" "somebody edited it, or removed it" ;;
    esac
}

still_is() {
    same_value "$first" "$(read_sysctl "$first")" "$third" || is_replaced_later "$first" "$third"
}

# Whether a later apply went on from there.
is_replaced_later() {
    printf '%s\n' "$entries" | awk -F'|' -v name="$1" -v after="$2" '
        $2 == name { before = ($1 == "file") ? $4 : $3; if (seen) { found = 1 } seen = (($1 == "file") ? $5 : $4) == after }
        END { exit !found }'
}

# What may not be read may say anything.
tell_unread() { tell skip "$entry" "may not be read by this user${root:+, or is a link that leads out of --root}, so what it asks for is not known: run as root"; }

# ---- trying ------------------------------------------------------------------------------------

# What a program does at its start: the soft limit as high as the table of a worker needs.
# shellcheck disable=SC3045 # -n is in every shell this meets, and in POSIX since 2024
probe_limit() {
    if (ulimit -S -n "$nofile_wanted") 2>/dev/null; then
        tell ok "probe: setrlimit" "a process may have $nofile_wanted open files"
    else
        tell fail "probe: setrlimit" "refused $nofile_wanted open files; the hard limit is $(ulimit -H -n)$again"
    fi
}

probe_sockets() {
    if ! perl -MSocket -e 1 2>/dev/null; then
        tell skip "probe: sockets, queue, ports" "perl with its Socket module is not here (apt-get install perl-base)"
        return
    fi
    range=$(read_sysctl net.ipv4.ip_local_port_range)
    count=$nofile_wanted
    [ "$count" -le 10000 ] || count=10000
    # shellcheck disable=SC3045 # as above
    found=$( (ulimit -S -n "$(ulimit -H -n)"; timeout 60 perl "$here/probe.pl" "$count" "${range%% *}" "${range##* }") 2>&1) ||
        found="$found${found:+$newline}fail|probe: sockets|the probe ended early"
    each_line "$found" tell_found
}

# What the probe says of itself is WORD|WHAT|DETAIL|NUMBER; anything else is what perl says.
tell_found() {
    case $what in
        ok | fail | warn | skip) ;;
        *) tell fail "probe: sockets" "perl says: $entry"; return ;;
    esac
    if [ "$first" = 'probe: queue' ] && [ -n "$third" ]; then
        [ -n "$queue_wanted" ] || return 0
        # A short queue is slow, not full: as check judges it.
        if [ "$third" -lt "$queue_wanted" ]; then what=warn second="$second, wanted $queue_wanted"; fi
    fi
    tell "$what" "$first" "$second"
}

# The server's own probe knows which of io_uring's features it needs.
probe_ring() {
    program=${TICKRING_SERVER:-}
    if [ -n "$program" ] && ! command -v "$program" >/dev/null 2>&1; then
        tell fail "probe: io_uring" "TICKRING_SERVER is $program, and there is no such program"
        return
    fi
    for candidate in tickring-server "$here/../target/release/tickring-server" "$here/../target/debug/tickring-server"; do
        [ -n "$program" ] || program=$(command -v "$candidate" 2>/dev/null)
    done
    if [ -z "$program" ]; then
        tell skip "probe: io_uring" "no tickring-server here (TICKRING_SERVER=PATH names one): its probe sets up a ring"
    elif ! said=$(timeout 20 "$program" probe 2>&1); then
        tell fail "probe: io_uring" "$(printf '%s\n' "${said:-$program probe ended with an error and said nothing}" | head -n 1)"
    else
        case $said in
            *IORING_*) tell ok "probe: io_uring" "tickring-server probe set up a ring" ;;
            *) tell fail "probe: io_uring" "$program does not speak of io_uring: is it tickring-server?" ;;
        esac
    fi
}
