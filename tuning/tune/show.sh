# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # variables of the other parts
# check, plan and explain: what people and programs read about the knobs.

# What is wanted, in words: sets words.
wanted_in_words() {
    case $kind-$wanted in
        least-*) words=">= $wanted" ;;
        most-0) words="not known" ;;
        most-*) words="<= $wanted" ;;
        ports-*) words="$wanted ports" ;;
        among-*' '*) words="${wanted%% *} or ${wanted#* }" ;;
        *) words=$wanted ;;
    esac
}

# plain VALUE: what a file of the machine holds may have any bytes in it, which are no text, or orders to a terminal.
plain() { printf '%s' "$1" | LC_ALL=C tr '\000-\037\177' ' ' | LC_ALL=C tr '\200-\377' '?'; }

# A JSON string.
string() { printf '"%s"' "$(plain "$1" | sed 's/\\/\\\\/g; s/"/\\"/g')"; }

# raise_running ITEM: the limit of a process that runs.
raise_running() {
    if limits_are_fixed; then echo "# no prlimit: $fixed"; else echo "prlimit --pid PID --$1=$wanted:$wanted    # a running process, as root${root:+, on the machine that $root is of}"; fi
}

# The workers that each program takes.
server_workers_max=256
loadgen_workers_max=1024

# What each opens besides three descriptors for each worker.
server_besides=16
loadgen_besides=8

# advise_workers: a table each, so with enough of them the limit that is there suffices; but nobody starts more than he takes, and
# than the limit lets him start.
advise_workers() {
    [ "$current" != unlimited ] && [ "$current" -gt 0 ] || return 0
    # So low a limit has nothing to spare for others.
    room=$current
    [ "$room" -lt 512 ] || room=$((current - 256))
    more=$(((N * 5 / 4 + room - 1) / room))
    who="the server" taker="the server" most=$server_workers_max besides=$server_besides does=takes
    case $role in
        client) who=loadgen taker=loadgen most=$loadgen_workers_max besides=$loadgen_besides ;;
        both) who="the server, and loadgen" ;;
    esac
    starts=$(((current - besides) / 3))
    [ "$starts" -gt 0 ] || starts=1
    if [ "$starts" -lt "$most" ]; then most=$starts does=starts; fi
    if [ "$more" -gt "$most" ] && most_suffice; then more=$most; fi
    if [ "$more" -le "$most" ]; then
        echo "--workers $more    # $who: a table per worker, so the limit there is suffices"
    else
        echo "# no number of workers suffices for $N connections with a limit of $current: $taker $does $most at most; so a higher hard limit first"
    fi
}

# most_suffice: whether the most workers have places enough without any to spare. A hash shares connections out over a server's,
# and the first table that is full lacks one standard deviation of its share; loadgen's have equal shares.
most_suffice() {
    left=$((most * current - N)) uneven=$((most * (most - 1) * current))
    [ "$role" != client ] || uneven=0
    [ "$left" -ge 0 ] && [ $((left * left)) -ge "$uneven" ]
}

# append_command LINE FILE: what to type for it to be the last line of the file.
append_command() {
    to=$(quoted_word "$root$2") before=''
    if [ "$2" = "$sysctl_file" ] && [ "$standing" != "$root$2" ]; then
        # A file of this name takes the place of that one.
        before="[ -e $to ] || cp $(quoted_word "$standing") $to; "
    elif [ -n "$(tail -c 1 "$root$2" 2>/dev/null)" ]; then
        # Its last line has no end.
        before="echo >> $to; "
    fi
    echo "${before}echo '$1' >> $to"
}

