# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # variables of the other parts
# apply and rollback: all of it or nothing, whatever refuses, interrupts or kills.

changed='' folders='' locked=0
fixed="without CAP_SYS_RESOURCE not even root may raise a hard limit here: it comes from the unit or container"

# Progress. With --json standard output holds the one object at the end and nothing else.
say() { if [ "$json" = 1 ]; then echo "$1" >&2; else echo "$1"; fi; }
complain() { echo "tune.sh: $1" >&2; }

# Tests stop, refuse or kill here. Only where they said which machine this is.
hook() {
    [ -n "${TUNE_HOOK:-}" ] && [ -n "${TUNE_ROOT:-}" ] && [ "${hooks:-1}" = 1 ] || return 0
    point=$((${point:-0} + 1))
    TUNE_POINT=$point sh -c "$TUNE_HOOK"
}

# A place where apply can be made to stop.
stop_here() { hook || abandon 5 "refused at point $point"; }

# record NAME BEFORE AFTER: for the JSON.
record() {
    [ "$json" = 1 ] || return 0
    changed="$changed${changed:+,}
    { \"name\": $(string "$1"), \"before\": $(string "$(flat "$2")"), \"after\": $(string "$(flat "$3")") }"
}

# finish CODE: the end of apply and rollback.
finish() {
    # Without the lock all there is belongs to somebody else.
    if [ "$locked" = 1 ]; then
        rm -f "$state"/staged.*
        if [ -e "$journal" ]; then unlock; else forget; fi
    fi
    if [ "$json" = 1 ] && ! printf '{ "schema": 1, "verb": "%s", "code": %s, "changed": [%s\n  ] }\n' "$verb" "$1" "$changed"; then
        complain "the words above could not be written to standard output"
        [ "$1" != 0 ] || exit 1
    fi
    exit "$1"
}

need_root() {
    [ "$(id -u)" != 0 ] || return 0
    complain "$verb changes settings of this machine and needs root, which it never takes by itself. Nothing was changed"
    [ "$verb" = rollback ] || complain "run it again as root; what it would do, without root: tune.sh plan --role $role --conns $conns"
    finish 3
}

# same_value KEY A B: whether the kernel means the same by both.
same_value() {
    case $1 in
        net.ipv4.ip_local_reserved_ports) [ "$(merge_ports "$(flat "$2")")" = "$(merge_ports "$(flat "$3")")" ] ;;
        *) [ "$(flat "$2")" = "$(flat "$3")" ] ;;
    esac
}

# set_sysctl KEY VALUE: writes it and reads it back; sets refusal. tee, since it says what the kernel says.
set_sysctl() {
    sysctl_path "$1"
    refusal=$(printf '%s\n' "$2" | tee "$path" 2>&1 >/dev/null) || {
        refusal=${refusal:-the kernel refused it}
        return 1
    }
    read_raw "$1"
    same_value "$1" "$raw" "$2" && return 0
    refusal="the kernel made '$(flat "$raw")' of it"
    return 1
}

# ---- what to change ----------------------------------------------------------------------------

# Counts what apply would raise, by whether it is there to be looked at.
count_readable() {
    [ "$apply" = yes ] || return 0
    if [ "$current" != absent ]; then readable=$((readable + 1)); elif [ "$verdict" != ok ]; then unread=$((unread + 1)); fi
}

# Adds what the judged row wants to changes (sysctls) and limit_lines.
collect() {
    each_line "$(targets)" collect_target
}

