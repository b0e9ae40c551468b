# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # variables of the other parts
# A table that cannot be understood: said by file and line, and nothing is made of it. A shell calculates with what
# stands in it, so nothing in it may be run either.

TUNE_TABLE=$scratch/table.tsv
export TUNE_TABLE
ran=$scratch/ran

# table COLUMN TEXT: the few knobs, with that in the column of somaxconn.
table() { TEXT=$2 awk -F'\t' -v OFS='\t' -v column="$1" '$1 == "net.core.somaxconn" { $column = ENVIRON["TEXT"] } { print }' "$scratch/few.tsv" >"$TUNE_TABLE"; }

# not_understood WHY: two commands say so under two shells, and the machine is as it was.
not_understood() {
    for words in "sh $here/tune.sh apply $FEW" "bash $here/tune.sh check $FEW"; do
        command -v "${words%% *}" >/dev/null 2>&1 || continue
        # shellcheck disable=SC2086 # several words on purpose
        TUNE_ROOT=$scratch/fake $words >"$scratch/out" 2>"$scratch/err"
        code=$?
        if [ $code -eq 2 ]; then ok; else bad "ended with $code: $words: $1"; fi
        if [ -s "$scratch/out" ]; then bad "printed to standard output: $words: $1"; else ok; fi
        complains "$TUNE_TABLE:$1"
        if [ "$(wc -l <"$scratch/err")" -eq 2 ]; then ok; else bad "more than one message: $words: $1"; fi
    done
    if [ -e "$ran" ]; then bad "something of the table was run"; else ok; fi
    rm -f "$ran"
    unchanged "$1"
}

case_="a row that cannot be understood is named, and nothing is made of the table"
small_machine
snapshot before
row=$(grep -n '^net.core.somaxconn' "$scratch/few.tsv" | cut -d: -f1)
for formula in 'N + foo' 'N 5' 'N +' '+ N' '-N' '1e5' '0x10' 010 '(N)' 'N ** 2' 'N % 3' 'N=5' 'N++' "N  + 1" 'N;E' unlimited \
    9999999999999999999999 "N[\$(touch $ran)]" "a[\$(touch $ran)]" "\`touch $ran\`" "\$(touch $ran)" "\$N" '*' '~'; do
    table 4 "$formula"
    not_understood "$row: the value is no formula: $formula"
done
table 5 "a[\$(touch $ran)]"
not_understood "$row: the floor is no formula"
table 6 -5
not_understood "$row: the cap is no formula"
for formula in 'N / 0' 'N / S / 0' 'G / M' 'N / 0 * 5' 'N / 5 - 5 / 0'; do
    table 4 "$formula"
    not_understood "$row: the value may divide by zero"
done
for formula in 'N * 922337203685477580' 'N * N * N' 'M * E' '900000000000000000 * 11' 'N * N + N * N * 923'; do
    table 4 "$formula"
    not_understood "$row: the value may be more than 63 bits"
done
for place in "sysctl:net.core.somaxconn[a[\$(touch $ran)]]" 'sysctl:net.core.somaxconn[x]' 'sysctl:net.core.somaxconn[0]' \
    'sysctl:net.core.somaxconn[' 'sysctl:../../etc/passwd' 'sysctl:net..core' 'sysctl:*' 'sysctl:' "limit:x/;e touch $ran" \
    "limit:Max open files.*/touch $ran/e;s/x" 'limit:.*' 'limit:' 'file:/../etc/shadow' foo; do
    table 2 "$place"
    not_understood "$row: no place: $place"
done
table 3 LEAST
not_understood "$row: no kind: LEAST"
table 9 maybe
not_understood "$row: apply is yes, no or never, not maybe"
table 3 most
not_understood "$row: apply cannot set that: net.core.somaxconn"
table 2 'sysctl:net.ipv4.tcp_mem[1]'
not_understood "$row: apply cannot set that: sysctl:net.ipv4.tcp_mem[1]"
table 7 bad
not_understood "$row: unmet is warn or fail, not bad"
table 10 nobody
not_understood "$row: no roles: nobody"
table 12 "a[\$(touch $ran)]"
not_understood "$row: no versions of a kernel"
table 14 "$(printf 'a \007 bell')"
not_understood "$row: a control character"
table 14 'a \c backslash'
not_understood "$row: a control character, or a backslash"
table 14 ''
not_understood "$row: column 14 is empty"