# What to type for the judged row, one command a line; the first takes effect now, the others keep it.
commands() {
    case $place in
        limit:Max\ open\ files)
            advise_workers
            raise_running nofile
            echo "LimitNOFILE=$wanted    # in the systemd unit; docker: --ulimit nofile=$wanted:$wanted" ;;
        limit:Max\ locked\ memory)
            raise_running memlock
            echo "LimitMEMLOCK=$wanted    # in the systemd unit; docker: --ulimit memlock=$wanted:$wanted" ;;
    esac
    targets_anyway | while IFS='|' read -r what first second third; do
        case $what in
            limit) echo "$(append_command "$first hard $second $third" "$limits_file")    # logins from then on" ;;
            sysctl)
                if [ "$(read_sysctl "$first")" != "$second" ]; then
                    echo "sysctl -w '$first=$second'${root:+    # on the machine that $root is of}"
                    append_command "$first = $second" "$sysctl_file"
                fi ;;
        esac
    done
}

check_row() {
    wanted_in_words
    printf '%-34s %-22s %-16s %-5s %s\n' "$name" "$current" "$words" "$verdict" "$note"
}

plan_row() {
    if [ "$verdict" = ok ]; then
        plan_lost
        return
    fi
    wanted_in_words
    printf '\n%s (%s): %s, wanted %s  [%s]\n' "$name" "$scope" "$current" "$words" "$verdict"
    echo "  why:     $why"
    echo "  without: $symptom"
    echo "  see it:  $see"
    [ -z "$note" ] || echo "  note:    $note"
    [ "$current" != absent ] || return 0
    [ "$apply" = yes ] || echo "  note:    apply leaves this to you"
    [ "$apply" = never ] || commands | sed 's/^/  do:      /'
}

json_row() {
    wanted_in_words
    printf '%s\n    { "name": %s, "current": %s, "wanted": %s, "verdict": "%s", "note": %s,\n' "$comma" \
        "$(string "$name")" "$(string "$current")" "$(string "$words")" "$verdict" "$(string "$note")"
    json_words
    printf ',\n      "commands": ['
    if [ "$verb" = plan ] && lost_at_boot; then
        each_line "$lost" keep_command
    elif [ "$verdict" != ok ] && [ "$current" != absent ] && [ "$apply" != never ]; then
        commands
    fi | { first=''; while IFS= read -r command; do printf '%s%s' "$first" "$(string "$command")"; first=', '; done; }
    printf '] }'
    comma=,
}

json_words() {
    printf '      "scope": %s, "apply": "%s", "why": %s, "symptom": %s, "see": %s, "source": %s' \
        "$(string "$scope")" "$apply" "$(string "$why")" "$(string "$symptom")" "$(string "$see")" "$(string "$source")"
}

show_table() {
    comma=''
    if [ "$json" = 1 ]; then
        printf '{ "schema": 1, "verb": "%s", "role": "%s", "conns": %s, "workers": %s, "sources": %s, "kernel": %s,\n  "knobs": [' \
            "$verb" "$role" "$N" "$W" "$S" "$(string "$kernel")"
        each_knob json_row
        printf '\n  ],\n  "ok": %s, "warn": %s, "fail": %s, "verdict": "%s", "unread": [%s] }\n' \
            "$oks" "$warns" "$fails" "$worst" "$(unread_strings)"
        return
    fi
    echo "role $role, $N connections over $W worker(s), $S source address(es), kernel ${kernel:-unknown}"
    if [ "$verb" = check ]; then
        printf '%-34s %-22s %-16s %s\n' knob current wanted verdict
        each_knob check_row
    else
        kept=0
        each_knob plan_row
        # Met now, and not after the next boot: that is to change, too.
        if [ "$worst$kept" = ok1 ]; then worst=warn; fi
        [ "$worst" != ok ] || echo "nothing to change"
    fi
    echo
    echo "$oks ok, $warns warn, $fails fail"
    each_line "$unread" say_unread
    [ "$worst" != ok ] || return 0
    same="--role $role --conns $N${options_given}"
    [ "$verb" = plan ] || echo "what to do about it: tune.sh plan$at_root $same"
    if sysctls_read_only; then
        echo "a container: /proc/sys is read-only. Its settings come from outside: tune.sh emit docker|k8s $same"
    else
        [ "$verb" = check ] || echo "all at once, as root, and taken back by rollback: tune.sh apply$at_root $same"
    fi
}