collect_target() {
    case $what in
        sysctl)
            read_raw "$first" || abandon 5 "cannot read $first"
            before=$raw
            value_is_sound "$first" "$before" || abandon 5 "$first holds '$before', which tune.sh cannot keep for rollback"
            value_is_sound "$first" "$second" || abandon 5 "$first would become '$second', which tune.sh cannot keep for rollback"
            if [ "$first" = net.ipv4.ip_local_reserved_ports ]; then
                # Nobody's port is lost, whatever became of those who made the list.
                if [ -z "$second" ] || ! same_value "$first" "$before,$second" "$second"; then abandon 5 "cannot add to $first"; fi
            fi
            same_value "$first" "$before" "$second" || changes="$changes${changes:+$newline}sysctl|$first|$before|$second" ;;
        limit) limit_lines="$limit_lines${limit_lines:+$newline}$first hard $second $third" ;;
    esac
}

# Where the new content of a file is made: staged.sysctl.d, staged.limits.d.
staged() {
    folder=${1%/*}
    echo "$state/staged.${folder##*/}"
}

# stage PATH: keeps a copy of the file that is there and adds the entry.
stage() {
    path=$root$1 copy=- before=-
    if [ -e "$path" ]; then
        before=$(sum_of "$path")
        is_sum "$before" || return 1
        number=1
        while [ -e "$state/saved.$number" ]; do number=$((number + 1)); done
        copy=saved.$number
        copies="$copies $copy"
        cp -p "$path" "$state/$copy" && [ "$(sum_of "$state/$copy")" = "$before" ] || return 1
        on_disk "$state/$copy"
    fi
    becomes=$(sum_of "$(staged "$1")")
    is_sum "$becomes" || return 1
    folder=${1%/*}
    for parent in "${folder%/*}" "$folder"; do
        case $newline$changes$newline in *"${newline}dir|$parent$newline"*) continue ;; esac
        [ -d "$root$parent" ] || changes="$changes${changes:+$newline}dir|$parent"
    done
    changes="$changes${changes:+$newline}file|$1|$copy|$before|$becomes"
}

# The files are what is there without the lines that are set now, and those lines.
new_sysctl_file() {
    old=$root$sysctl_file
    [ -e "$old" ] || echo "# Written by Tickring's tune.sh apply; tune.sh rollback takes it back."
    [ ! -e "$old" ] || printf '%s\n' "$changes" | awk -F'|' '
        NR == FNR { if ($1 == "sysctl") set[$2] = 1; next }
        { key = $0; sub(/=.*/, "", key); gsub(/^[ \t]*-?|[ \t]/, "", key); gsub("/", ".", key) }
        !(key in set)' - "$old" || return 1
    printf '%s\n' "$changes" | awk -F'|' '$1 == "sysctl" { print $2 " = " $4 }'
}

new_limits_file() {
    old=$root$limits_file
    [ -e "$old" ] || echo "# Written by Tickring's tune.sh apply; tune.sh rollback takes it back. memlock is in KiB."
    # A line with - sets both limits: its soft one stays.
    [ ! -e "$old" ] || printf '%s\n' "$limit_lines" | awk '
        NR == FNR { set[$1 " " $3] = 1; next }
        !(($1 " " tolower($3)) in set) { print; next }
        $2 == "-" { sub(/[ \t]-[ \t]/, " soft "); print; next }
        tolower($2) != "hard"' - "$old" || return 1
    printf '%s\n' "$limit_lines"
}

# ---- apply -------------------------------------------------------------------------------------

apply() {
    need_root
    measure
    if sysctls_read_only; then
        complain "a container: /proc/sys is mounted read-only, so its settings come from outside. Nothing was changed"
        complain "what to give it from outside: tune.sh emit docker|k8s --role $role --conns $conns"
        finish 4
    fi
    readable=0 unread=0
    each_knob count_readable
    if [ "$readable" = 0 ]; then
        complain "nothing can be read below ${root:-/}: no proc/sys, no proc/self/limits. Whether $N fit is not known, and nothing was changed"
        complain "proc must be mounted there; for another machine, have the files made: tune.sh emit sysctl|limits --role $role --conns $N"
        finish 1
    fi
    umask 022
    changes='' limit_lines='' copies='' entries='' written=0
    # Whoever reads the progress may go: that is no reason to stop half-way.
    trap '' PIPE
    trap 'abandon 129 "hung up"' HUP
    trap 'abandon 131 "quit"' QUIT
    trap 'abandon 130 "interrupted"' INT
    trap 'abandon 143 "terminated"' TERM
    open_state
    journal_read
    stop_here
    each_knob collect
    if [ -z "$changes$limit_lines" ] && [ "$unread" -gt 0 ]; then
        say "nothing to change, as far as it can be read"
    elif [ -z "$changes$limit_lines" ]; then
        say "nothing to change: everything that apply sets is set"
    else
        make_changes
    fi
    trap - HUP INT QUIT TERM
    tell_what_remains
}

