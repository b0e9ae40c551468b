# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # variables of the other parts
# What the next boot gives. A value that is in force and that no file states is lost then: whoever set it by hand, or
# the apply that was killed before it wrote its file, leaves such ones behind.
#
# A boot gives a sysctl what the last file says of it. Where none does: what it was before the first apply, if the
# rollback file knows, and else the kernel's own value, by the table; where that follows from the memory, no more than
# what is sure.

entries=''

# boot_value KEY: sets boot to what the next boot gives it, without a number where that is not known. For a setting of
# the judged row.
boot_value() {
    if last_line_of "$1" "$sure"; then
        boot=$said
        return
    fi
    boot=''
    # There may be exceptions.
    ! last_line_of "*$1" "$asked" || return 0
    case $newline$entries in
        *"${newline}sysctl|$1|"*)
            boot=$newline$entries
            boot=${boot#*"${newline}sysctl|$1|"}
            boot=${boot%%"|"*}
            # It may have been set by hand, too.
            if [ "$kind" = least ] && is_number "$boot"; then
                known=$boot
                kernel_value "$1"
                if ! is_number "$boot" || reaches "$boot" "$known"; then boot=$known; fi
            fi ;;
        *) kernel_value "$1" ;;
    esac
}

# kernel_value KEY: sets boot to what the kernel has by itself, or to what it has at least.
kernel_value() {
    case $1-$default in
        net.ipv4.ip_local_reserved_ports-*) boot='' ;;
        # A tenth of the memory in KiB, and three parts in 32 of its pages, less what the kernel itself needs.
        fs.file-max-*) boot=$((M / 12288)) ;;
        net.ipv4.tcp_mem-*) boot=$((M / G / 12)) ;;
        *-*' to '*) boot=0 ;;
        *) boot=$default ;;
    esac
    case $default in *' to '*) ;; *) return 0 ;; esac
    # From what 2 GiB give, twice as much with twice the memory, up to the most.
    share=$((M / 2147483648)) most=${default##* }
    [ "$share" -gt 0 ] || return 0
    boot=${default%% *}
    while [ "$share" -gt 1 ] && [ $((boot * 2)) -le "$most" ]; do boot=$((boot * 2)) share=$((share / 2)); done
}

# boot_suffices: whether what the next boot gives the judged row is what it wants.
boot_suffices() {
    boot_value "$key"
    case $kind in
        ports)
            [ "$wanted" -gt 0 ] || return 0
            boot_range=$boot
            boot_value net.ipv4.ip_local_reserved_ports
            [ "$(usable_ports "$boot_range" "$boot")" -ge "$wanted" ] ;;
        *) suffices "$boot" ;;
    esac
}

# short_boot [late]: whether the files, or those that are read after ours, give the judged sysctl too little at the next boot.
# Sets short to what they say, short_from to the file, and short_verdict to what the row is then.
short_boot() {
    culprit=$key short_verdict=$unmet
    boots_with "$key" "$asked"
    [ "$kind" = ports ] || [ -n "$from" ] || return 1
    if boots_well; then
        if [ "$kind" != ports ] || own_ports_stay; then return 1; fi
        short_verdict=warn culprit=net.ipv4.ip_local_reserved_ports
        short="net.ipv4.ip_local_reserved_ports = $said, without the server's own, $own_ports, which the range then has"
    else
        # The range of ports may be too small by the list of those that are kept from it.
        if [ "$kind" = ports ] && { [ -z "$from" ] || [ "$(usable_ports "$said" '')" -ge "$wanted" ]; }; then
            culprit=net.ipv4.ip_local_reserved_ports
            boots_with "$culprit" "$asked"
        fi
        wanted_in_words
        short="$culprit = $said, wanted $words"
    fi
    short_from=$from
    [ -n "$from" ] && [ "${1:+$after_ours}" != 0 ]
}

# boots_well: whether the judged row holds with what the files give it.
boots_well() {
    if [ "$kind" != ports ]; then
        suffices "$said"
        return
    fi
    range=${said:-$line}
    boots_with net.ipv4.ip_local_reserved_ports "$asked"
    list=${said:-$reserved} list_from=$from
    boots_with "$key" "$asked"
    [ -z "$from$list_from" ] || [ "$(usable_ports "$range" "$list")" -ge "$wanted" ]
}

# own_ports_stay: whether the next boot keeps the server's own ports from the range that it gives to clients. Sets said and from
# to the list that does not.
own_ports_stay() {
    range=${said:-$line}
    boots_with net.ipv4.ip_local_reserved_ports "$asked"
    [ -n "$from" ] && [ "$(merge_ports "$said" "$own_ports")" != "$(merge_ports "$said")" ] || return 0
    # None of them can be given to a client.
    [ "$(usable_ports "$range" '')" = "$(usable_ports "$range" "$own_ports")" ]
}

# our_file_has KEY VALUE: whether our file says so already. Where a later one says something else, verify tells.
our_file_has() {
    [ -f "$standing" ] || return 1
    last_line_of "$1" "$newline$(settings "$standing")" && same_value "$1" "$said" "$2"
}

# lost_at_boot: whether the judged row, which is met, is so no more after the next boot, unless our file says so: where a file
# that is read later says less, that does not help. Sets lost to the lines
# `key|value` that our file needs for it: what is in force, or more where a file asks for more.
lost_at_boot() {
    lost=''
    if [ "$apply" != yes ] || [ "$verdict" != ok ] || [ "$current" = absent ]; then return 1; fi
    case $place in sysctl:*) ;; *) return 1 ;; esac
    [ "$lapse" = ok ] || [ "$short_from" = "$sysctl_conf" ] || return 1
    if ! kernel_has "$kernels" || boot_suffices; then return 1; fi
    sysctl_path "$key"
    [ -n "$(find "$path" -perm -200 2>/dev/null)" ] || return 1
    case $kind in
        least)
            best=$({ echo "$current"; asked_for "$key"; } | highest "${field:-1}")
            [ -z "$field" ] || best="${line% *} $best"
            add_lost "$key" "$best" ;;
        among) add_lost "$key" "$current" ;;
        ports)
            ! ports_too_long || return 1
            add_lost net.ipv4.ip_local_reserved_ports "$ports_list"
            add_lost "$key" "$line" ;;
    esac
    [ -n "$lost" ]
}

add_lost() { our_file_has "$1" "$2" || lost="$lost${lost:+$newline}$1|$2"; }

# known_before: sets entries to those of the rollback file, where one can be read and trusted.
known_before() {
    # In a shell of its own: a damaged one ends it.
    entries=$( (json=0; journal_read && printf '%s' "$entries") 2>/dev/null) || entries=''
}

# tell_lost: for verify, of what no file gives at all.
tell_lost() {
    if lost_at_boot; then each_line "$lost" tell_lost_line; fi
}

tell_lost_line() {
    last_line_of "$what" "$sure" ||
        tell warn "the next boot" "$what = $first is lost then, since no file of sysctl.d sets it: tune.sh apply writes it into $sysctl_file"
}

# plan_lost: for plan.
plan_lost() {
    lost_at_boot || [ "$lapse" != ok ] || return 0
    kept=1
    wanted_in_words
    printf '\n%s (%s): %s, wanted %s  [ok now, not after the next boot]\n' "$name" "$scope" "$current" "$words"
    [ "$lapse" = ok ] || echo "  note:    $note"
    each_line "$lost" keep_command | sed 's/^/  do:      /'
}

# What to type for a line of lost.
keep_command() { append_command "$what = $first" "$sysctl_file"; }