unread_strings() {
    comma=''
    each_line "$unread" unread_string
}

unread_string() {
    printf '%s' "$comma"
    string "$entry"
    comma=', '
}

say_unread() { printf '%s\n' "cannot read $entry: what it asks for is not known, and plan may name less (as root it can${root:+, unless it is a link that leads out of --root})"; }

check_or_plan() {
    measure
    [ "$verb" = check ] || known_before
    show_table
    [ "$verb" = check ] || exit 0
    case $worst in ok) exit 0 ;; warn) exit 1 ;; *) exit 2 ;; esac
}

# ---- explain -----------------------------------------------------------------------------------

# Whether this is a row the question means: part of its name, in any case, blanks aside.
asked_about() {
    case $(echo "$name" | tr '[:upper:]' '[:lower:]') in
        *"$(echo "$question" | tr -d ' ' | tr '[:upper:]' '[:lower:]')"*) ;;
        *) return 1 ;;
    esac
}

count_row() { if asked_about; then found=$((found + 1)); fi; }

explain_row() {
    asked_about || return 0
    found=$((found + 1))
    judge
    if [ "$json" = 1 ]; then
        printf '%s\n    { "name": %s, "current": %s, "roles": "%s", "kind": "%s", "value": %s, "floor": %s, "cap": %s,\n' "$comma" \
            "$(string "$name")" "$(string "$current")" "$roles" "$kind" "$(string "$value")" "$(string "$floor")" "$(string "$cap")"
        json_words
        printf ' }'
        comma=,
        return
    fi
    [ "$found" -eq 1 ] || echo
    echo "$name ($scope; for $roles)"
    echo "  why:      $why"
    echo "  symptom:  $symptom"
    echo "  see it:   $see"
    case $kind in
        advice) echo "  advice:   $value" ;;
        *) echo "  wanted:   $(rule_in_words)" ;;
    esac
    wanted_in_words
    [ -z "$conns" ] || [ "$kind" = advice ] || echo "  for $conns: $words ($verdict)${note:+; $note}"
    echo "  here:     ${line:-$current}"
    [ "$default" = - ] || echo "  default:  $default"
    case $apply in
        no) echo "  apply:    leaves it to you" ;;
        never) echo "  apply:    never; this is advice that circulates, and wrong" ;;
    esac
    echo "  kernel:   $(range_in_words)"
    echo "  source:   $source"
}

rule_in_words() {
    case $kind in
        least) printf 'at least %s' "$value" ;;
        most) printf 'at most %s' "$value" ;;
        ports) printf 'at least %s usable ports per source address' "$value" ;;
        among) printf '%s' "$value" | sed 's/ / or /g' ;;
    esac
    [ "$floor" = - ] || printf ', no less than %s' "$floor"
    [ "$cap" = - ] || printf ', no more than %s' "$cap"
    case $kind-$value in
        least-*[A-Z]* | most-*[A-Z]* | ports-*) printf '  (N connections, E sockets, W workers, P per source address, G bytes a page, M bytes of memory)' ;;
    esac
    echo
}

list_row() {
    [ "$name" != "$listed" ] || return 0
    listed=$name
    echo "  $name"
}

explain() {
    role=${role:-both}
    measure
    if [ -z "$question" ]; then
        [ "$json" = 0 ] || wrong "explain --json wants a knob"
        echo "tune.sh explain KNOB, with one of:"
        listed=''
        each_row list_row
        exit 0
    fi
    found=0 comma=''
    each_row count_row
    [ "$found" -gt 0 ] || wrong "no knob is called '$question'; tune.sh explain lists them"
    found=0
    [ "$json" = 0 ] || printf '{ "schema": 1, "verb": "explain",\n  "knobs": ['
    each_row explain_row
    [ "$json" = 0 ] || printf '\n  ] }\n'
}
