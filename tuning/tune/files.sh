# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # variables of the other parts
# What the files of this machine say: to the settings at the next boot (sysctl.d), and to logins from now on (limits.d).
# Read once, in the order in which those who obey them do, so that everything else asks for a key and gets what counts.

sysctl_file=/etc/sysctl.d/90-tickring.conf
limits_file=/etc/security/limits.d/90-tickring.conf
sysctl_conf=/etc/sysctl.conf

# read_files: sets asked (`|FILE`, then its lines `key|value`), sure (those of asked that every boot reads), granted (`0|FILE`, or `1|FILE` where it is read after ours,
# then its lines `domain|item|value`) and unread, the files that this user may not read.
read_files() {
    asked=$newline sure='' granted='' unread='' late=0
    # What a boot reads under the name of ours: one that apply makes takes its place.
    standing=$root$sysctl_file
    # The end of the range of ports that the kernel begins with.
    last_port=60999
    # The settings of the table, each between two |, with the field that counts of them.
    table_keys=$(awk -F '\t' '
        $2 ~ /^sysctl:/ { sub(/^sysctl:/, "", $2); printf "|%s", $2 }
        END { print "|net.ipv4.ip_local_reserved_ports|" }' "$table")
    sysctl_files=$(list_sysctl_files)
    limits_files=$(list_limits_files)
    each_line "$sysctl_files" read_sysctl_file
    each_line "$limits_files" read_limits_file
}

# One by one: an awk that cannot open a file reads none of the others.
read_sysctl_file() {
    [ "${entry##*/}" != "${sysctl_file##*/}" ] || standing=$entry
    if [ ! -e "$entry" ] && ! leads_out "$entry"; then
        asked="$asked|${entry#"$root"}$newline"
    elif readable && found=$(settings "$entry" 2>/dev/null); then
        asked="$asked|${entry#"$root"}$newline$found$newline"
        ! last_line_of net.ipv4.ip_local_port_range "$newline$found" || last_port=${said##* }
    else
        not_read
    fi
    # sysctl --system reads it, systemd-sysctl only by a link in sysctl.d: it may spoil a boot, and cannot be relied on.
    [ "$entry" = "$root$sysctl_conf" ] || sure=$asked
}

read_limits_file() {
    if [ ! -e "$entry" ] && ! leads_out "$entry"; then
        :
    elif readable && found=$(hard_limits "$entry" 2>/dev/null); then
        granted="$granted$late|${entry#"$root"}$newline$found$newline"
    else
        not_read
    fi
    [ "$entry" != "$root$limits_file" ] || late=1
}

readable() { [ -f "$entry" ] && [ -r "$entry" ] && ! leads_out "$entry"; }

# leads_out PATH: whether it is a link that leads out of a made-up machine, or is in a folder that does: what is there, if
# anything, is of another one.
leads_out() {
    [ -n "$root" ] && { [ -e "$1" ] || [ -L "$1" ]; } || return 1
    case $(readlink -f "$1") in "$(readlink -f "$root")"/*) return 1 ;; esac
}

not_read() { unread="$unread${unread:+$newline}${entry#"$root"}"; }

# A folder that may not be listed stands for what is in it.
closed() { [ -d "$1" ] && [ ! -r "$1" ]; }

# list_sysctl_files: those that count, one a line, in the order of reading: by name, whatever the folder. One in an earlier
# folder replaces one of the same name in a later one, by nothing where it is a link to /dev/null (sysctl.d(5)). sysctl(8)
# reads sysctl.conf after them. Ours has its place among them, whether or not it is there.
list_sysctl_files() {
    names=/
    {
        for folder in /etc /run /usr/local/lib /usr/lib /lib; do
            if closed "$root$folder/sysctl.d"; then printf '%s\n' "/$root$folder/sysctl.d"; fi
            for file in "$root$folder"/sysctl.d/*.conf; do
                name=${file##*/}
                case $names in */"$name"/*) continue ;; esac
                if [ ! -c "$file" ]; then
                    is_meant "$file" || continue
                    printf '%s/%s\n' "$name" "$file"
                fi
                names=$names$name/
            done
        done
        case $names in */"${sysctl_file##*/}"/*) ;; *) printf '%s/%s\n' "${sysctl_file##*/}" "$root$sysctl_file" ;; esac
    } | sort -t / -k 1,1 | cut -d / -f 2-
    ! is_meant "$root$sysctl_conf" || printf '%s\n' "$root$sysctl_conf"
}

# is_meant PATH: whether it is, or may be on its own machine, a file.
is_meant() { [ -f "$1" ] || leads_out "$1"; }

