#!/bin/sh
# What this machine must allow for N connections: says it, sets it, proves it, takes it back.
# `tune.sh --help` explains; README.md has the arithmetic.
# Whatever the environment asks of a shell: no ending at the first failure, no refused overwriting, names with stars meant.
set +eCf -u
# Whoever closed standard error does not want the words. A file that is opened would get its place.
true >&2 || exec 2>/dev/null
# The words of other programs, and their sorting, are the same everywhere; what is written is for root to change alone.
LC_ALL=C
export LC_ALL
umask 022
# cd prints where it goes when it has this to look in.
unset CDPATH

# 64 bits, or every formula is wrong: mksh has 32.
if [ "$((4611686018427387904 / 2))" != 2305843009213693952 ]; then
    echo "tune.sh: this shell calculates with less than 64 bits, so no number would be right; run it with sh, dash, bash or busybox sh" >&2
    exit 2
fi

me=$0
case $me in -*) me=./$me ;; esac
# The parts are beside the script itself, not beside a link to it.
[ ! -L "$me" ] || me=$(readlink -f "$me") || exit 2
here=$(cd "$(dirname "$me")" && pwd) || exit 2
# Everything is read and written below this: the tests put a made-up machine there.
root=${TUNE_ROOT:-}
table=${TUNE_TABLE:-$here/knobs.tsv}
# A name with = in it would be an assignment to awk, and one with - in front an option.
case $table in /*) ;; *) table=./$table ;; esac
tab=$(printf '\t')

usage() {
    cat <<'HELP'
Usage: tune.sh COMMAND [--role server|client|both] [--conns N] [options]

Look (nothing is changed, no root is needed):
  check     each knob: current, wanted, and ok, warn (works, but see why) or
            fail (N will not fit)
              tune.sh check --role server --conns 20000
  plan      what would change, why, how its lack shows, and the exact commands
              tune.sh plan --role both --conns 60000 --workers 4
  explain   one knob, or what people advise about it: symptom, counter,
            default, source; alone, the list
              tune.sh explain somaxconn --conns 20000
              tune.sh explain tcp_tw_recycle
  verify    reads back and tries: opens sockets, sets the limit, looks at a
            listener's queue, sets up a ring
              tune.sh verify --role server --conns 20000
  emit      the same values for elsewhere, to standard output: systemd
            [--drop-in], docker, k8s, limits or sysctl
              tune.sh emit systemd --role server --conns 20000

Change (as root):
  apply     keeps what is there, then sets the values and writes
            /etc/sysctl.d/90-tickring.conf and
            /etc/security/limits.d/90-tickring.conf, with what is in force
            already and the next boot would lose. Only ever raises. All of it,
            or nothing: what is refused or interrupted is put back at once;
            after a kill -9, rollback puts it back
              tune.sh apply --role server --conns 20000
  rollback  takes back what apply changed, except what somebody changed since:
            that it names, and leaves
              tune.sh rollback

  --role R      what runs on this machine: server, client (loadgen), or both
                (over loopback)
  --conns N     connections at once, 1 to 100000000
  --workers W   worker threads the connections are spread over (default: the
                processors)
  --sources S   source addresses the client uses (loadgen --src; default: 1;
                with --role both as many as it takes, since any 127.x.y.z will
                do on loopback)
  --json        one JSON object on standard output instead of words (not for
                emit); progress goes to standard error
  --root DIR    everything below DIR instead of /: a made-up machine, or a
                mounted image

Exit status
  check     0 all ok; 1 a warning; 2 a failure
  verify    0 holds; 1 something in doubt or not tried; 2 does not
  plan, explain, emit  0
  apply     0 done, or nothing to do
            1 done, but N still does not fit, or not after the next boot since
              a file that is read later says less, or nothing can be read
            3 not root
            4 a container: /proc/sys is read-only
            5 refused, all put back, or another one is at work
            6 the rollback file is damaged or edited, or it or its folder is a
              link, somebody else's, or may be written by others; nothing
              touched
            7 refused, and not all could be put back
            129, 130, 131, 143 by a signal, all put back; one that comes when
              all is set comes too late
  rollback  0 all taken back, or nothing to take back
            1 something left, since somebody changed it
            3, 5 and 6 as apply; 130 interrupted, run it again
            7 the kernel refused an old value, or a file could not be put back
  any       2 wrong command line: says so on standard error, and nothing on
              standard output
HELP
}

wrong() {
    echo "tune.sh: $1" >&2
    echo "tune.sh: see tune.sh --help" >&2
    exit 2
}

# number NAME VALUE MAX
number() {
    case $2 in
        '' | *[!0-9]* | 0) wrong "$1 wants a whole number from 1 to $3, not '$2'" ;;
        0*) wrong "$1 wants a whole number from 1 to $3 without leading zeros, not '$2'" ;;
    esac
    if [ ${#2} -gt ${#3} ] || [ "$2" -gt "$3" ]; then wrong "$1 is at most $3, not $2"; fi
}

parse_arguments() {
    [ $# -gt 0 ] || wrong "say what to do: check, plan, explain, apply, verify, rollback or emit"
    verb=$1
    case $verb in
        check | plan | explain | apply | verify | rollback | emit) ;;
        --help | -h | help) usage; exit 0 ;;
        *) wrong "unknown command '$verb'; there are check, plan, explain, apply, verify, rollback and emit" ;;
    esac
    shift
    role='' conns='' workers='' sources='' json=0 drop_in=0 word=''
    while [ $# -gt 0 ]; do
        case $1 in
            --json) json=1; shift; continue ;;
            --drop-in) drop_in=1; shift; continue ;;
            --help | -h) usage; exit 0 ;;
            --role | --conns | --workers | --sources | --root) [ $# -ge 2 ] || wrong "$1 wants a value" ;;
            -*) wrong "unknown option '$1'" ;;
            *) [ -z "$word" ] || wrong "one word too many: '$1'"; word=$1; shift; continue ;;
        esac
        case $1 in
            --role) role=$2 ;;
            --conns) conns=$2; number "$1" "$2" 100000000 ;;
            --workers) workers=$2; number "$1" "$2" 4096 ;;
            --sources) sources=$2; number "$1" "$2" 16000000 ;;
            --root) [ -d "$2" ] || wrong "--root wants a folder, and '$2' is none"; root=$2 ;;
        esac
        shift 2
    done
    absolute_root
    # For commands that are to be typed: without it they would be about another machine.
    at_root=${root:+ --root $(quoted_word "$root")}
    options_given="${workers:+ --workers $workers}${sources:+ --sources $sources}"
    check_arguments
}

# quoted_word WORD: as a shell takes it for one word.
quoted_word() {
    case $1 in
        *[!A-Za-z0-9_./:,=%+@-]*) printf "'%s'" "$(printf '%s' "$1" | sed "s/'/'\\\\''/g")" ;;
        *) printf '%s' "$1" ;;
    esac
}

# What begins with a slash is no option, and no assignment to awk.
absolute_root() {
    [ -n "$root" ] || return 0
    case $root in /*) ;; *) root=./$root ;; esac
    root=$(cd "$root" 2>/dev/null && pwd) || wrong "TUNE_ROOT wants a folder that may be entered, and '$root' is none"
    root=${root%/}
}

check_arguments() {
    case $role in
        server | client | both) ;;
        '') case $verb in check | plan | apply | verify) wrong "--role is missing: server, client or both" ;; esac ;;
        *) wrong "--role is server, client or both, not '$role'" ;;
    esac
    case $verb in check | plan | apply | verify | emit) [ -n "$conns" ] || wrong "--conns is missing: how many connections at once" ;; esac
    question='' emit_kind=''
    case $verb-$word in
        explain-*) question=$word ;;
        emit-systemd)
            [ "$role" != client ] || wrong "loadgen runs and ends, so it is no service and has no unit; for its machine: tune.sh emit limits|sysctl --role client, for a container: emit docker|k8s"
            emit_kind=$word ;;
        emit-docker | emit-k8s | emit-limits | emit-sysctl) emit_kind=$word ;;
        emit-*) wrong "emit wants systemd, docker, k8s, limits or sysctl, not '$word'" ;;
        *-) ;;
        *) wrong "one word too many: '$word'" ;;
    esac
    if [ "$drop_in" = 1 ] && [ "$emit_kind" != systemd ]; then wrong "--drop-in goes with emit systemd"; fi
    if [ "$json" = 1 ] && [ "$verb" = emit ]; then wrong "emit prints files, and has no --json"; fi
    # rollback goes by what apply kept, and by no table.
    if [ "$verb" != rollback ] && { [ ! -f "$table" ] || [ ! -r "$table" ]; }; then wrong "cannot read the table of knobs, $table"; fi
}

parse_arguments "$@"
. "$here/tune/table.sh"
[ "$verb" = rollback ] || check_table
. "$here/tune/lines.sh"
. "$here/tune/machine.sh"
. "$here/tune/files.sh"
. "$here/tune/knobs.sh"
. "$here/tune/targets.sh"
. "$here/tune/boot.sh"
. "$here/tune/show.sh"
. "$here/tune/journal.sh"
. "$here/tune/lock.sh"
. "$here/tune/collect.sh"
. "$here/tune/change.sh"
. "$here/tune/rollback.sh"
. "$here/tune/verify.sh"
. "$here/tune/emit.sh"
case $verb in
    check | plan) check_or_plan ;;
    *) "$verb" ;;
esac
