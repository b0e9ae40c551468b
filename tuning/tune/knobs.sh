# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # variables of the other parts
# Reads knobs.tsv and judges one row at a time. The columns become variables of their names.

# each_row FUNCTION: calls it for every row of the table, with the columns in their variables.
each_row() {
    # A last line without an end is one, too.
    while IFS="$tab" read -r name place kind value floor cap unmet absent apply roles scope kernels default \
        why symptom see source <&3 || [ -n "$name" ]; do
        case $name in '' | '#'*) continue ;; esac
        "$1"
    done 3<"$table"
}

# each_knob FUNCTION: calls it for every row of this role, judged. Sets oks, warns, fails, worst.
each_knob() {
    visit=$1 oks=0 warns=0 fails=0
    each_row visit_knob
    worst=ok
    [ "$warns" -eq 0 ] || worst=warn
    [ "$fails" -eq 0 ] || worst=fail
}

visit_knob() {
    case " $roles " in *" $role "*) ;; *) return ;; esac
    judge
    if [ "$place" = sysctl:fs.nr_open ]; then raise_ceiling; fi
    case $verdict in ok) oks=$((oks + 1)) ;; warn) warns=$((warns + 1)) ;; fail) fails=$((fails + 1)) ;; esac
    "$visit"
}

# raise_ceiling: no limit of open files is above fs.nr_open, so its row comes before theirs. Where apply raises it that is what it
# is to be; but no more than the next boot surely gives it, by which lines that are written now are judged, too.
raise_ceiling() {
    ceiling=$current
    case $verb in apply | plan) ;; *) return 0 ;; esac
    raised=$(targets)
    [ -n "$raised" ] || ! lost_at_boot || raised=$lost
    [ -z "$raised" ] || ceiling=${raised##*|}
    boots_with "$key" "$sure"
    if [ -z "$raised" ] || [ "$after_ours" = 1 ]; then
        boot_value "$key"
        lower_ceiling "$boot"
    fi
    boots_with "$key" "$asked"
    [ "$after_ours" = 0 ] || lower_ceiling "$said"
}

lower_ceiling() {
    if is_number "$1" && is_number "$ceiling" && ! reaches "$1" "$ceiling"; then ceiling=$1 ceiling_then=' after the next boot'; fi
}

# evaluate FORMULA: the shell's own arithmetic over N, E, W, S, P, G, M, of what check_table has let through. Sets result.
# shellcheck disable=SC2004 # the dollar is needed: the argument holds an expression, not a number
evaluate() { result=$(($1)); }

# From the columns to key, field, line (the whole sysctl) and current (the number that counts).
read_current() {
    key='' field='' line='' current=''
    case $place in
        sysctl:*)
            key=${place#sysctl:}
            case $key in *\[*) field=${key#*[}; field=${field%]}; key=${key%%[*} ;; esac
            read_raw "$key"
            case $raw in *"$tab"* | *'  '*) line=$(flat "$raw") ;; *) line=$raw ;; esac
            current=$line
            [ -z "$field" ] || current=$(part "$field" "$line") ;;
        limit:*) current=$(read_limit "${place#limit:}") ;;
        file:*) current=$({ cat "$root${place#file:}"; } 2>/dev/null) ;;
        -) current='-' ;;
    esac
    # Whatever bytes are there, a terminal and a program shall read it.
    case $current$line in
        *[!\ -~]*)
            current=$(plain "$current")
            line=$(plain "$line") ;;
    esac
}

