# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # variables of the other parts
# What a knob that is not met would be set to, and where that is written down. Nothing is ever set lower
# than it is now, or than a file of this machine asks for.

# The server's ports; the wider range must not hand them to a client.
own_ports=9001-9002

# highest [FIELD]: of the whole numbers in that field (1) of the lines on standard input, of any length. A line
# of one word counts too; what is no number does not.
highest() {
    awk -v field="${1:-1}" '
        { value = (NF == 1) ? $1 : $field }
        value !~ /^[0-9]+$/ { next }
        length(value) > length(best) || (length(value) == length(best) && (value "") > (best "")) { best = value }
        END { print best }'
}

# targets: for the judged row the lines `sysctl|key|value` or `limit|item|value`, in the order to set them.
# Empty when it is met, or not for apply to change. A sysctl that shows in a network namespace without
# belonging to it is nobody's to write there, and has such a mode.
targets() {
    [ "$apply" = yes ] || return 0
    case $place in
        sysctl:*)
            sysctl_path "$key"
            [ -n "$(find "$path" -perm -200 2>/dev/null)" ] || return 0 ;;
    esac
    targets_anyway
}

targets_anyway() {
    if [ "$verdict" = ok ] || [ "$current" = absent ]; then return 0; fi
    case $kind-$place in
        ports-*) port_targets ;;
        least-limit:*) limit_targets ;;
        least-sysctl:*)
            best=$({ echo "$wanted"; asked_for "$key"; } | highest "${field:-1}")
            # Only the last of three fields is a ceiling; the first two stay what they are.
            if [ -n "$field" ]; then best="${line% *} $best"; fi
            echo "sysctl|$key|$best" ;;
        among-sysctl:*) echo "sysctl|$key|${wanted%% *}" ;;
    esac
}

# A kernel takes a page of a list at once, 4096 bytes at least, and begins anew in the middle of a number: what is longer
# would become other ports, now or when it is put back. Some programs read no more at once either.
ports_bytes_max=3900

# ports_too_long: whether the list of reserved ports is, or would be. Sets ports_list to what it would be.
ports_too_long() {
    lists=$(asked_for net.ipv4.ip_local_reserved_ports | tr '\n' ' ')
    ports_now=$(read_sysctl net.ipv4.ip_local_reserved_ports)
    ports_list=$(merge_ports "$ports_now" "$lists" "$own_ports")
    [ ${#ports_now} -gt $ports_bytes_max ] || [ ${#ports_list} -gt $ports_bytes_max ]
}

port_targets() {
    # Wider without the server's own ports in the list, it would hand them to a client.
    ! ports_too_long || return 0
    echo "sysctl|net.ipv4.ip_local_reserved_ports|$ports_list"
    # The kernel refuses a range that reaches below the ports it keeps for root. A lower start than 1024 stays.
    of_root=$(read_sysctl net.ipv4.ip_unprivileged_port_start)
    lowest=$({ echo "$line"; asked_for "$key"; } | awk -v lowest=1024 -v of_root="${of_root:-0}" '
        $1 ~ /^[0-9]+$/ && $1 < lowest && $1 > 0 && $1 >= of_root { lowest = $1 }
        END { print (lowest < of_root) ? of_root : lowest }')
    echo "sysctl|$key|$lowest 65535"
}

# limit_targets: in the unit of limits.conf, KiB for memory. No line takes away what the files up to ours give to logins, or what
# they may have without a line; what is read later overrules ours, whatever it says.
limit_targets() {
    limit_of_row || return 0
    goal=$wanted_units
    ! above_ceiling "$goal" || goal=$ceiling
    for domain in '*' root; do
        logins_get "$domain" early
        gives_logins "$goal" || echo "limit|$domain|$item|$goal"
    done
}
