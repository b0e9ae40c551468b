# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # variables of the other parts
# rollback, and what an apply that is abandoned does: taking back what the rollback file says, the newest first.

# undo ENTRIES: the newest first. Sets remaining (entries that could not be undone), and counts
# restored, left (somebody changed it since) and stuck (the kernel or the disk refused).
undo() {
    remaining='' restored=0 left=0 stuck=0 heads='' limits_stay=0 undone=$newline$1
    each_line_backwards "$1" undo_entry
    # The folders are still needed then, for a rollback that comes later.
    [ -z "$remaining" ] || remaining=$heads$remaining
}

undo_entry() {
    if [ "$verb" = rollback ] && [ -n "$held" ]; then interrupted; fi
    case $what in
        sysctl) undo_sysctl ;;
        file) undo_file ;;
        dir)
            { [ ! -d "$root$first" ] || rmdir "$root$first"; } 2>/dev/null
            folders="$folders $first" ;;
    esac
    case $what in apply | dir) heads=$entry$newline$heads ;; esac
}

# was_before VALUE: whether an older line has it as what was there before: a rollback that was interrupted came that far.
# What is older is what each_line_backwards still has to go through.
was_before() {
    older=$before_it
    while [ -n "$older" ]; do
        case $what-${older##*"$newline"} in "sysctl-sysctl|$first|$1|"* | "file-file|$first|"*"|$1|"*) return 0 ;; esac
        case $older in *"$newline"*) older=${older%"$newline"*} ;; *) older='' ;; esac
    done
    return 1
}

undo_sysctl() {
    if sysctl_is_link "$first"; then
        remain left "$first stays as it is: $odd"
        return
    fi
    if [ ! -e "$path" ]; then
        say "gone      $first is not here any more, so nothing of it is to be taken back"
        return
    fi
    # Nothing read is not a setting without a value.
    if ! read_raw "$first"; then
        remain stuck "$first could not be read"
        return
    fi
    now=$raw
    now_words=$(flat "$now")
    second_words=$(flat "$second")
    third_words=$(flat "$third")
    if same_value "$first" "$now" "$third"; then
        if [ "$second" = "$now" ]; then return; fi
        refusal='refused here'
        if [ "$first" = fs.nr_open ] && line_above "$second"; then
            remain left "$first stays $now_words: $limits_file, which stays as it is, has $above, and above fs.nr_open a limit is refused, maybe with the login. Change that line, then run rollback again"
        elif [ ${#second} -gt "$ports_bytes_max" ] && [ "$first" = net.ipv4.ip_local_reserved_ports ]; then
            remain stuck "$first is not set back to what stands in the rollback file: more than $ports_bytes_max bytes are not surely written in one piece. Write it in several, each ending after a comma"
        elif hook && set_sysctl "$first" "$second"; then
            restored=$((restored + 1))
            say "restored  $first: $third_words -> $second_words"
            record "$first" "$third" "$second"
        else
            remain stuck "$first could not be set back to '$second_words': $refusal"
        fi
    elif ! same_value "$first" "$now" "$second" && ! was_before "$now"; then
        remain left "$first is '$now_words' now; apply had set '$third_words' where '$second_words' was: somebody changed it since, so it stays"
    fi
}

# line_above VALUE: whether our limits file, which is left, has a line for more open files, whoever it is for. Sets above to it.
line_above() {
    [ "$limits_stay" = 1 ] && [ -f "$root$limits_file" ] || return 1
    above=$(hard_limits "$root$limits_file" any | awk -F '|' '$(NF - 1) == "nofile" && $NF != "unlimited" { print $NF }' | highest)
    [ -n "$above" ] && ! reaches "$1" "$above"
}

# boot_is_needed: whether the judged file is what gives fs.nr_open at the next boot, and such a line is above what it was.
boot_is_needed() {
    [ "$first" = "$sysctl_file" ] || return 1
    case $undone in *"${newline}sysctl|fs.nr_open|"*) ;; *) return 1 ;; esac
    was=${undone#*"${newline}sysctl|fs.nr_open|"}
    line_above "${was%%"|"*}"
}

undo_file() {
    path=$root$first
    if target_not_ours "$first"; then
        remain left "$first stays as it is: $odd"
        return
    fi
    if beside_is_odd "$path"; then
        remain stuck "$first could not be put back: $odd, where it is made before it goes to its place"
        return
    fi
    rm -f "$path.tickring-new"
    if [ -f "$path" ]; then now=$(sum_of "$path"); elif [ -e "$path" ]; then now='no plain file'; else now=-; fi
    if [ -f "$path" ] && ! is_sum "$now"; then
        remain stuck "$first could not be read"
    elif [ "$now" = "$fourth" ] && boot_is_needed; then
        remain left "$first stays, with its fs.nr_open: $limits_file, which stays as it is, has $above, and above fs.nr_open a limit is refused, maybe with the login. Change that line, then run rollback again"
    elif [ "$now" = "$fourth" ]; then
        if hook && put_back; then
            restored=$((restored + 1))
            say "restored  $first"
            record "$first" "written" "as it was"
        else
            remain stuck "$first could not be put back"
        fi
    elif [ "$now" != "$third" ] && ! was_before "$now"; then
        remain left "$first is not what apply wrote: somebody changed it since, so it stays"
    fi
}

put_back() {
    if [ "$second" = - ]; then
        rm -f "$path"
    else
        cp -a "$state/$second" "$path.tickring-new" && mv "$path.tickring-new" "$path"
    fi
}

# remain WORD MESSAGE: the entry stays in the rollback file, in the old order.
remain() {
    # Then what was at work was killed as well, and that is the cause.
    if [ "$verb" = rollback ] && [ -n "$held" ]; then interrupted; fi
    case $1 in left) left=$((left + 1)) ;; stuck) stuck=$((stuck + 1)) ;; esac
    [ "$first" != "$limits_file" ] || limits_stay=1
    say "$1      $2"
    remaining="$what|$first|$second${third:+|$third}${fourth:+|$fourth}${remaining:+$newline$remaining}"
    record "$first" "$1" "$1"
}

