# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # variables of the other parts
# One at a time: who is at work, who only was, and many that begin in the same moment.

TUNE_TABLE=$scratch/few.tsv
export TUNE_TABLE

# began PROCESS: as a lock says it.
began() { sed 's/.*) //' "/proc/$1/stat" | awk '{ print $20 }'; }

case_="two at once: the second waits for nobody and touches nothing"
small_machine
mkdir -p "$state"
# Its name has what would end it too early for who reads /proc/PID/stat by words.
cp "$(command -v sleep)" "$scratch/bin/s) 1 (p"
"$scratch/bin/s) 1 (p" 60 &
holder=$!
echo "$holder $(began $holder)" >"$state/busy"
echo kept >"$state/saved.1"
snapshot before
# shellcheck disable=SC2086 # several words on purpose, here and below
tune 5 apply $FEW
complains "process $holder) is at work"
# shellcheck disable=SC2086
tune 5 apply $FEW --json
is_json
tune 5 rollback
unchanged "while another is at work"

case_="a lock of nobody who lives is taken over"
# What a kill -9 left, a number that another process has by now, and words that name nobody.
for words in "$holder" "$holder 1" "$$ 7" self "self 1" "1 2 3" "-1 1" "../self 1" "$(awk 'BEGIN { while (i++ < 30) printf "9" }') 1" ""; do
    small_machine
    snapshot before
    mkdir "$state"
    echo "$words" >"$state/busy"
    # shellcheck disable=SC2086
    tune 0 apply $FEW
    has fs.nr_open 50256
    echo "$words" >"$state/busy"
    echo "$words" >"$state/busy.over"
    echo "$words" >"$state/busy.over.over"
    echo "$words" >"$state/busy.new.999999999"
    tune 0 rollback
    unchanged "a lock that says '$words'"
done
kill $holder
wait $holder 2>/dev/null

case_="a lock that is no file is refused, and never waited for"
small_machine
# shellcheck disable=SC2086
tune 0 apply $FEW
snapshot before
for name in busy busy.over; do
    for make in mkfifo mkdir "ln -s journal"; do
        $make "$state/$name"
        snapshot before
        for command in "apply $FEW" rollback; do
            # shellcheck disable=SC2086
            TUNE_ROOT=$scratch/fake timeout 20 sh "$here/tune.sh" $command >"$scratch/out" 2>"$scratch/err"
            if [ $? -eq 6 ]; then ok; else bad "not refused: $command with $name made by $make"; fi
            complains "$state/$name is "
            complains "nothing was touched"
            unchanged "$name by $make"
        done
        rm -r "${state:?}/$name"
    done
done
tune 0 rollback

# together COUNT: so many applies at the same moment. Who has the lock waits until all others have ended (5 s at most).
together() {
    rm -f "$scratch"/ended.* "$scratch"/said.*
    TUNE_HOOK="[ \$TUNE_POINT != 1 ] || for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25; do
        set -- '$scratch'/ended.*; [ \$# -lt $(($1 - 1)) ] || [ ! -e \"\$1\" ] || break; sleep 0.2; done"
    processes=''
    for one in $(seq "$1"); do
        {
            # shellcheck disable=SC2086
            TUNE_ROOT=$scratch/fake TUNE_HOOK=$TUNE_HOOK sh "$here/tune.sh" apply $FEW >"$scratch/said.$one" 2>&1
            echo $? >"$scratch/ended.$one"
        } &
        processes="$processes $!"
    done
    # shellcheck disable=SC2086
    wait $processes
    unset TUNE_HOOK
    codes=$(cat "$scratch"/ended.* | sort | tr '\n' ' ')
    cat "$scratch"/said.* >"$scratch/err"
}

case_="many at the same moment: exactly one applies, and rollback takes it back byte for byte"
small_machine
rm -rf "$scratch/start"
cp -a "$scratch/fake" "$scratch/start"
snapshot before
for round in $(seq 15); do
    case $((round % 3)) in
        1) count=2 expected='0 5 ' ;;
        *) count=3 expected='0 5 5 ' ;;
    esac
    # Every second time with what killed ones left, which all of them want to take over.
    if [ $((round % 2)) = 0 ]; then
        mkdir "$state"
        echo '999999999 1' >"$state/busy"
        [ $((round % 4)) != 0 ] || echo '999999998 1' >"$state/busy.over"
    fi
    together $count
    if [ "$codes" = "$expected" ]; then ok; else bad "round $round: ended with $codes"; fi
    if [ "$(grep -c 'is at work here; nothing was touched' "$scratch/err")" -eq $((count - 1)) ]; then ok; else bad "round $round: who lost does not say why"; fi
    has fs.nr_open 50256
    tune 0 rollback
    unchanged "round $round"
    rm -rf "$scratch/fake"
    cp -a "$scratch/start" "$scratch/fake"
done
unset TUNE_TABLE