# list_limits_files: the same of pam_limits(8), with the place of ours in it, whether or not it is there.
list_limits_files() {
    printf '%s\n' "$root/etc/security/limits.conf"
    {
        if closed "$root/etc/security/limits.d"; then printf '%s\n' "$root/etc/security/limits.d"; fi
        printf '%s\n' "$root$limits_file"
        for file in "$root"/etc/security/limits.d/*.conf; do ! is_meant "$file" || printf '%s\n' "$file"; done
    } | sort -u
}

# settings FILE: the lines `key|value` of a sysctl.d(5) file, of keys of the table, with dots; `*key|value` where a key with * or ?
# in it means that one, which counts where no line names it. The value is what the kernel takes of it; a line that it refuses
# is none.
settings() {
    awk -v keys="$table_keys" -v last_port="$last_port" "$kernel_numbers"'
        function matches(pattern, name,    first, of) {
            if (pattern == "" || name == "") return pattern == name || pattern == "*"
            first = substr(pattern, 1, 1)
            of = substr(name, 1, 1)
            if (first == "*") return matches(substr(pattern, 2), name) || of != "." && matches(pattern, substr(name, 2))
            return (first == of || first == "?" && of != ".") && matches(substr(pattern, 2), substr(name, 2))
        }
        function state(mark, name, field) {
            if (taken(name, field)) print mark name "|" value_taken
        }
        /^[ \t]*[#;]/ || !(at = index($0, "=")) { next }
        {
            key = substr($0, 1, at - 1)
            value = substr($0, at + 1)
            gsub(/^[ \t]*-?[ \t]*|[ \t]+$/, "", key)
            gsub(/\r/, " ", value)
            gsub(/[^ -~\t]|\|/, "?", value)
            # With a slash first, slashes separate: net/ipv4/conf/eth0.1/…
            if (match(key, /[.\/]/) && substr(key, RSTART, 1) == "/") gsub("/", ".", key)
            all = split(keys, names, "|")
            gsub(/\*+/, "*", key)
            for (at = 2; at < all; at++) {
                field = sub(/\[3\]$/, "", names[at]) ? 3 : 1
                if (key == names[at]) state("", key, field)
                else if (key ~ /[*?]/ && matches(key, names[at])) state("*", names[at], field)
            }
        }' "$1"
}

# As proc(5) reads what is written: numbers to base 8 with a zero in front and to base 16 with 0x, as many as the setting has, whatever
# stands behind them. taken sets value_taken and says whether the kernel takes it.
# shellcheck disable=SC2016 # awk's dollars
kernel_numbers='
    # number * base + more, of any length.
    function times(number, base, more,    at, out) {
        for (at = length(number); at > 0 || more; at--) {
            if (at > 0) more += substr(number, at, 1) * base
            out = more % 10 out
            more = int(more / 10)
        }
        return out
    }
    # Nothing where the kernel refuses it.
    function decimal(word,    base, at, number) {
        if (word ~ /^0[xX][0-9a-fA-F]+$/) { base = 16; word = tolower(substr(word, 3)) }
        else if (word ~ /^0[0-7]+$/) base = 8
        else return (word ~ /^0[0-9]+$/) ? "" : word
        for (at = 1; at <= length(word); at++) number = times(number, base, index("0123456789abcdef", substr(word, at, 1)) - 1)
        sub(/^0+/, "", number)
        return (number == "") ? "0" : number
    }
    function ports(list,    out, port) {
        while (match(list, /[0-9A-Za-z]+/)) {
            out = out substr(list, 1, RSTART - 1)
            port = decimal(substr(list, RSTART, RLENGTH))
            list = substr(list, RSTART + RLENGTH)
            if (!is_above(port, "65535")) out = out port
        }
        return out list
    }
    function most(name) {
        if (name == "fs.file-max" || name == "net.ipv4.tcp_mem") return "9223372036854775807"
        if (name == "net.ipv4.ip_local_port_range") return "65535"
        return (name == "fs.nr_open") ? "2147483584" : "2147483647"
    }
    function is_above(word, limit) {
        return word ~ /^[0-9]+$/ && (length(word) > length(limit) || length(word) == length(limit) && (word "") > (limit ""))
    }
    function taken(name, field,    words, count, at, is_range) {
        value_taken = ""
        count = split(value, words, " ")
        if (name == "net.ipv4.ip_local_reserved_ports") {
            for (at = 1; at <= count; at++) value_taken = value_taken (at == 1 ? "" : " ") ports(words[at])
            return 1
        }
        is_range = name == "net.ipv4.ip_local_port_range"
        if (is_range) field = 2
        # Who gives fewer numbers than there are leaves the others as they are.
        if (is_range && count == 1) words[++count] = last_port
        if (count < field) return 0
        for (at = 1; at <= field; at++) {
            words[at] = decimal(words[at])
            if (words[at] == "" || is_above(words[at], most(name))) return 0
            # No less than a long has bits.
            if (name == "fs.nr_open" && words[at] ~ /^[0-9]+$/ && !is_above(words[at], "63")) return 0
            value_taken = value_taken (at == 1 ? "" : " ") words[at]
        }
        if (is_range) last_port = words[2]
        return 1
    }
'

# hard_limits FILE [any]: the lines `domain|item|value` of a limits.conf(5) file that set a hard limit for everybody (*) or root, or
# for anybody.
# Whoever has lines of his own, or his group has, gets those: nobody knows beforehand who will start the program.
hard_limits() {
    awk -v any="${2:-}" '
        { sub(/#.*/, ""); gsub(/\r/, ""); type = tolower($2); value = tolower($4) }
        NF < 4 || (any == "" && $1 != "*" && $1 != "root") || $3 !~ /^[A-Za-z]+$/ || (type != "hard" && type != "-") { next }
        value ~ /^(unlimited|infinity|-1?)$/ { value = "unlimited" }
        # strtoul(3) reads as far as there are digits.
        value ~ /^[+]?[0-9]/ { sub(/^[+]/, "", value); sub(/[^0-9].*/, "", value); sub(/^0+/, "", value); if (value == "") value = 0 }
        value == "unlimited" || value ~ /^[0-9]+$/ { print $1 "|" tolower($3) "|" value }' "$1"
}

