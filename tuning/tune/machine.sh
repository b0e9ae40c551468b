# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # variables of the other parts
# The machine as it is: only reads, all of it below $root.

# flat VALUE: with single blanks between its parts.
flat() {
    set -f
    # shellcheck disable=SC2086 # split on purpose
    set -- $1
    set +f
    printf '%s' "$*"
}

# sysctl_path NAME: sets path.
sysctl_path() {
    path=$root/proc/sys/ rest=$1
    while [ "${rest#*.}" != "$rest" ]; do path=$path${rest%%.*}/ rest=${rest#*.}; done
    path=$path$rest
}

# read_raw NAME: sets raw to what is in the sysctl's file, as it is: several numbers stand there with tabs
# between them. Empty when it cannot be read. In one piece: a shell's `read` asks for byte after byte, and
# a sysctl ends after the first one. Fails when it cannot be read.
read_raw() {
    sysctl_path "$1"
    raw=$(cat "$path" 2>/dev/null)
}

read_sysctl() { read_raw "$1"; flat "$raw"; }

# The hard limit: the programs raise the soft one to it by themselves.
read_limit() { # name as in /proc/self/limits [process]
    awk -v name="$1" 'index($0, name " ") == 1 { split(substr($0, length(name) + 1), words, " "); print words[2]; exit }' \
        "$root/proc/${2:-self}/limits" 2>/dev/null
}

# limits_are_fixed: whether not even root may raise a hard limit here, since CAP_SYS_RESOURCE (24) was taken away. Root has
# what is effective, who is not could become root with what is in the bounding set. What cannot be read is held against
# nobody.
limits_are_fixed() {
    sets=CapBnd
    [ "$(id -u)" != 0 ] || sets=CapEff
    sets=$(sed -n "s/^$sets:[^0-9a-fA-F]*//p" "$root/proc/self/status" 2>/dev/null)
    # Six digits are 24 bits.
    case ${sets%??????} in *[02468aceACE]) return 0 ;; *) return 1 ;; esac
}

# at_least VERSION: whether the kernel is that new; one that does not say is.
at_least() {
    have=${kernel%%[!0-9.]*} want=$1
    [ -n "$have" ] || return 0
    while [ -n "$want" ]; do
        theirs=${have%%.*}
        if [ "${theirs:-0}" -ne "${want%%.*}" ]; then
            [ "${theirs:-0}" -gt "${want%%.*}" ]
            return
        fi
        case $have in *.*) have=${have#*.} ;; *) have='' ;; esac
        case $want in *.*) want=${want#*.} ;; *) want='' ;; esac
    done
}

# kernel_has FIRST or FIRST-LAST: whether this kernel lies in the range, ends included.
kernel_has() {
    at_least "${1%-*}" || return 1
    case $1 in *-*) ;; *) return 0 ;; esac
    last=${1#*-}
    # Any 5.11.y is still 5.11: only the next minor number is past it.
    [ -z "$kernel" ] || ! at_least "${last%.*}.$((${last##*.} + 1))"
}

# merge_ports LIST...: lists such as 80,9001-9002 as one, ascending, in the words of the kernel.
merge_ports() {
    echo "$*" | tr -s ' ,' '\n' | awk -F- '/^[0-9]+(-[0-9]+)?$/ { print $1 + 0, (NF == 2 ? $2 : $1) + 0 }' | sort -n | awk '
        function flush() { if (seen) out = out (out == "" ? "" : ",") (last > first ? first "-" last : first) }
        seen && $1 <= last + 1 { if ($2 > last) last = $2; next }
        { flush(); first = $1; last = $2; seen = 1 }
        END { flush(); print out }'
}

# usable_ports RANGE RESERVED: ports one source address has for one destination, the range without the reserved ones.
usable_ports() {
    awk -v range="$1" -v reserved="${2:+$(merge_ports "$2")}" '
        BEGIN {
            if (split(range, r, " ") < 2) { print 0; exit }
            ports = r[2] - r[1] + 1
            n = split(reserved, parts, ",")
            for (i = 1; i <= n; i++) {
                if (split(parts[i], p, "-") == 1) p[2] = p[1]
                from = p[1] + 0 > r[1] + 0 ? p[1] + 0 : r[1] + 0
                to = p[2] + 0 < r[2] + 0 ? p[2] + 0 : r[2] + 0
                if (to >= from) ports -= to - from + 1
            }
            printf "%d\n", ports
        }'
}

page_bytes() {
    kib=$(sed -n '/^KernelPageSize:/{s/[^0-9]*\([0-9]*\).*/\1/p;q;}' "$root/proc/self/smaps" 2>/dev/null)
    case $kib in
        '' | 0* | ????????*) getconf PAGESIZE 2>/dev/null || echo 4096 ;;
        *) echo $((kib * 1024)) ;;
    esac
}

memory_bytes() {
    kib=$(sed -n 's/^MemTotal: *\([0-9]*\) kB.*/\1/p' "$root/proc/meminfo" 2>/dev/null)
    case $kib in '' | 0* | ??????????????*) echo 0 ;; *) echo $((kib * 1024)) ;; esac
}

# The variables of the table's formulas; `evaluate` reads them by name.
measure() {
    kernel=$(read_sysctl kernel.osrelease)
    [ -n "$workers" ] || workers=$(grep -c '^processor' "$root/proc/cpuinfo" 2>/dev/null)
    [ "${workers:-0}" -gt 0 ] || workers=1
    reserved=$(read_sysctl net.ipv4.ip_local_reserved_ports)
    ports=$(read_sysctl net.ipv4.ip_local_port_range)
    ports=$(usable_ports "$ports" "$reserved")
    ceiling=$(read_sysctl fs.nr_open) ceiling_then=''
    read_files
    G=$(page_bytes)
    M=$(memory_bytes)
    derive
}

# measure_nowhere: the same for a machine that is not known: the kernel's own ports, its smallest page, and one worker
# where nobody says how many, since that one needs the largest table.
measure_nowhere() {
    kernel='' reserved='' ceiling='' asked='' sure='' granted='' unread='' ceiling_then='' ports=28232 G=4096 M=0
    workers=${workers:-1}
    derive
}

derive() {
    N=${conns:-1} W=$workers E=$N
    [ "$role" != both ] || E=$((N * 2))
    S=${sources:-1}
    if [ "$role" = both ] && [ -z "$sources" ] && [ "$ports" -gt 0 ]; then S=$(((N + ports - 1) / ports)); fi
    P=$(((N + S - 1) / S))
}

# Containers mount /proc/sys so: then nobody inside changes a setting.
sysctls_read_only() {
    awk '
        $2 == "/proc" || $2 == "/proc/sys" { options[$2] = $4 }
        END {
            found = ("/proc/sys" in options) ? options["/proc/sys"] : options["/proc"]
            exit ("," found ",") !~ /,ro,/
        }' "$root/proc/self/mounts" 2>/dev/null
}
