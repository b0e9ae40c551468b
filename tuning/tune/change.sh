# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # variables of the other parts
# apply: all of it or nothing, whatever refuses, interrupts or kills.

changed='' folders='' state_made='' locked=0 journal_known=0 held=''
fixed="without CAP_SYS_RESOURCE not even root may raise a hard limit here: it comes from the unit or container"

# Progress. With --json standard output holds the one object at the end and nothing else.
say() { if [ "$json" = 1 ]; then printf '%s\n' "$1" >&2; else printf '%s\n' "$1"; fi; }
complain() { printf 'tune.sh: %s\n' "$1" >&2; }

# Tests stop, refuse or kill here. Only where they said which machine this is.
hook() {
    [ -n "${TUNE_HOOK:-}" ] && [ -n "${TUNE_ROOT:-}" ] && [ "${hooks:-1}" = 1 ] || return 0
    point=$((${point:-0} + 1))
    TUNE_POINT=$point sh -c "$TUNE_HOOK"
}

# A place where apply can be made to stop.
stop_here() {
    [ -z "$held" ] || abandon 5 "stopped"
    hook || abandon 5 "refused at point $point"
}

# record NAME BEFORE AFTER: for the JSON.
record() {
    [ "$json" = 1 ] || return 0
    name_json=$(string "$1")
    before_json=$(flat "$2")
    before_json=$(string "$before_json")
    after_json=$(flat "$3")
    after_json=$(string "$after_json")
    changed="$changed${changed:+,}
    { \"name\": $name_json, \"before\": $before_json, \"after\": $after_json }"
}

# finish CODE: the end of apply and rollback.
finish() {
    # Without the lock all there is belongs to somebody else, and what a rollback file that was not read names is needed.
    if [ "$locked$journal_known" = 11 ]; then forget; fi
    if [ "$locked" = 1 ]; then leave; fi
    if [ "$json" = 1 ] && ! printf '{ "schema": 1, "verb": "%s", "code": %s, "changed": [%s\n  ] }\n' "$verb" "$1" "$changed"; then
        complain "the words above could not be written to standard output"
        [ "$1" != 0 ] || exit 1
    fi
    exit "$1"
}

need_root() {
    [ "$(id -u)" != 0 ] || return 0
    complain "$verb changes settings of this machine and needs root, which it never takes by itself. Nothing was changed"
    [ "$verb" = rollback ] || complain "run it again as root; what it would do, without root: tune.sh plan$at_root --role $role --conns $conns"
    finish 3
}

# same_value KEY A B: whether the kernel means the same by both.
same_value() {
    this=$(flat "$2")
    that=$(flat "$3")
    if [ "$1" = net.ipv4.ip_local_reserved_ports ]; then
        this=$(merge_ports "$this")
        that=$(merge_ports "$that")
    fi
    [ "$this" = "$that" ]
}

# set_sysctl KEY VALUE: writes it and reads it back; sets refusal, and made where the kernel made something else of it,
# which is in raw then. tee, since it says what the kernel says.
set_sysctl() {
    sysctl_path "$1"
    made=0
    refusal=$(printf '%s\n' "$2" | tee "$path" 2>&1 >/dev/null) || {
        refusal=${refusal:-the kernel refused it}
        return 1
    }
    read_raw "$1" || {
        refusal='it cannot be read back'
        return 1
    }
    same_value "$1" "$raw" "$2" && return 0
    made=1
    refusal="the kernel made '$(flat "$raw")' of it"
    return 1
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
    changes='' conf_lines='' kept_keys='' least_keys='' limit_lines='' copies='' written=0
    hold_signals
    open_state
    stop_if_held
    journal_read
    stop_here
    each_knob collect
    if [ -n "$changes$conf_lines$limit_lines" ]; then
        make_changes
        outcome="kept what was there in $journal; back to it: tune.sh rollback$at_root"
    elif [ "$unread" -gt 0 ]; then
        outcome="nothing to change, as far as it can be read"
    else
        outcome="nothing to change: everything that apply sets is set"
    fi
    # All is done: a signal comes too late, and must not keep the lock from being given back.
    trap '' HUP INT QUIT TERM
    say "$outcome"
    tell_what_remains
}

open_state() {
    check_state
    for folder in /var /var/lib; do
        [ -d "$root$folder" ] || { mkdir "$root$folder" && folders="$folder $folders"; } || break
    done
    # Another one that starts in this moment may make it first.
    if [ ! -d "$state" ] && why_not=$(mkdir "$state" 2>&1); then
        state_made=1
    elif [ ! -d "$state" ]; then
        clear_up
        stop_if_held
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
    entry=$standing
    if [ -e "$entry" ] && ! readable; then abandon 5 "cannot read ${entry#"$root"}, whose place $sysctl_file takes at the next boot: put a file that can be read there"; fi
    # There before the first copy: without it they would be taken for those of one that was lost.
    [ -e "$journal" ] || journal_write '' || abandon 5 "cannot write the rollback file $journal"
    # Collected first: the files are made from these, and are entries themselves.
    if [ -n "$kept_keys" ]; then say "note      in force already, and in no file that a boot reads: $kept_keys"; fi
    if [ -n "$conf_lines" ]; then
        staged "$sysctl_file"
        { new_sysctl_file >"$made_at" && stage "$sysctl_file"; } ||
            abandon 5 "cannot keep a copy of $sysctl_file in $state"
    fi
    if [ -n "$limit_lines" ]; then
        staged "$limits_file"
        { new_limits_file >"$made_at" && stage "$limits_file"; } ||
            abandon 5 "cannot keep a copy of $limits_file in $state"
    fi
    for folder in $folders; do changes="dir|$folder$newline$changes"; done
    changes="apply|--role $role --conns $N$options_given$newline$changes"
    stop_here
    written=1
    all=$entries${entries:+$newline}$changes
    if [ $((${#all} + 1024)) -gt "$journal_bytes_max" ]; then abandon 5 "the rollback file $journal would grow too long: run tune.sh rollback$at_root first"; fi
    journal_write "$all" || abandon 5 "cannot write the rollback file $journal"
    total=$(printf '%s\n' "$changes" | grep -Ec '^(sysctl|file)\|') nth=0
    each_line "$changes" make_change
    stop_here
}

make_change() {
    stop_here
    case $what in
        dir) [ -d "$root$first" ] || mkdir "$root$first" || abandon 5 "cannot make the folder $first" ;;
        sysctl)
            nth=$((nth + 1))
            say "$nth/$total  $first: $(flat "$second") -> $third"
            set_sysctl "$first" "$third" || made_more || abandon 5 "$first = $third was refused: $refusal$(asked_by)"
            record "$first" "$second" "$raw" ;;
        file)
            nth=$((nth + 1))
            say "$nth/$total  $first"
            [ -z "$(find "$root$first" -links +1 2>/dev/null)" ] || say "note      $first has other names (hard links): they keep what was there"
            write_file || abandon 5 "cannot write $first"
            if [ "$second" = - ]; then record "$first" absent written; else record "$first" "its old content" written; fi ;;
    esac
}

# asked_by: the file that wants as much of a setting as it was to be, since it may want more than the kernel grants.
asked_by() {
    printf '%s' "$asked" | awk -F '|' -v key="$first" -v value="${third##* }" '
        /^\|/ { file = substr($0, 2); next }
        { sub(/^\*/, ""); count = split($2, words, " ") }
        $1 == key && words[count] == value { by = file }
        END { if (by != "") print "; " by " asks for so much: take it out there, then run apply again" }'
}

# made_more: whether the kernel made more of the value that was just set than was wanted, as where it rounds up: that will
# do. Whatever it made is what this apply set: the entry says so from now on, by which it is taken back.
made_more() {
    if [ "$made" != 1 ] || ! value_is_sound "$first" "$raw"; then return 1; fi
    around=$newline$changes$newline
    changes=${around%%"$newline$entry$newline"*}$newline$what\|$first\|$second\|$raw$newline${around#*"$newline$entry$newline"}
    changes=${changes#"$newline"} changes=${changes%"$newline"}
    journal_write "$entries${entries:+$newline}$changes" || return 1
    case $least_keys-$raw in *-*[!0-9]*) return 1 ;; *" $first "*-*) ;; *) return 1 ;; esac
    reaches "$raw" "$third" || return 1
    say "note      the kernel made $raw of it"
}

# Beside it first, then in its place: a reader sees the old file or the new one.
write_file() {
    path=$root$first
    rm -f "$path.tickring-new"
    if [ -f "$path" ]; then cp -a "$path" "$path.tickring-new" || return 1; fi
    staged "$first"
    cat "$made_at" >"$path.tickring-new" &&
        mv "$path.tickring-new" "$path" && on_disk "$path"
}

# abandon CODE WHY: puts back what this apply changed, and leaves nothing half-applied.
abandon() {
    trap '' HUP INT QUIT TERM
    # A signal to all of the terminal's processes kills what was at work as well: that failed of itself.
    if [ -n "$held" ]; then
        held_in_words
        set -- "$held" "$signal"
    fi
    hooks=0 changed='' restored=0
    complain "$2"
    if [ "$written" = 1 ]; then
        undo "$changes"
        if [ -n "$remaining" ]; then
            journal_write "$entries${entries:+$newline}$remaining"
            complain "$restored change(s) were put back, but not all; the rollback file is kept: tune.sh rollback$at_root tries again"
            finish 7
        fi
        # It names the copies until it is shortened.
        if [ -n "$entries" ] && ! journal_write "$entries"; then
            copies=''
            complain "cannot shorten the rollback file: it keeps what this apply would have changed, and rollback finds nothing to do about that"
        fi
    fi
    [ -n "$entries" ] || rm -f "$journal" || copies=''
    for copy in $copies; do rm -f "$state/$copy"; done
    complain "nothing is half-applied: $restored change(s) were put back, all is as it was"
    finish "$1"
}

tell_what_remains() {
    measure
    unfit=0 fleeting=0
    each_knob remaining_row
    if [ "$unfit" -gt 0 ]; then
        say "$N connections still do not fit, for what is above"
        finish 1
    elif [ "$fleeting" -gt 0 ]; then
        say "$N connections fit, but not after the next boot, for what is above"
        finish 1
    fi
    finish 0
}

remaining_row() {
    if [ "$verdict" = ok ]; then
        [ "$lapse" = ok ] || say "$lapse      $name is $current now ($note)"
        [ "$lapse" != fail ] || fleeting=1
        return
    fi
    case $place in
        limit:*)
            if is_for_later; then
                say "later     $name: $current here; logins from now on get what $givers, services what their unit says (tune.sh emit systemd)"
                return
            fi ;;
    esac
    if [ "$apply" = yes ] && [ "$kind" != ports ] && [ -n "$(targets_anyway)" ]; then note="read-only here: it is set outside, on the host"; fi
    if [ "$place" = "limit:Max open files" ] && is_number "$ceiling" && ! reaches "$ceiling" "$wanted"; then
        note="fs.nr_open is $ceiling${ceiling_then:- here}, and no limit of open files may be above it"
    fi
    case $place in limit:*) if limits_are_fixed; then note="$fixed"; fi ;; esac
    wanted_in_words
    say "$verdict      $name is $current, wanted $words${note:+ ($note)}"
    [ "$verdict" != fail ] || unfit=$((unfit + 1))
}
