# shellcheck shell=sh
# shellcheck disable=SC2154 # variables of the other parts
# The table is read by a shell, which calculates its formulas: so every row is looked at before anything is made of one.

# check_table: ends (2) with the first row that is not as the head of knobs.tsv says, by file and line. A formula is also
# followed through all that its variables can be: no division by zero, and no number of more than 63 bits.
check_table() {
    flaw=$(awk -F '\t' "$table_rules" "$table" 2>&1) || flaw=${flaw:-" it cannot be read"}
    [ -z "$flaw" ] || wrong "the table of knobs cannot be understood, and nothing is made of it: $table:$flaw"
}

# shellcheck disable=SC2016 # awk's dollars
table_rules='
    function flaw(words) { if (!found) print NR ": " words; found = 1; exit 1 }

    # Sets low and high of a word of a formula.
    function operand(word) {
        if (word in least) { low = least[word]; high = most[word]; return 1 }
        if (word !~ /^(0|[1-9][0-9]*)$/ || length(word) > 18) return 0
        low = high = word + 0
        return 1
    }
    function grow(a) { if (a < term_low) term_low = a; if (a > term_high) term_high = a }
    function fits(a) { return a < 9.2e18 && a > -9.2e18 }
    function formula(text, column,   words, count, i, sum_low, sum_high, a, b) {
        count = split(text, words, " ")
        if (text ~ /  / || count % 2 == 0 || !operand(words[1])) return flaw(column " is no formula: " text)
        term_low = low; term_high = high; sum_low = sum_high = 0
        for (i = 2; i <= count; i += 2) {
            if (words[i] !~ /^[-+*\/]$/ || !operand(words[i + 1])) return flaw(column " is no formula: " text)
            a = term_low; b = term_high
            if (words[i] == "*") {
                term_low = term_high = a * low
                grow(a * high); grow(b * low); grow(b * high)
            } else if (words[i] == "/") {
                if (low <= 0 && high >= 0) return flaw(column " may divide by zero: " text)
                term_low = term_high = a / low
                grow(a / high); grow(b / low); grow(b / high)
            } else {
                sum_low += a; sum_high += b
                term_low = (words[i] == "-") ? -high : low
                term_high = (words[i] == "-") ? -low : high
            }
            if (!fits(term_low) || !fits(term_high) || !fits(sum_low) || !fits(sum_high)) return flaw(column " may be more than 63 bits: " text)
        }
        if (!fits(sum_low + term_low) || !fits(sum_high + term_high)) flaw(column " may be more than 63 bits: " text)
    }
    BEGIN {
        split("N E W S P G M", names, " ")
        for (i = 1; i <= 7; i++) least[names[i]] = 1
        most["N"] = most["P"] = 100000000
        most["E"] = 200000000
        most["W"] = 4096
        most["S"] = 16000000
        least["G"] = 512; most["G"] = 2147483648
        least["M"] = 0; most["M"] = 9007199254740992
    }
    /^#/ || $0 == "" { next }
    { rows++ }
    NF != 17 { flaw(NF " columns, and there are 17, with one tab between them") }
    /[\001-\010\013-\037\177\\]/ { flaw("a control character, or a backslash") }
    { for (i = 1; i <= NF; i++) if ($i == "" || $i ~ /^ | $/) flaw("column " i " is empty, or begins or ends with a blank") }
    $1 !~ /^[A-Za-z0-9_.=-]+$/ || length($1) > 64 { flaw("no name: " $1) }
    $2 !~ /^(sysctl:(net|fs|kernel|vm)(\.[a-z0-9_-]+)+(\[[1-9]\])?|limit:[A-Za-z ]+|file:(\/[A-Za-z0-9_-]+)+|-)$/ { flaw("no place: " $2) }
    $3 !~ /^(least|most|ports|among|advice)$/ { flaw("no kind: " $3) }
    $2 == "-" && $3 != "advice" { flaw("nothing to judge without a place: " $1) }
    $3 == "ports" && $2 != "sysctl:net.ipv4.ip_local_port_range" { flaw("no range of ports: " $2) }
    $3 ~ /^(least|most|ports)$/ { formula($4, "the value") }
    $3 == "among" && $4 !~ /^[A-Za-z0-9_-]+( [A-Za-z0-9_-]+)*$/ { flaw("no words: " $4) }
    $5 != "-" { formula($5, "the floor") }
    $6 != "-" { formula($6, "the cap") }
    $7 !~ /^(warn|fail)$/ { flaw("unmet is warn or fail, not " $7) }
    $8 !~ /^(ok|warn|fail) ./ { flaw("absent is ok, warn or fail with a reason, not " $8) }
    $9 !~ /^(yes|no|never)$/ { flaw("apply is yes, no or never, not " $9) }
    $9 == "yes" && $3 !~ /^(least|ports)$/ && !($3 == "among" && $4 ~ /^[0-9 ]+$/ && $2 ~ /^sysctl:/) { flaw("apply cannot set that: " $1) }
    $9 == "yes" && $2 !~ /^(sysctl:[^\[]+(\[3\])?|limit:Max open files|limit:Max locked memory)$/ { flaw("apply cannot set that: " $2) }
    $10 !~ /^(server|client|both)( (server|client|both))*$/ { flaw("no roles: " $10) }
    $11 !~ /^(global|network namespace|process|hardware)$/ { flaw("no scope: " $11) }
    $12 !~ /^[0-9]+(\.[0-9]+)+(-[0-9]+\.[0-9]+)?$/ || length($12) > 20 { flaw("no versions of a kernel: " $12) }
    { count = split($10, roles, " "); for (i = 1; i <= count; i++) if (seen[$1, roles[i]]++) flaw("a second row of " $1 " for " roles[i]) }
    $9 == "yes" && $2 ~ /^sysctl:net\.ipv4\.ip_local_reserved_ports/ { flaw("apply cannot set that: " $2) }
    # Under two names it would be set twice, to two values.
    $9 == "yes" { place = $2; sub(/^[a-z]*:/, "", place); sub(/\[.*/, "", place); for (i = 1; i <= count; i++) if (set[place, roles[i]]++) flaw("a second row that apply sets " place " by, for " roles[i]) }
    END { if (!found && !rows) { print " no row"; exit 1 }; if (found) exit 1 }
'