open_state() {
    check_state
    for folder in /var /var/lib; do
        [ -d "$root$folder" ] || { mkdir "$root$folder" && folders="$folder $folders"; } || break
    done
    # Another one that starts in this moment may make it first.
    if [ ! -d "$state" ] && ! why_not=$(mkdir "$state" 2>&1) && [ ! -d "$state" ]; then
        complain "cannot make $state for the rollback file, so nothing was changed: $why_not"
        finish 5
    fi
    lock
    check_contents
}

make_changes() {
    for file in "$sysctl_file" "$limits_file"; do
        if target_not_ours "$file"; then
            abandon 5 "$odd, so $file would be written where somebody else chose; put a plain file or folder of yours there, or remove it"
        fi
        if [ -e "$root$file" ] && [ ! -f "$root$file" ]; then abandon 5 "$file is not a plain file, and is not replaced"; fi
        # What apply and rollback write for root must be root's alone; its copy is kept with the mode it has.
        case $(ls -ld "$root$file" 2>/dev/null) in
            -???????w*) abandon 5 "$root$file may be written by everybody: look at it, then chmod go-w it" ;;
            -????w*) abandon 5 "$root$file may be written by its group: look at it, then chmod g-w it" ;;
        esac
        if beside_is_odd "$root$file"; then abandon 5 "$odd, and there $file is made before it goes to its place: remove it"; fi
    done
    # Collected first: the files are made from these, and are entries themselves.
    if [ -n "$changes" ]; then
        { new_sysctl_file >"$(staged "$sysctl_file")" && stage "$sysctl_file"; } ||
            abandon 5 "cannot keep a copy of $sysctl_file in $state"
    fi
    if [ -n "$limit_lines" ]; then
        { new_limits_file >"$(staged "$limits_file")" && stage "$limits_file"; } ||
            abandon 5 "cannot keep a copy of $limits_file in $state"
    fi
    for folder in $folders; do changes="dir|$folder$newline$changes"; done
    changes="apply|--role $role --conns $N$options_given$newline$changes"
    stop_here
    written=1
    all=$entries${entries:+$newline}$changes
    if [ $((${#all} + 64)) -gt "$journal_bytes_max" ]; then abandon 5 "the rollback file $journal would grow too long: run tune.sh rollback first"; fi
    journal_write "$all" || abandon 5 "cannot write the rollback file $journal"
    total=$(printf '%s\n' "$changes" | grep -Ec '^(sysctl|file)\|') nth=0
    each_line "$changes" make_change
    stop_here
    say "kept what was there in $journal; back to it: tune.sh rollback"
}

make_change() {
    stop_here
    case $what in
        dir) [ -d "$root$first" ] || mkdir "$root$first" || abandon 5 "cannot make the folder $first" ;;
        sysctl)
            nth=$((nth + 1))
            say "$nth/$total  $first: $(flat "$second") -> $third"
            set_sysctl "$first" "$third" || abandon 5 "$first = $third was refused: $refusal"
            record "$first" "$second" "$third" ;;
        file)
            nth=$((nth + 1))
            say "$nth/$total  $first"
            [ -z "$(find "$root$first" -links +1 2>/dev/null)" ] || say "note      $first has other names (hard links): they keep what was there"
            write_file || abandon 5 "cannot write $first"
            if [ "$second" = - ]; then record "$first" absent written; else record "$first" "its old content" written; fi ;;
    esac
}

