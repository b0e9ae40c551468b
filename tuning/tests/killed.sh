# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # variables of the other parts
# What the shell goes on without: a program that it calls is killed, or has no room. Nothing may be lost by that.

TUNE_TABLE=$scratch/few.tsv
export TUNE_TABLE

# Programs in front of the real ones: the one that is called as number $TUNE_KILL is killed. It may have read or written
# nothing by then, as when memory is out.
mkdir "$scratch/killers"
for tool in awk sed cat cksum tr grep sort wc cp mv tee find; do
    real=$(command -v $tool)
    cat >"$scratch/killers/$tool" <<TOOL
#!/bin/sh
echo >>"$scratch/calls"
[ "\$($(command -v wc) -l <"$scratch/calls")" -ne "\${TUNE_KILL:-0}" ] || kill -9 \$\$
exec $real "\$@"
TOOL
    chmod 755 "$scratch/killers/$tool"
done

# with_killed NUMBER ARGUMENTS...: sets code. Fails where the program of that number was not reached any more.
with_killed() {
    : >"$scratch/calls"
    nth=$1
    shift
    PATH=$scratch/killers:$PATH TUNE_KILL=$nth TUNE_ROOT=$scratch/fake sh "$here/tune.sh" "$@" >"$scratch/out" 2>"$scratch/err"
    code=$?
    [ "$(wc -l <"$scratch/calls")" -ge "$nth" ]
}

case_="rollback, whichever program is killed: all is taken back, or the rollback file is kept and the next one does"
small_machine
snapshot before
# shellcheck disable=SC2086 # several words on purpose, here and below
tune 0 apply $FEW
rm -rf "$scratch/applied"
cp -a "$scratch/fake" "$scratch/applied"
nth=1
while with_killed $nth rollback; do
    if [ $code -ne 0 ]; then
        if [ -e "$state/journal" ]; then ok; else bad "program $nth killed, ended with $code: the rollback file is gone"; fi
        tune 0 rollback
    fi
    unchanged "program $nth killed, ended with $code"
    rm -rf "$scratch/fake"
    cp -a "$scratch/applied" "$scratch/fake"
    nth=$((nth + 3))
done
if [ "$nth" -ge 40 ]; then ok; else bad "only $nth programs were killed"; fi

case_="apply, whichever program is killed: rollback finds the way back"
nth=1
small_machine
# shellcheck disable=SC2086
while with_killed $nth apply $FEW; do
    tune 0 rollback
    unchanged "program $nth killed, ended with $code"
    small_machine
    nth=$((nth + 7))
done
if [ "$nth" -ge 80 ]; then ok; else bad "only $nth programs were killed"; fi

