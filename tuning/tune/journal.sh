# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # variables of the other parts
# The rollback file: what was there before each change, on the disk before the change is made.
#
#   tickring-tuning 1
#   apply|ARGUMENTS                          one for each apply, for people
#   dir|PATH                                 a folder that was made
#   sysctl|KEY|BEFORE|AFTER                  the values as /proc/sys had them
#   file|PATH|SAVED|SUM BEFORE|SUM AFTER     the copy in this folder, or - where there was none
#   cksum|SUM                                of all lines above: who edits the file is found out
#
# A later apply adds lines; rollback goes through all of them from the last to the first. A line whose
# change was never made, or is undone already, finds BEFORE in place, or the BEFORE of an older line for the same thing,
# and does nothing. So it does not matter where an apply or a rollback was killed. Where the kernel made something else
# of a value, AFTER is written anew at once.
#
# The checksum finds damage, and whoever edits by hand. Against who writes both stands that rollback writes nothing
# but what apply could have changed, and that nobody else may have a hand in the folder.

state=$root/var/lib/tickring-tuning
journal=$state/journal
# Longer is none of ours: some thousand lines.
journal_bytes_max=262144

sum_of() { cksum <"$1" | tr -s ' \t' ' '; }

# On the disk, not only in the kernel's memory: the machine may lose power too.
on_disk() { sync "$1" 2>/dev/null || sync; }

# is_sum WORDS: whether it is what cksum says of a file, and not what is left of it when it was killed.
is_sum() { case $1 in *[!0-9\ ]* | ' '* | *' ' | *' '*' '*) return 1 ;; [0-9]*' '[0-9]*) ;; *) return 1 ;; esac; }

# journal_write ENTRIES: replaces the file as a whole, or not at all.
journal_write() {
    if { journal_new "tickring-tuning 1$newline$1"; } 2>/dev/null && mv "$journal.new" "$journal"; then
        on_disk "$state"
    else
        rm -f "$journal.new"
        return 1
    fi
}

journal_new() {
    printf '%s\n' "$1" >"$journal.new" || return 1
    body_sum=$(sum_of "$journal.new")
    is_sum "$body_sum" && [ "$body_sum" = "$(printf '%s\n' "$1" | cksum | tr -s ' \t' ' ')" ] || return 1
    echo "cksum|$body_sum" >>"$journal.new" || return 1
    on_disk "$journal.new"
}

# journal_read: sets entries, empty without a file. Refuses (6) what is not as it was written. Until journal_known is 1
# nothing may be done for which it would have to be known.
journal_read() {
    entries=''
    if [ -e "$journal" ]; then
        read_entries
    elif has_orphans; then
        damaged "it is missing, and $orphan, a copy of a file that an apply replaced, is there. $sysctl_file and $limits_file are what apply writes, and the copy says by its content which it was"
    fi
    stop_if_held
    journal_known=1
}