# Removes what nobody needs any more: what apply was making, and without a rollback file the copies.
forget() {
    rm -f "$state/staged.sysctl.d" "$state/staged.limits.d" "$state/staged.copy"
    [ ! -e "$journal" ] || return 0
    rm -f "$journal.new"
    forget_copies
}

# Gives the lock back, and removes the folders that are empty then. folders: those that apply made.
leave() {
    unlock
    rmdir "$state" 2>/dev/null
    for folder in $folders; do rmdir "$root$folder" 2>/dev/null; done
    return 0
}

# What somebody else put there stays.
forget_copies() {
    for copy in "$state"/saved.*; do
        case ${copy##*/saved.} in '' | *[!0-9]*) ;; *) rm -f "$copy" ;; esac
    done
}

interrupted() {
    trap '' HUP INT QUIT TERM
    complain "interrupted; the rollback file is kept: run tune.sh rollback$at_root again"
    finish 130
}

rollback() {
    need_root
    hold_signals
    check_state
    if [ ! -d "$state" ]; then
        say "nothing to roll back: no apply was made here"
        finish 0
    fi
    lock
    check_contents
    journal_read
    if [ -z "$entries" ]; then
        rm -f "$journal"
        say "nothing to roll back: the last apply had not begun to change anything"
        finish 0
    fi
    undo "$entries"
    if [ -n "$held" ] && [ -n "$remaining" ]; then interrupted; fi
    trap '' HUP INT QUIT TERM
    if [ -z "$remaining" ]; then
        # Copies without a rollback file are the rest of a lost one, so they go first, when it names them no more.
        if journal_write "${heads%"$newline"}"; then forget_copies; fi
        rm -f "$journal"
        say "$restored change(s) taken back; all is as it was before apply"
        finish 0
    fi
    journal_write "$remaining" || complain "cannot shorten the rollback file; it is as it was"
    say "$restored change(s) taken back, $left left because somebody changed them since, $stuck refused"
    if [ "$stuck" -gt 0 ]; then
        say "the rollback file is kept: run tune.sh rollback$at_root again when the cause is gone"
        finish 7
    fi
    say "the rollback file keeps the $left left. To accept them as they are, remove $state"
    finish 1
}