# asked_for KEY: the values that the files give it, one a line.
asked_for() {
    printf '%s' "$asked" | awk -v key="$1|" '{ sub(/^\*/, "") } index($0, key) == 1 { print substr($0, length(key) + 1) }'
}

# last_line_of KEY LINES: sets said to the value that the last of the lines `key|value` gives it; fails without one.
last_line_of() {
    case $2 in *"$newline$1|"*) ;; *) return 1 ;; esac
    said=${2##*"$newline$1|"}
    said=${said%%"$newline"*}
}

# boots_with KEY LINES: sets said to what a boot that reads these lines of asked gives it, the last value of all, from to the
# file, and after_ours to 1 where that is read after ours; empty where none does.
boots_with() {
    from='' after_ours=0 means=$1
    # Whatever file has it: what names the setting counts before what means it.
    last_line_of "$1" "$2" || { means="*$1" && last_line_of "*$1" "$2"; } || { said=''; return 0; }
    read_before=${2%"$newline$means|"*}
    from=${read_before##*"$newline|"}
    from=${from%%"$newline"*}
    if [ "$means" != "$1" ] || [ "${from##*/}" = "${sysctl_file##*/}" ]; then return 0; fi
    case $read_before in *"/${sysctl_file##*/}$newline"*) after_ours=1 ;; esac
}

# What systemd gives its services where nobody says how much, and the kernel since 5.16: less would take something away.
systemd_files=524288
systemd_memlock_bytes=8388608

# limit_of_row: sets item and unit of limits.conf where the judged row is such a limit, and systemd_gives, in that unit.
limit_of_row() {
    case $kind-$place in
        least-limit:Max\ open\ files) item=nofile unit=1 systemd_gives=$systemd_files ;;
        least-limit:Max\ locked\ memory) item=memlock unit=1024 systemd_gives=$((systemd_memlock_bytes / 1024)) ;;
        *) return 1 ;;
    esac
    wanted_units=$(((wanted + unit - 1) / unit))
}

# logins_get DOMAIN [early]: sets given to the hard limit of that item which the files, or those up to ours, give to logins,
# the last line for the domain (root is not in *), from to the file, and after_ours to 1 where that is read after ours. Without
# any line nobody knows what their service gives them: no more than the first process has, and than systemd gives, which raises its
# own limits.
logins_get() {
    given=$(printf '%s' "$granted" | awk -F '|' -v domain="$1" -v item="$item" -v early="${2:+1}" '
        $1 ~ /^[01]$/ { late = $1; file = substr($0, 3); next }
        $1 == domain && $2 == item && !(early && late) { value = $3; from = file; after = late }
        END { print value "|" after "|" from }')
    from=${given#*"|"*"|"} after_ours=${given#*"|"} after_ours=${after_ours%%"|"*} given=${given%%"|"*}
    [ -z "$from" ] || return 0
    given=$(read_limit "${place#limit:}" 1)
    case $given in *[!0-9]* | '') ;; *) given=$(((given + unit - 1) / unit)) ;; esac
    if reaches "${given:-0}" "$systemd_gives" && grep -qx systemd "$root/proc/1/comm" 2>/dev/null; then given=$systemd_gives; fi
}