read_entries() {
    ! odd_kind "$journal" || damaged "$odd"
    size_bytes=$(wc -c <"$journal" | tr -d ' \t')
    if [ "${size_bytes:-0}" -gt "$journal_bytes_max" ]; then damaged "it has $size_bytes bytes, and tune.sh writes $journal_bytes_max at most"; fi
    # Once, and the sum is of what was read: were that less than there is, it would show.
    content=$({ cat "$journal"; } 2>/dev/null)
    [ "${content%%"$newline"*}" = "tickring-tuning 1" ] || damaged "its first line is not 'tickring-tuning 1'"
    last=${content##*"$newline"}
    said=${last#cksum|}
    if [ "$said" = "$last" ] || [ -z "$said" ]; then damaged "its last line, the checksum, is missing"; fi
    content=${content%"$newline"*}
    is=$(printf '%s\n' "$content" | cksum | tr -s ' \t' ' ')
    [ "$said" = "$is" ] || damaged "its checksum is $is, and it says $said: somebody edited it"
    case $content in *"$newline"*) entries=${content#*"$newline"} ;; esac
    raised=$(raised_sysctls)
    each_line "$entries" check_entry
}

# has_orphans: whether a copy is there that is not what the file still has, as it is before an apply begins. Sets orphan.
has_orphans() {
    for orphan in "$state"/saved.*; do
        case ${orphan##*/saved.} in '' | *[!0-9]*) continue ;; esac
        orphan_sum=$(sum_of "$orphan")
        for file in "$sysctl_file" "$limits_file"; do
            [ -f "$root$file" ] || continue
            now=$(sum_of "$root$file")
            [ "$now" != "$orphan_sum" ] || continue 2
        done
        return 0
    done
    return 1
}

check_entry() {
    entry_is_sound || damaged "it has a line that tune.sh never writes: $what|$first|$second|$third
tune.sh: rollback writes the settings that a tune.sh lets apply raise, with numbers, and the two files of apply"
}

# Only what apply writes: nobody is made to restore another file by a line that looks right.
entry_is_sound() {
    case $what in
        apply) ;;
        dir) case $first in /etc/sysctl.d | /etc/security | /etc/security/limits.d | /etc | /var | /var/lib) ;; *) return 1 ;; esac ;;
        sysctl)
            case $newline$raised$newline in *"$newline$first$newline"*) ;; *) return 1 ;; esac
            { value_is_sound "$first" "$second" && value_is_sound "$first" "$third"; } || return 1 ;;
        file)
            [ "$first" = "$sysctl_file" ] || [ "$first" = "$limits_file" ] || return 1
            [ "$second" != - ] || return 0
            case $second in saved.*[!0-9]* | saved.) return 1 ;; saved.*) ;; *) return 1 ;; esac
            ! odd_kind "$state/$second" || damaged "$odd"
            if [ ! -f "$state/$second" ] || [ "$(sum_of "$state/$second")" != "$third" ]; then
                damaged "the copy it names, $state/$second, is missing or changed"
            fi ;;
        *) return 1 ;;
    esac
}

# raised_sysctls: the settings that apply ever writes, one a line: those of the table, and those that the table of any
# tune.sh had, which may have written the file. A knob that leaves the table stays here.
raised_sysctls() {
    printf '%s\n' fs.file-max fs.nr_open net.core.netdev_max_backlog net.core.somaxconn net.ipv4.ip_local_port_range \
        net.ipv4.ip_local_reserved_ports net.ipv4.tcp_max_orphans net.ipv4.tcp_max_syn_backlog net.ipv4.tcp_max_tw_buckets \
        net.ipv4.tcp_mem net.ipv4.tcp_rmem net.ipv4.tcp_tw_reuse net.ipv4.tcp_wmem net.netfilter.nf_conntrack_buckets \
        net.netfilter.nf_conntrack_max
    awk -F'\t' '$9 == "yes" && $2 ~ /^sysctl:(net|fs|kernel|vm)(\.[a-z0-9_-]+)+(\[3\])?$/ {
        sub(/^sysctl:/, "", $2); sub(/\[.*/, "", $2); print $2
    }' "$table" 2>/dev/null
}

# value_is_sound KEY VALUE: whether it looks like what the kernel has there: numbers, or a list of ports.
value_is_sound() {
    case $1-$2 in
        net.ipv4.ip_local_reserved_ports-) ;;
        net.ipv4.ip_local_reserved_ports-*) case $2 in *[!0-9,-]*) return 1 ;; esac ;;
        *) case $2 in *[!0-9" $tab"]*) return 1 ;; esac
            # shellcheck disable=SC2086 # split on purpose
            are_numbers "$(fields_of "$1")" $2 ;;
    esac
}

# fields_of KEY: how many numbers the kernel has there.
fields_of() {
    case $1 in
        net.ipv4.tcp_mem | net.ipv4.tcp_rmem | net.ipv4.tcp_wmem) echo 3 ;;
        net.ipv4.ip_local_port_range) echo 2 ;;
        *) echo 1 ;;
    esac
}

