# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # variables of the other parts
# What a knob that is not met would be set to, and where that is written down. Nothing is ever set lower
# than it is now, or than a file of this machine asks for.

# The server's ports; the wider range must not hand them to a client.
own_ports=9001-9002
sysctl_file=/etc/sysctl.d/90-tickring.conf
limits_file=/etc/security/limits.d/90-tickring.conf

# asked_for KEY: the values that the sysctl files of this machine give it, one a line.
asked_for() {
    asked=$1
    set -- /dev/null
    for file in "$root"/usr/lib/sysctl.d/*.conf "$root"/usr/local/lib/sysctl.d/*.conf "$root"/run/sysctl.d/*.conf \
        "$root"/etc/sysctl.d/*.conf "$root"/etc/sysctl.conf; do
        if [ -f "$file" ]; then set -- "$@" "$file"; fi
    done
    settings "$@" | while IFS='|' read -r other theirs; do
        [ "$other" != "$asked" ] || echo "$theirs"
    done
}

# settings FILE...: the lines `key|value` of sysctl.d(5) files, keys with dots.
settings() {
    awk '
        /^[ \t]*[#;]/ || !(at = index($0, "=")) { next }
        {
            key = substr($0, 1, at - 1)
            value = substr($0, at + 1)
            gsub(/^[ \t]*-?[ \t]*|[ \t]+$/, "", key)
            gsub(/^[ \t]+|[ \t\r]+$/, "", value)
            gsub(/[ \t]+/, " ", value)
            # With a slash first, slashes separate: net/ipv4/conf/eth0.1/…
            if (match(key, /[.\/]/) && substr(key, RSTART, 1) == "/") gsub("/", ".", key)
            print key "|" value
        }' "$@"
}

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
        least-limit:Max\ open\ files) limit_target nofile 1 ;;
        least-limit:Max\ locked\ memory) limit_target memlock 1024 ;;
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
    # The kernel refuses a range that reaches below the ports it keeps for root.
    lowest=$(read_sysctl net.ipv4.ip_unprivileged_port_start)
    [ "${lowest:-0}" -gt 1024 ] || lowest=1024
    [ "${line%% *}" -gt "$lowest" ] || lowest=${line%% *}
    echo "sysctl|$key|$lowest 65535"
}

# limit_target ITEM UNIT: in the unit of limits.conf, KiB for memory. What logins get now is what the
# first process has, when nobody says otherwise: the line must not be lower than that.
limit_target() {
    best=$(
        for bytes in "$wanted" "$(read_limit "${place#limit:}" 1)"; do
            is_number "$bytes" && [ "$bytes" != unlimited ] && echo $(((bytes + $2 - 1) / $2))
        done | highest
    )
    # setrlimit refuses more than that to everybody, and who logs in would keep what he has.
    if [ "$1" = nofile ] && is_number "$ceiling" && ! reaches "$ceiling" "$best"; then
        best=$ceiling
        # Who has more already keeps it.
        now=$(read_limit "${place#limit:}" 1)
        if is_number "$now" && ! reaches "$best" "$now"; then return 0; fi
    fi
    for domain in '*' root; do
        # A line that is there and high enough already only needs a new login.
        asked=$(limit_asked_for "$domain" "$1")
        [ "$asked" != unlimited ] || continue
        goal=$({ echo "$best"; echo "$asked"; } | highest)
        [ "$asked" = "$goal" ] || echo "limit|$domain|$1|$goal"
    done
}

# limit_asked_for DOMAIN ITEM: the highest hard limit the files give it; root is not in `*`.
limit_asked_for() {
    lines=$(cat /dev/null "$root"/etc/security/limits.conf "$root"/etc/security/limits.d/*.conf 2>/dev/null |
        awk -v domain="$1" -v item="$2" '$1 == domain && ($2 == "hard" || $2 == "-") && $3 == item { print $4 }')
    case " $(echo "$lines" | tr '\n' ' ') " in
        *' unlimited '* | *' infinity '* | *' -1 '*) echo unlimited ;;
        *) echo "$lines" | highest ;;
    esac
}
