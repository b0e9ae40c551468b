# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # variables of the other parts
# One apply or rollback at a time, in a shell that has no lock of its own.
#
# The lock is the file `busy` with the holder's process and when that began, in clock ticks since boot: a number that
# another process has by now is nobody's. It is made whole in a file of one's own and taken by `ln`, which fails
# where there is one already. What a kill -9 left is replaced by `mv`, and only by who holds `busy.over`, taken in
# the same way, and still finds the dead holder's words in `busy` then: so two cannot both take it over, and no
# lock of a process that lives is ever moved or removed. Who dies with `busy.over` leaves it to `busy.over.over`.

lock_file=$state/busy
mine=$state/busy.new.$$

# began PROCESS: when it did; nothing for one that has ended and is only not waited for. Its name, which comes before,
# may have any characters in it.
began() { sed -n 's/.*) //p' "/proc/$1/stat" 2>/dev/null | awk 'END { if ($1 != "Z") print $20 }'; }

# is_at_work HOLDER: whether these are the words of a process that lives.
is_at_work() {
    case $1 in *[!0-9\ ]* | ' '* | *' ' | *' '*' '*) return 1 ;; [1-9]*' '[0-9]*) ;; *) return 1 ;; esac
    [ "$(began "${1%% *}")" = "${1#* }" ]
}

# lock: takes it, or ends with 5.
lock() {
    is_at_work "$$ $(began $$)" || no_lock "cannot read /proc/$$/stat, by which another tune.sh knows that this one is at work"
    # Whoever was at work until now may remove the folder when it is done.
    for try in 1 2 3 4 5; do
        { [ -d "$state" ] || mkdir "$state"; } 2>/dev/null
        rm -f "$mine"
        if (set -C && echo "$$ $(began $$)" >"$mine") 2>/dev/null; then break; fi
    done
    if ! take "$lock_file"; then
        rm -f "$mine"
        no_lock "$problem"
    fi
    locked=1
    # What those who were killed left; nobody else is at work.
    if [ -e "$lock_file.over" ] && take "$lock_file.over"; then rm -f "$lock_file.over"; fi
    for each in "$lock_file".new.*; do
        process=${each##*.new.}
        [ -e "/proc/${process%.link}" ] || rm -f "$each"
    done
    rm -f "$mine"
}

no_lock() {
    clear_up
    stop_if_held
    complain "$1; nothing was touched"
    finish 5
}

# clear_up: removes the folders that were made for a lock that was not to be had, where nobody else uses them by now.
clear_up() {
    [ -z "$state_made" ] || rmdir "$state" 2>/dev/null
    for folder in $folders; do rmdir "$root$folder" 2>/dev/null; done
    return 0
}

# ---- signals -----------------------------------------------------------------------------------

# hold_signals: from now on they are only noted, and looked at between two changes (stop_here). Whoever is stopped while it
# takes the lock would leave it behind; and a trap that does more than this is not safe to be taken anywhere: bash may be in
# the middle of a substitution, whose end it then misses in the trap's words. For the same reason no command of apply and
# rollback has two substitutions: bash takes traps between them.
hold_signals() {
    held=''
    # Whoever reads the progress may go: that is no reason to stop half-way.
    trap '' PIPE
    trap held=129 HUP
    trap held=130 INT
    trap held=131 QUIT
    trap held=143 TERM
}

# stop_if_held: ends where one was noted.
stop_if_held() {
    [ -n "$held" ] || return 0
    trap '' HUP INT QUIT TERM
    held_in_words
    complain "$signal; nothing was touched"
    [ "$verb" = apply ] || held=130
    finish "$held"
}

# held_in_words: sets signal to what was noted.
held_in_words() {
    case $held in 129) signal='hung up' ;; 130) signal=interrupted ;; 131) signal=quit ;; *) signal=terminated ;; esac
}

# take FILE: the lock of that name. Fails with the reason in problem.
take() {
    for try in 1 2 3 4 5; do
        if ln "$mine" "$1" 2>/dev/null; then return 0; fi
        problem="cannot write into $state"
        # Gone again: whoever had it is done.
        holder=$(cat "$1" 2>/dev/null) || continue
        if is_at_work "$holder"; then
            problem="another tune.sh (process ${holder%% *}) is at work here"
            return 1
        fi
        take_over "$1" "$holder"
        case $? in 0) return 0 ;; 2) return 1 ;; esac
    done
    return 1
}

# take_over FILE WORDS: the lock that a dead holder of these words left. 1: somebody did so meanwhile, 2: not possible.
take_over() {
    case $1 in *.over.over.over) problem="too many were killed while they took over $lock_file: remove it and $lock_file.*"; return 2 ;; esac
    take "$1.over" || return 2
    taken=1
    # Read again: this process may have been slow, and the one that took over before is at work.
    if now=$(cat "$1" 2>/dev/null) && [ "$now" = "$2" ]; then
        rm -f "$mine.link"
        ln "$mine" "$mine.link" && mv -f "$mine.link" "$1" && taken=0
    fi
    rm -f "$1.over"
    return $taken
}

unlock() { rm -f "$lock_file"; }