# part NUMBER VALUE: one of the words in it, counted from 1; empty where there are fewer.
part() {
    number=$1
    set -f
    # shellcheck disable=SC2086 # split on purpose
    set -- $2
    set +f
    [ $# -lt "$number" ] || { shift $((number - 1)); printf '%s' "$1"; }
}

# Sets wanted, and note where floor or cap decided.
read_wanted() {
    case $kind in
        among) wanted=$value; return ;;
        advice) wanted='-'; note=$value; return ;;
    esac
    evaluate "$value"
    wanted=$result
    if [ "$floor" != - ]; then
        evaluate "$floor"
        [ "$wanted" -ge "$result" ] || wanted=$result
    fi
    if [ "$cap" != - ]; then
        evaluate "$cap"
        if [ "$result" -gt 0 ] && [ "$wanted" -gt "$result" ]; then
            note="N asks for $wanted; $result is the most that makes sense here"
            wanted=$result
        fi
    fi
    [ "$wanted" -ge 0 ] || wanted=0
}

# From the columns to current, wanted, verdict, note and lapse.
judge() {
    verdict=ok note='' lapse=ok
    read_current
    read_wanted
    [ "$kind" != advice ] || { current=${current:-absent}; return; }
    if [ -z "$current" ]; then
        current=absent
        if kernel_has "$kernels"; then
            verdict=${absent%% *}
            note=${absent#* }
        else
            note="this kernel has no such knob ($(range_in_words))"
        fi
    elif ! kernel_has "$kernels"; then
        note="does not matter on this kernel ($(range_in_words))"
    elif [ "$kind" != among ] && ! is_number "$current"; then
        verdict=warn
        note="cannot be understood: '$current'"
        # So that nothing is made from it either.
        current=absent
    elif ! holds; then
        verdict=$unmet
        [ "$apply" != never ] || note="refused advice: tune.sh explain $name"
    fi
    note_overruled
}

range_in_words() { case $kernels in *-*) echo "Linux ${kernels%-*} to ${kernels#*-}" ;; *) echo "since $kernels" ;; esac; }

is_number() {
    case $1 in
        unlimited) return 0 ;;
        # The range of ports is two numbers, and judged by `ports`.
        *[!0-9\ ]* | '' | ' '*) return 1 ;;
    esac
}

# reaches A B: A >= B for whole numbers, A of any length: fs.file-max may have 20 digits.
reaches() {
    [ "$1" != unlimited ] || return 0
    [ "$2" != unlimited ] || return 1
    if [ ${#1} -gt 18 ] || [ ${#2} -gt 18 ]; then
        [ ${#1} -gt ${#2} ] || { [ ${#1} -eq ${#2} ] && [ "$(printf '%s\n%s\n' "$1" "$2" | LC_ALL=C sort | tail -n 1)" = "$1" ]; }
    else
        [ "$1" -ge "$2" ]
    fi
}

# Whether current satisfies wanted.
holds() {
    case $kind in
        ports)
            note="$ports ports x $S source address(es)"
            # Both ends on this machine: the range is the kernel's, and the generator does not ask it.
            [ "$wanted" -gt 0 ] || note="not needed: over loopback loadgen hands out the ports itself, 64512 of each of $S source address(es)"
            # 65535 - 1024 + 1, less the two that apply reserves for the server.
            if [ "$wanted" -gt 64510 ]; then note="$note; no range suffices: use $(((N + 64509) / 64510)) addresses or more"; fi
            [ "$ports" -lt "$wanted" ] || return 0
            if ports_too_long; then note="$note; apply leaves it, since net.ipv4.ip_local_reserved_ports has more than the $ports_bytes_max bytes that are surely written and read in one piece"; fi
            return 1 ;;
        *) suffices "$current" ;;
    esac
}

# suffices VALUE: whether it is what the judged row wants, which is no range of ports; of several numbers, which are as many as the kernel takes, the last counts.
suffices() {
    case $kind in
        least) is_number "${1##* }" && reaches "${1##* }" "$wanted" ;;
        most) is_number "${1##* }" && { [ "$wanted" -eq 0 ] || ! reaches "${1##* }" $((wanted + 1)); } ;;
        among) case " $wanted " in *" $1 "*) return 0 ;; *) return 1 ;; esac ;;
    esac
}