case_="a table of another shape"
sed 's/$/\r/' "$scratch/few.tsv" >"$TUNE_TABLE"
not_understood "$(grep -n -m 1 '^[^#]' "$scratch/few.tsv" | cut -d: -f1): a control character"
awk '/^fs.nr_open\t/ { gsub(/\t/, " ") } { print }' "$scratch/few.tsv" >"$TUNE_TABLE"
not_understood "$(grep -n '^fs.nr_open' "$scratch/few.tsv" | cut -d: -f1): 1 columns, and there are 17"
cut -f 1-16 "$scratch/few.tsv" >"$TUNE_TABLE"
not_understood "$(grep -n -m 1 '^[^#]' "$scratch/few.tsv" | cut -d: -f1): 16 columns"
: >"$TUNE_TABLE"
not_understood " no row"
grep '^#' "$scratch/few.tsv" >"$TUNE_TABLE"
not_understood " no row"
{ cat "$scratch/few.tsv"; grep '^net.core.somaxconn' "$scratch/few.tsv"; } >"$TUNE_TABLE"
not_understood "$(($(wc -l <"$scratch/few.tsv") + 1)): a second row of net.core.somaxconn"
# Two names, one place: apply would set it twice.
for place in 'sysctl:net.core.somaxconn' 'sysctl:net.core.somaxconn[3]'; do
    awk -F'\t' -v OFS='\t' -v place="$place" '{ print } $1 == "net.core.somaxconn" { $1 = "queue"; $2 = place; $10 = "both"; print }' "$scratch/few.tsv" >"$TUNE_TABLE"
    not_understood "$((row + 1)): a second row that apply sets net.core.somaxconn by, for both"
done
awk -F'\t' -v OFS='\t' '{ print } $1 == "net.core.somaxconn" { $1 = "ports"; $2 = "sysctl:net.ipv4.ip_local_reserved_ports"; print }' "$scratch/few.tsv" >"$TUNE_TABLE"
not_understood "$((row + 1)): apply cannot set that: sysctl:net.ipv4.ip_local_reserved_ports"
TUNE_TABLE=$scratch refuses "cannot read the table of knobs" check --role server --conns 10

case_="a last row without its end of line counts"
printf '%s' "$(cat "$scratch/few.tsv")" >"$TUNE_TABLE"
last=$(tail -n 1 "$scratch/few.tsv" | cut -f 1)
tune 0 plan --role both --conns 10000000 --workers 1 --sources 1
says "$last"

case_="rollback needs no table"
cp "$scratch/few.tsv" "$TUNE_TABLE"
# shellcheck disable=SC2086
tune 0 apply $FEW
echo nonsense >"$TUNE_TABLE"
tune 0 rollback
unchanged "with a damaged table"
cp "$scratch/few.tsv" "$TUNE_TABLE"
# shellcheck disable=SC2086
tune 0 apply $FEW
rm "$TUNE_TABLE"
tune 0 rollback
unchanged "without a table"

case_="every setting that apply raises stays known to rollback"
awk -F'\t' '!/^#/ && $9 == "yes" && sub(/^sysctl:/, "", $2) { sub(/\[.*/, "", $2); print $2 }' "$here/knobs.tsv" | sort -u >"$scratch/out"
if [ "$(wc -l <"$scratch/out")" -ge 10 ]; then ok; else bad "too few settings"; fi
sed -n '/^raised_sysctls/,/^ *awk/p' "$here/tune/journal.sh" >"$scratch/err"
while IFS= read -r setting; do
    if grep -Fqw -- "$setting" "$scratch/err"; then ok; else bad "$setting would be unknown when it leaves the table"; fi
done <"$scratch/out"

case_="a knob that left the table, or is nobody's to apply any more, is still taken back"
# shellcheck disable=SC2016 # awk's dollars
for leave in '$1 != "net.core.somaxconn"' '{ if ($1 == "net.core.somaxconn") $9 = "no"; print }'; do
    cp "$scratch/few.tsv" "$TUNE_TABLE"
    # shellcheck disable=SC2086
    tune 0 apply $FEW
    awk -F'\t' -v OFS='\t' "$leave" "$scratch/few.tsv" >"$TUNE_TABLE"
    # shellcheck disable=SC2086
    tune 0 apply $FEW --workers 2
    tune 0 rollback
    unchanged "$leave"
done
unset TUNE_TABLE
