# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # variables of the other parts
# What surrounds a run: variables, options of the shell, from where it is called.

case_="the environment changes nothing: CDPATH, options of the shell, links, odd folders"
small_machine
CHECK="check --role server --conns 20000 --workers 1"
# shellcheck disable=SC2086 # several words on purpose, here and below
tune 2 $CHECK
cp "$scratch/out" "$scratch/usual"

# as_usual COMMAND...: the same words, the same exit status, and no complaint.
as_usual() {
    # shellcheck disable=SC2086
    (cd "$scratch/links" && TUNE_ROOT=$scratch/fake "$@" $CHECK) >"$scratch/out" 2>"$scratch/err"
    code=$?
    if [ $code -eq 2 ] && cmp -s "$scratch/out" "$scratch/usual" && [ ! -s "$scratch/err" ]; then ok; else bad "ended with $code: $*"; fi
}
mkdir "$scratch/links"
ln -s "$here/tune.sh" "$scratch/links/tune"
ln -s "$here" "$scratch/links/-d"
ln -s "$here" "$scratch/links/tuning"
as_usual sh "$here/tune.sh"
as_usual sh tune
as_usual sh -- -d/tune.sh
as_usual env CDPATH=. sh tuning/tune.sh
as_usual sh -e "$here/tune.sh"
as_usual sh -C "$here/tune.sh"
as_usual sh -f "$here/tune.sh"
as_usual env ENV=/no/such/file IFS=0123 sh "$here/tune.sh"
if command -v bash >/dev/null 2>&1; then as_usual env SHELLOPTS=errexit:noclobber:noglob CDPATH=. bash tuning/tune.sh; fi

case_="a shell that calculates with less is refused before it does"
if command -v mksh >/dev/null 2>&1; then
    TUNE_ROOT=$scratch/fake mksh "$here/tune.sh" check --role server --conns 10 >"$scratch/out" 2>"$scratch/err"
    if [ $? -eq 2 ]; then ok; else bad "it calculates all the same"; fi
    complains "less than 64 bits"
fi

case_="whatever files are made with elsewhere, those of apply and rollback are for root to change"
small_machine
snapshot before
mask=$(umask)
for other in 000 077; do
    umask $other
    # shellcheck disable=SC2086
    tune 0 apply $BOTH
    umask "$mask"
    tune 0 rollback
    unchanged "umask $other"
done
# shellcheck disable=SC2086
tune 0 apply $BOTH
put net.core.somaxconn 9999
(umask 000 && TUNE_ROOT=$scratch/fake sh "$here/tune.sh" rollback) >"$scratch/out" 2>"$scratch/err"
if [ -z "$(find "$state" -perm -020 -o -perm -002)" ]; then ok; else bad "others may write the rollback file"; fi
put net.core.somaxconn 2500
tune 0 rollback
unchanged "after two rollbacks"

case_="who cannot be told does not count as told"
if [ -c /dev/full ]; then
    # shellcheck disable=SC2086
    TUNE_ROOT=$scratch/fake sh "$here/tune.sh" apply $BOTH --json >/dev/full 2>"$scratch/err"
    if [ $? -eq 1 ]; then ok; else bad "apply --json to a full disk"; fi
    complains "could not be written"
    tune 0 rollback
    unchanged "after rollback"
fi

case_="nobody listens: a closed standard error changes nothing"
small_machine
snapshot before
# shellcheck disable=SC2086
if TUNE_ROOT=$scratch/fake sh "$here/tune.sh" apply $BOTH >"$scratch/out" 2>&-; then ok; else bad "apply with standard error closed"; fi
has net.core.somaxconn 2500
TUNE_ROOT=$scratch/fake sh "$here/tune.sh" rollback >"$scratch/out" 2>&-
unchanged "after rollback"
