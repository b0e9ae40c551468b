# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # variables of the other parts
# Signals where nothing may be by halves either: a rollback of several applies, the lock, the last words of an apply.

TUNE_TABLE=$scratch/few.tsv
export TUNE_TABLE

case_="a rollback of two applies that is stopped, wherever that is, can be repeated to its end"
small_machine
snapshot before
tune 0 apply --role both --conns 20000 --workers 1 --sources 1
# shellcheck disable=SC2086 # several words on purpose, here and below
tune 0 apply $FEW
rm -rf "$scratch/applied"
cp -a "$scratch/fake" "$scratch/applied"
point=1
while :; do
    signal=9 code=137
    [ $((point % 4)) = 1 ] || signal=INT code=130
    TUNE_HOOK="[ \$TUNE_POINT != $point ] || kill -$signal \$PPID"
    TUNE_ROOT=$scratch/fake TUNE_HOOK=$TUNE_HOOK sh "$here/tune.sh" rollback >"$scratch/out" 2>"$scratch/err"
    ended=$?
    unset TUNE_HOOK
    [ $ended -ne 0 ] || break
    if [ $ended -eq $code ]; then ok; else bad "ended with $ended, expected $code"; fi
    # Another apply may come between.
    # shellcheck disable=SC2086
    [ $point != 9 ] || tune 0 apply $FEW
    tune 0 rollback
    never_says "somebody changed"
    unchanged "stopped at point $point"
    rm -rf "$scratch/fake"
    cp -a "$scratch/applied" "$scratch/fake"
    point=$((point + 2))
done
reached $point

case_="what somebody changed between two applies is still told from that"
small_machine
tune 0 apply --role both --conns 20000 --workers 1 --sources 1
put net.core.somaxconn 3000
# shellcheck disable=SC2086
tune 0 apply $FEW
tune 1 rollback
says "net.core.somaxconn is '3000' now; apply had set '2500' where '128' was"
put net.core.somaxconn 2500
tune 0 rollback
has net.core.somaxconn 128

# Sends a signal to the tune.sh that called it, be it by a shell in between.
cat >"$scratch/bin/to-tune" <<'TOOL'
#!/bin/sh
target=$PPID
while parent=$(sed -n 's/^PPid:[^0-9]*//p' "/proc/$target/status") && { grep -aq 'tune\.sh' "/proc/$parent/cmdline" || [ "$target" = "$PPID" ]; }; do target=$parent; done
kill "-$1" "$target"
TOOL
chmod 755 "$scratch/bin/to-tune"

