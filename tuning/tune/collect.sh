# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # variables of the other parts
# What apply is to change, and what its two files become by that.

# Counts what apply would raise, by whether it is there to be looked at.
count_readable() {
    [ "$apply" = yes ] || return 0
    if [ "$current" != absent ]; then readable=$((readable + 1)); elif [ "$verdict" != ok ]; then unread=$((unread + 1)); fi
}

# Adds what the judged row wants to changes (sysctls), to conf_lines (what their file is to say) and to limit_lines.
collect() {
    each_line "$(targets)" collect_target
    if lost_at_boot; then each_line "$lost" collect_lost; fi
}

# In force, and in no file.
collect_lost() { collect_kept "$what" "$first"; }

collect_kept() {
    add_conf_line "$1" "$2"
    kept_keys="$kept_keys${kept_keys:+, }$1"
}

add_conf_line() { conf_lines="$conf_lines${conf_lines:+$newline}$1|$2"; }

collect_target() {
    case $what in
        sysctl)
            if sysctl_is_link "$first"; then abandon 5 "$odd, so $first would be written where somebody else chose"; fi
            read_raw "$first" || abandon 5 "cannot read $first"
            before=$raw
            value_is_sound "$first" "$before" || abandon 5 "$first holds '$before', which tune.sh cannot keep for rollback"
            value_is_sound "$first" "$second" || abandon 5 "$first would become '$second', which tune.sh cannot keep for rollback"
            if [ "$first" = net.ipv4.ip_local_reserved_ports ]; then
                # Nobody's port is lost, whatever became of those who made the list.
                if [ -z "$second" ] || ! same_value "$first" "$before,$second" "$second"; then abandon 5 "cannot add to $first"; fi
            fi
            boot_value "$first"
            if ! same_value "$first" "$before" "$second"; then
                changes="$changes${changes:+$newline}sysctl|$first|$before|$second"
                add_conf_line "$first" "$second"
                [ "$kind" != least ] || least_keys="$least_keys $first "
            elif ! same_value "$first" "$boot" "$second" && ! our_file_has "$first" "$second"; then
                collect_kept "$first" "$second"
            fi ;;
        limit) limit_lines="$limit_lines${limit_lines:+$newline}$first hard $second $third" ;;
    esac
}

# staged PATH: sets made_at to where the new content of a file is made: staged.sysctl.d, staged.limits.d.
staged() {
    folder=${1%/*}
    made_at=$state/staged.${folder##*/}
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
        # Under its name it is whole: half a copy is none.
        cp -a "$path" "$state/staged.copy" && [ "$(sum_of "$state/staged.copy")" = "$before" ] &&
            mv "$state/staged.copy" "$state/$copy" || return 1
        on_disk "$state/$copy"
    fi
    staged "$1"
    becomes=$(sum_of "$made_at")
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
    old=$standing
    [ "$old" = "$root$sysctl_file" ] || echo "# Begun with all of ${old#"$root"}, whose place a file of this name takes."
    [ -e "$old" ] || echo "# Written by Tickring's tune.sh apply; tune.sh rollback takes it back."
    [ ! -e "$old" ] || printf '%s\n' "$conf_lines" | awk -F'|' '
        NR == FNR { set[$1] = 1; next }
        { key = $0; sub(/=.*/, "", key); gsub(/^[ \t]*-?|[ \t]/, "", key); gsub("/", ".", key) }
        !(key in set)' - "$old" || return 1
    printf '%s\n' "$conf_lines" | awk -F'|' '{ print $1 " = " $2 }'
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
