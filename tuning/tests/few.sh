# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # variables of the other parts
# For the parts that try every point of a run: fewer knobs, and what is tried of them.

# Fewer knobs, since every point is tried: one of each kind, the ports as for a client elsewhere.
awk -F'\t' -v OFS='\t' '
    $1 == "net.ipv4.ip_local_port_range" { if ($10 == "both") next; $10 = "client both" }
    /^#/ || /^(fs.nr_open|RLIMIT_NOFILE|net.core.somaxconn|net.ipv4.tcp_mem|net.ipv4.ip_local_port_range)\t/' \
    "$here/knobs.tsv" >"$scratch/few.tsv"
FEW="--role both --conns 40000 --workers 1 --sources 1"

# at POINT ACTION: the hook that does it when the run comes by.
at() { TUNE_HOOK="[ \"\$TUNE_POINT\" != $1 ] || $2"; }

# few CODE: apply with the hook; the code may also be 0 where the point was not reached.
few() {
    # shellcheck disable=SC2086 # several words on purpose
    TUNE_ROOT=$scratch/fake TUNE_HOOK=$TUNE_HOOK sh "$here/tune.sh" apply $FEW >"$scratch/out" 2>"$scratch/err"
    code=$?
    if [ $code -eq 0 ]; then return 1; fi
    if [ $code -eq "$1" ]; then ok; else bad "ended with $code, expected $1 ($TUNE_HOOK)"; fi
}

# Enough of them were tried: an apply of 5 sysctls and 2 files has more points than that.
reached() { if [ "$1" -ge 10 ]; then ok; else bad "only $1 points were tried"; fi; }

# spoiled WHY: what the rollback file was made to say is not believed, and nothing is touched.
spoiled() {
    snapshot before
    tune 6 rollback
    complains "$1"
    complains "nothing was touched"
    # shellcheck disable=SC2086
    tune 6 apply $FEW --workers 2
    unchanged "$1"
    # shellcheck disable=SC2086
    tune 2 verify $FEW
    says "rollback file"
    cp -a "$scratch/sound/." "$state"
}

# signed: a rollback file with the right sum all the same.
signed() {
    sed '$d' "$state/journal" >"$scratch/body"
    { cat "$scratch/body"; echo "cksum|$(cksum <"$scratch/body" | tr -s ' \t' ' ')"; } >"$state/journal"
}
