# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # variables of the other parts
# Lists of lines with | between their parts: what is changed, and what was there. Taken apart by the shell itself: a
# here-document may be a file for which there is no room, another program may be killed, and then the shell goes on
# with nothing and takes it for an empty list.

newline='
'

# parts LINE: to what, first, second, third, fourth; the rest of it is in the last.
parts() {
    set -f
    IFS='|'
    # shellcheck disable=SC2086 # split on purpose
    set -- $1
    what=${1-} first=${2-} second=${3-} third=${4-} fourth=''
    if [ $# -gt 4 ]; then
        shift 4
        fourth=$*
    fi
    unset IFS
    set +f
}

# each_line LIST FUNCTION: calls it for each line, with its parts in their variables and the whole in entry.
each_line() {
    after=$1
    while [ -n "$after" ]; do
        entry=${after%%"$newline"*}
        case $after in *"$newline"*) after=${after#*"$newline"} ;; *) after='' ;; esac
        parts "$entry"
        "$2"
    done
}

# each_line_backwards LIST FUNCTION: the same from the last to the first.
each_line_backwards() {
    before_it=$1
    while [ -n "$before_it" ]; do
        entry=${before_it##*"$newline"}
        case $before_it in *"$newline"*) before_it=${before_it%"$newline"*} ;; *) before_it='' ;; esac
        parts "$entry"
        "$2"
    done
}