case_="nothing that matters is a here-document: some shells keep those in files, for which there may be no room"
grep -n '<<' "$here"/tune/*.sh >"$scratch/out"
if [ -s "$scratch/out" ]; then bad "a here-document"; else ok; fi

case_="a path with blanks and a star: nothing beside it is removed when apply is stopped"
small_machine
mkdir "$scratch/a b * c"
rm -rf "$scratch/plain"
mv "$scratch/fake" "$scratch/plain"
for name in a b c d "*"; do echo precious >"$scratch/$name"; done
for point in 2 4 6 9; do
    rm -rf "$scratch/a b * c"
    cp -a "$scratch/plain" "$scratch/a b * c"
    # shellcheck disable=SC2086
    (cd "$scratch" && TUNE_ROOT="$scratch/a b * c" TUNE_HOOK="[ \$TUNE_POINT != $point ] || exit 1" sh "$here/tune.sh" apply $FEW) \
        >"$scratch/out" 2>"$scratch/err"
    complains "nothing is half-applied"
    for name in a b c d "*"; do if [ -e "$scratch/$name" ]; then ok; else bad "stopped at point $point: $name is gone"; fi; done
    if [ -e "$scratch/a b * c/var/lib/tickring-tuning" ]; then bad "its folder stays"; else ok; fi
done
for name in a b c d "*"; do rm -f "${scratch:?}/$name"; done
rm -rf "$scratch/a b * c" "$scratch/plain"

case_="a second apply is refused, and there is no room to shorten the rollback file: the first is still taken back"
small_machine
snapshot before
tune 0 apply --role both --conns 20000 --workers 1 --sources 1
rm -rf "$scratch/applied"
cp -a "$scratch/fake" "$scratch/applied"
for point in 3 6 9; do
    rm -rf "$scratch/fake"
    cp -a "$scratch/applied" "$scratch/fake"
    # Nothing can be written where a folder is.
    TUNE_HOOK="[ \$TUNE_POINT != $point ] || { mkdir $state/journal.new; exit 1; }"
    # shellcheck disable=SC2086
    tune 5 apply $FEW
    complains "cannot shorten the rollback file"
    unset TUNE_HOOK
    rmdir "$state/journal.new"
    tune 0 rollback
    unchanged "refused at point $point"
done

case_="a rollback file that is far too long is refused at once"
small_machine
# shellcheck disable=SC2086
tune 0 apply $FEW
awk 'BEGIN { for (i = 0; i < 300000; i++) printf "a" }' >"$scratch/long"
{ sed '$d' "$state/journal"; printf 'apply|'; cat "$scratch/long"; echo; echo x; } >"$scratch/journal"
cat "$scratch/journal" >"$state/journal"
signed
snapshot before
tune 6 rollback
complains "262144 at most"
unchanged "a long line"
unset TUNE_TABLE

case_="a terminal's signal, which all of its processes get"
# bash cannot take a trap in the middle of a command with two substitutions, so there must be none.
for shell in sh bash; do
    command -v $shell >/dev/null || continue
    for verb in apply rollback; do
        small_machine
        mkdir -p "$scratch/first"
        snapshot clean
        [ $verb = apply ] || TUNE_ROOT=$scratch/fake sh "$here/tune.sh" apply --role client --conns 90000 --workers 2 --sources 1 >/dev/null
        # shellcheck disable=SC2016 # for the script that is made
        printf '#!/bin/sh\nif [ ! -e %s ] && [ "$(cat %s)" != 10000 ]; then : >%s; kill -INT 0; fi\nexec %s "$@"\n' \
            "$scratch/first/done" "$scratch/fake/proc/sys/fs/nr_open" "$scratch/first/done" "$(command -v sort)" >"$scratch/first/sort"
        chmod 755 "$scratch/first/sort"
        # shellcheck disable=SC2046 # several words on purpose
        PATH=$scratch/first:$PATH TUNE_ROOT=$scratch/fake setsid -w $shell "$here/tune.sh" $verb \
            $([ $verb = rollback ] || echo --role client --conns 90000 --workers 2 --sources 1) >"$scratch/out" 2>"$scratch/err" </dev/null
        code=$?
        [ -e "$scratch/first/done" ] || bad "$shell $verb: no signal was sent"
        if [ $code -eq 130 ]; then ok; else bad "$shell $verb ended with $code, expected 130"; fi
        [ $verb = apply ] || tune 0 rollback
        snapshot after
        if cmp -s "$scratch/clean" "$scratch/after"; then ok; else bad "$shell $verb: not as it was"; fi
        rm -rf "$scratch/first"
    done
done

case_="copies without their rollback file are nobody's to delete"
small_machine
mkdir -p "${ours%/*}"
echo 'net.core.somaxconn = 301' >"$ours"
# shellcheck disable=SC2086 # several words on purpose
tune 0 apply $FEW
rm "$state/journal"
cp "$state/saved.1" "$scratch/only"
for command in rollback "apply $FEW"; do
    # shellcheck disable=SC2086
    tune 6 $command
    complains "is missing, and $state/saved.1, a copy of a file"
    if cmp -s "$state/saved.1" "$scratch/only"; then ok; else bad "the copy is gone"; fi
done

case_="what is to be typed is for the same root, whatever its name"
small_machine
mkdir "$scratch/outer"
mv "$scratch/fake" "$scratch/outer/a\\cb 'c"
odd_root="$scratch/outer/a\\cb 'c"
(cd "$odd_root" && find . -type f -exec cksum {} + | LC_ALL=C sort) >"$scratch/odd.before"
TUNE_ROOT='' sh "$here/tune.sh" apply --role client --conns 90000 --workers 2 --sources 1 --root "$odd_root" >"$scratch/out" 2>"$scratch/err"
says "back to it: tune.sh rollback --root '"
undo_words=$(sed -n 's/.*back to it: tune.sh //p' "$scratch/out")
if [ "$(ls "$scratch/outer")" = "a\\cb 'c" ]; then ok; else bad "something was written beside the root"; fi
TUNE_ROOT='' sh -c "sh '$here/tune.sh' $undo_words" >"$scratch/out" 2>"$scratch/err" || bad "typed, it ends with $?"
(cd "$odd_root" && find . -type f -exec cksum {} + | LC_ALL=C sort) >"$scratch/odd.after"
if cmp -s "$scratch/odd.before" "$scratch/odd.after"; then ok; else bad "not as it was"; fi
mv "$odd_root" "$scratch/fake"