# are_numbers COUNT WORD...: so many, none longer than the largest of 64 bits: fs.file-max may have 20 digits.
are_numbers() {
    [ $# -eq $(($1 + 1)) ] || return 1
    shift
    for each; do [ ${#each} -le 20 ] || return 1; done
}

damaged() {
    # A signal to all of the terminal's processes kills what was reading, too.
    stop_if_held
    complain "the rollback file $journal cannot be trusted: $1"
    complain "nothing was touched. What was there before stands there in plain text: put back by hand what you need, then"
    complain "remove the folder $state"
    finish 6
}

# ---- nobody else's hand ------------------------------------------------------------------------

# not_ours PATH...: whether one of them is a symbolic link or another user's, so that what is written or read there
# would be what somebody else chose. Sets odd to what it is.
not_ours() {
    for one; do
        odd="$one is a symbolic link"
        [ ! -L "$one" ] || return 0
        odd="$one belongs to another user"
        # Looked at again: it may just have been made.
        # shellcheck disable=SC3067 # -O is in every shell this meets
        if [ ! -O "$one" ] && [ -e "$one" ] && [ ! -O "$one" ]; then return 0; fi
    done
    return 1
}

# target_not_ours FILE: the same of a file that apply writes, and of the folders it is in.
target_not_ours() {
    inside=${1%/*}
    not_ours "$root${inside%/*}" "$root$inside" "$root$1"
}

# odd_kind PATH: whether there is something that is no plain file of this folder: a link, a pipe, a folder, or a file
# that others may write. Sets odd. ls looks once, so that a file which comes or goes meanwhile is not taken for another.
odd_kind() {
    case $(ls -ld "$1" 2>/dev/null) in
        l*) odd="$1 is a symbolic link" ;;
        [!-]*) odd="$1 is not a plain file" ;;
        ????????w*) odd="$1 may be written by everybody" ;;
        ?????w*) odd="$1 may be written by its group" ;;
        *) return 1 ;;
    esac
}

# sysctl_is_link KEY: whether its file, or a folder it is in, is a symbolic link. Sets odd.
sysctl_is_link() {
    sysctl_path "$1"
    steps=${path#"$root"/}/ one=$root
    while [ -n "$steps" ]; do
        one=$one/${steps%%/*} steps=${steps#*/}
        odd="$one is a symbolic link"
        [ ! -L "$one" ] || return 0
    done
    return 1
}

# beside_is_odd FILE: whether something else is where a new FILE is made. A plain file there is what a kill left.
beside_is_odd() {
    case $(ls -ld "$1.tickring-new" 2>/dev/null) in
        '' | -*) return 1 ;;
        l*) odd="$1.tickring-new is a symbolic link" ;;
        d*) odd="$1.tickring-new is a folder" ;;
        *) odd="$1.tickring-new is not a plain file" ;;
    esac
}

# check_state: refuses (6) a folder for the rollback file that leads elsewhere, or that others write in, and locks of
# another kind than ours. What is in the folder else is for check_contents: before the lock it may come and go.
check_state() {
    if not_ours ${root:+"$root/var" "$root/var/lib"} "$state"; then distrust; fi
    [ -d "$state" ] || return 0
    case $(ls -ld "$state") in
        ????????w*) odd="$state may be written by everybody"; distrust ;;
        ?????w*) odd="$state may be written by its group"; distrust ;;
    esac
    for each in "$lock_file"*; do
        if odd_kind "$each" || not_ours "$each"; then distrust; fi
    done
}

# check_contents: the same of all that is in the folder, when nobody else is at work.
check_contents() {
    for each in "$state"/*; do
        case $each in "$lock_file" | "$lock_file".*) continue ;; esac
        if odd_kind "$each" || not_ours "$each"; then distrust; fi
    done
}

distrust() {
    complain "$odd; nothing was touched, since $verb could be made to write elsewhere, or what somebody else wants"
    complain "look at it (ls -la $state): tune.sh makes this folder and all in it itself. Keep of it what you need, remove it, then run tune.sh $verb again"
    finish 6
}