# by_signal SIGNAL TOOL WORDS CODE ARGUMENTS...: the first TOOL whose words have WORDS in them sends it, once, and works.
mkdir "$scratch/signals"
by_signal() {
    rm -f "$scratch/sent" "$scratch/signals"/*
    cat >"$scratch/signals/$2" <<TOOL
#!/bin/sh
case "\$*" in *"$3"*) [ -e "$scratch/sent" ] || { : >"$scratch/sent"; to-tune $1; } ;; esac
exec $(command -v "$2") "\$@"
TOOL
    chmod 755 "$scratch/signals/$2"
    what="$1 by $2 $3"
    expected=$4
    shift 4
    PATH=$scratch/signals:$PATH TUNE_ROOT=$scratch/fake sh "$here/tune.sh" "$@" >"$scratch/out" 2>"$scratch/err"
    code=$?
    if [ -e "$scratch/sent" ] && [ $code -eq "$expected" ]; then ok; else bad "ended with $code, expected $expected: $what"; fi
}

case_="a signal while the lock is taken leaves neither lock nor folder"
for folder in var none; do
    small_machine
    rm -rf "${scratch:?}/fake/$folder"
    snapshot before
    # shellcheck disable=SC2086
    by_signal TERM ln busy 143 apply $FEW
    complains "terminated; nothing was touched"
    unchanged "ln, without $folder"
    # shellcheck disable=SC2086
    by_signal INT mkdir tickring-tuning 130 apply $FEW
    unchanged "mkdir, without $folder"
done
# What a dead one left is being taken over.
mkdir "$state"
echo '999999999 1' >"$state/busy"
# shellcheck disable=SC2086
by_signal HUP mv busy 129 apply $FEW
unchanged "mv"
# shellcheck disable=SC2086
tune 0 apply $FEW
by_signal TERM ln busy 130 rollback
if [ -e "$state/busy" ]; then bad "rollback leaves its lock"; else ok; fi
tune 0 rollback
unchanged "after rollback"

case_="a signal in the last part of apply comes too late: it is applied, and the lock is given back"
for signal in INT TERM; do
    small_machine
    snapshot before
    # The last rows are looked at once everything is set: the limits file is there by then.
    rm -f "$scratch/sent"
    cat >"$scratch/signals/cat" <<TOOL
#!/bin/sh
if [ -e "$limits_conf" ] && [ ! -e "$scratch/sent" ]; then
    case "\$*" in *osrelease) : >"$scratch/sent"; to-tune $signal ;; esac
fi
exec $(command -v cat) "\$@"
TOOL
    rm -f "$scratch/signals/mkdir" "$scratch/signals/ln" "$scratch/signals/mv"
    chmod 755 "$scratch/signals/cat"
    # shellcheck disable=SC2086
    PATH=$scratch/signals:$PATH TUNE_ROOT=$scratch/fake sh "$here/tune.sh" apply $FEW >"$scratch/out" 2>"$scratch/err"
    code=$?
    if [ $code -eq 0 ] && [ -e "$scratch/sent" ]; then ok; else bad "$signal: ended with $code"; fi
    says "kept what was there"
    says "later     RLIMIT_NOFILE"
    if [ "$(find "$state" -name 'busy*' -o -name 'staged*')" = '' ]; then ok; else bad "$signal: the lock stays"; fi
    tune 0 rollback
    unchanged "$signal"
done

case_="a signal before the rollback file is read gives the lock back, and nothing else: the copies may be the only ones"
rm -f "$scratch/signals"/*
for verb in apply rollback; do
    small_machine
    # shellcheck disable=SC2086
    tune 0 apply $FEW
    rm "$state/journal"
    snapshot before
    code=130 words=''
    [ $verb = rollback ] || code=143 words=$FEW
    # shellcheck disable=SC2086
    by_signal TERM ln busy $code $verb $words
    complains "terminated; nothing was touched"
    unchanged "$verb"
done

# by_terminal TOOL NUMBER SHELL VERB: Ctrl-C when the TOOL of that number begins, by which it is killed, too.
by_terminal() {
    rm -f "$scratch/sent" "$scratch/signals"/*
    cat >"$scratch/signals/$1" <<TOOL
#!/bin/sh
echo >>"$scratch/sent"
if [ "\$($(command -v wc) -l <"$scratch/sent")" -eq $2 ]; then kill -INT 0; sleep 1; fi
exec $(command -v "$1") "\$@"
TOOL
    chmod 755 "$scratch/signals/$1"
    words=''
    [ "$4" = rollback ] || words="$FEW --workers 2"
    # shellcheck disable=SC2086
    PATH=$scratch/signals:$PATH TUNE_ROOT=$scratch/fake setsid -w "$3" "$here/tune.sh" "$4" $words >"$scratch/out" 2>"$scratch/err" </dev/null
    code=$?
    if [ $code -eq 130 ]; then ok; else bad "Ctrl-C at $1 $2: $3 $4 ended with $code, expected 130"; fi
    complains "interrupted; "
}

case_="Ctrl-C while the rollback file is looked at kills what reads it: nobody edited it, and nothing is touched"
for shell in sh bash; do
    command -v $shell >/dev/null || continue
    for verb in apply rollback; do
        small_machine
        # shellcheck disable=SC2086
        tune 0 apply $FEW
        snapshot before
        by_terminal cksum 1 $shell $verb
        unchanged "$shell $verb"
        rm "$state/journal"
        snapshot before
        by_terminal cksum 1 $shell $verb
        unchanged "$shell $verb, with copies that are left"
    done
done

case_="Ctrl-C while rollback puts back: what was killed by it is no cause"
for tool in tee cp; do
    small_machine
    snapshot before
    # shellcheck disable=SC2086
    tune 0 apply $FEW
    by_terminal $tool 1 sh rollback
    never_says "refused"
    never_says "could not be"
    tune 0 rollback
    unchanged "$tool"
done

case_="copies of an apply that was killed before the rollback file named them are nobody's, whatever becomes of the files"
small_machine
# shellcheck disable=SC2086
TUNE_HOOK="[ ! -e $state/saved.1 ] || kill -9 \$PPID" tune 137 apply $FEW
if [ -e "$state/saved.1" ]; then ok; else bad "it was not killed in time"; fi
rm -rf "$scratch/staging"
cp -a "$state" "$scratch/staging"
for verb in apply rollback; do
    small_machine
    cp -a "$scratch/staging" "$state"
    echo 'vm.swappiness = 20' >"$ours"
    words=''
    [ $verb = rollback ] || words=$FEW
    # shellcheck disable=SC2086
    tune 0 $verb $words
    tune 0 rollback
    if [ -e "$state" ]; then bad "the folder stays"; else ok; fi
    in_file "$ours" 'vm.swappiness = 20'
done
unset TUNE_TABLE