# Beside it first, then in its place: a reader sees the old file or the new one.
write_file() {
    path=$root$first
    rm -f "$path.tickring-new"
    if [ -f "$path" ]; then cp -p "$path" "$path.tickring-new" || return 1; fi
    cat "$(staged "$first")" >"$path.tickring-new" &&
        mv "$path.tickring-new" "$path" && on_disk "$path"
}

# abandon CODE WHY: puts back what this apply changed, and leaves nothing half-applied.
abandon() {
    trap '' HUP INT QUIT TERM
    hooks=0 changed='' restored=0
    complain "$2"
    if [ "$written" = 1 ]; then
        undo "$changes"
        if [ -n "$remaining" ]; then
            journal_write "$entries${entries:+$newline}$remaining"
            complain "$restored change(s) were put back, but not all; the rollback file is kept: tune.sh rollback tries again"
            finish 7
        fi
        # It names the copies until it is shortened.
        if [ -z "$entries" ]; then
            rm -f "$journal" || copies=''
        elif ! journal_write "$entries"; then
            copies=''
            complain "cannot shorten the rollback file: it keeps what this apply would have changed, and rollback finds nothing to do about that"
        fi
    fi
    for copy in $copies; do rm -f "$state/$copy"; done
    complain "nothing is half-applied: $restored change(s) were put back, all is as it was"
    finish "$1"
}

tell_what_remains() {
    measure
    unfit=0
    each_knob remaining_row
    if [ "$unfit" -gt 0 ]; then
        say "$N connections still do not fit, for what is above"
        finish 1
    fi
    finish 0
}

remaining_row() {
    [ "$verdict" != ok ] || return 0
    case $place in
        limit:*)
            if is_for_later; then
                say "later     $name: $current here; logins from now on get what $givers, services what their unit says (tune.sh emit systemd)"
                return
            fi ;;
    esac
    if [ "$apply" = yes ] && [ "$kind" != ports ] && [ -n "$(targets_anyway)" ]; then note="read-only here: it is set outside, on the host"; fi
    if [ "$place" = "limit:Max open files" ] && is_number "$ceiling" && ! reaches "$ceiling" "$wanted"; then
        note="fs.nr_open is $ceiling here, and no limit of open files may be above it"
    fi
    case $place in limit:*) if limits_are_fixed; then note="$fixed"; fi ;; esac
    wanted_in_words
    say "$verdict      $name is $current, wanted $words${note:+ ($note)}"
    [ "$verdict" != fail ] || unfit=$((unfit + 1))
}

# ---- rollback ----------------------------------------------------------------------------------

rollback() {
    need_root
    entries=''
    trap '' PIPE
    check_state
    if [ ! -d "$state" ]; then
        say "nothing to roll back: no apply was made here"
        finish 0
    fi
    lock
    check_contents
    journal_read
    if [ -z "$entries" ]; then
        say "nothing to roll back: the last apply had not begun to change anything"
        finish 0
    fi
    trap 'complain "interrupted; the rollback file is kept: run tune.sh rollback again"; finish 130' HUP INT QUIT TERM
    undo "$entries"
    trap '' HUP INT QUIT TERM
    if [ -z "$remaining" ]; then
        rm -f "$journal"
        say "$restored change(s) taken back; all is as it was before apply"
        finish 0
    fi
    journal_write "$remaining" || complain "cannot shorten the rollback file; it is as it was"
    say "$restored change(s) taken back, $left left because somebody changed them since, $stuck refused"
    if [ "$stuck" -gt 0 ]; then
        say "the rollback file is kept: run tune.sh rollback again when the cause is gone"
        finish 7
    fi
    say "the rollback file keeps the $left left. To accept them as they are, remove $state"
    finish 1
}