# above_ceiling UNITS: whether it is more open files than setrlimit grants anybody.
above_ceiling() { [ "$item" = nofile ] && is_number "$ceiling" && ! reaches "$ceiling" "$1"; }

# gives_logins UNITS: whether what logins_get found is so much. Of a line above the ceiling nobody gets anything, he may not even
# be let in, and of unlimited files PAM makes the ceiling (limits.conf(5)).
gives_logins() {
    case ${from:+$item}-$given in
        nofile-unlimited) ! above_ceiling "$1" ;;
        nofile-*) ! above_ceiling "$given" && reaches "$given" "$1" ;;
        *) reaches "${given:-0}" "$1" ;;
    esac
}

# short_logins [late]: whether a file, or one that is read after ours, gives logins less of the judged limit than is wanted.
# Sets short to its lines, and short_from to it.
short_logins() {
    short='' short_from=''
    for domain in '*' root; do
        logins_get "$domain"
        if [ -z "$from" ] || gives_logins "$wanted_units" || [ "${1:+$after_ours}" = 0 ]; then continue; fi
        short="$short${short:+, }$domain hard $item $given"
        if above_ceiling "$given" && [ "$given" != unlimited ]; then short="$short (more than fs.nr_open$ceiling_then, so the kernel refuses it)"; fi
        # One file usually has both.
        [ "$short_from" = "$from" ] || short_from="$short_from${short_from:+ and }$from"
    done
    [ -n "$short" ]
}

# note_overruled: where lines that are read after those of apply give less, that is a note on the judged row. Sets lapse to its
# verdict after the next boot, where that is worse by them.
note_overruled() {
    if [ "$apply" != yes ] || [ "$current" = absent ] || ! kernel_has "$kernels"; then return 0; fi
    case $place in
        limit:*)
            if [ "$verdict" = ok ] || ! limit_of_row; then return 0; fi
            ! short_logins late || note_late "${limits_file##*/}" "and that counts at a login: take it out there"
            above_ceiling "$wanted_units" || note_unlined ;;
        sysctl:*)
            short_boot late || return 0
            lapse=$short_verdict
            and_then="and the next boot has that"
            in_every_boot "$culprit" ||
                and_then="and a boot with sysctl --system has that (systemd-sysctl reads it only by a link in sysctl.d, in its place there)"
            note_late "${sysctl_file##*/}" "$and_then: take it out there, then run apply again" ;;
    esac
}

# in_every_boot KEY: whether systemd-sysctl, which reads sysctl.conf only by a link in sysctl.d, comes to the same value.
in_every_boot() {
    last_line_of "$1" "$asked"
    with_conf=$said
    last_line_of "$1" "$sure" && [ "$said" = "$with_conf" ]
}

note_late() { note="${note:+$note; }$short_from is read after $1 and says $short, $2"; }

# note_unlined: who has no line in the files, and may have enough without, is promised nothing, and gets no line that could be less.
note_unlined() {
    who='' lines=''
    for domain in '*' root; do
        logins_get "$domain"
        if [ -n "$from" ] || ! gives_logins "$wanted_units"; then continue; fi
        case $domain in '*') who=everybody ;; *) who="$who${who:+ or }root" ;; esac
        lines="$lines; $(append_command "$domain hard $item $wanted_units" "$limits_file")"
    done
    [ -z "$who" ] || note="${note:+$note; }no line for $who in the limits files: a login has from its service what it has, and that may \
be more than here. Log in again and check; if it has no more either: ${lines#; }"
}

# is_for_later: whether the judged row is a limit that logins from now on get, and this shell has not. Sets givers to whom
# they have it from, in words.
is_for_later() {
    limit_of_row || return 1
    ! limits_are_fixed || return 1
    # Whatever the file says.
    ! above_ceiling "$wanted_units" || return 1
    [ "$verdict" != ok ] && [ "$current" != absent ] || return 1
    givers=''
    for domain in '*' root; do
        logins_get "$domain"
        if [ -z "$from" ] || ! gives_logins "$wanted_units"; then return 1; fi
        [ "$givers" = "$from says" ] || givers="$givers${givers:+ and }$from says"
    done
}
