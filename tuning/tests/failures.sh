# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # variables of the other parts
# What must not happen by halves. Wherever apply is refused, interrupted or killed, the machine comes back
# byte for byte; a rollback file that cannot be trusted is not used.

TUNE_TABLE=$scratch/few.tsv
export TUNE_TABLE

for refusal in "5 exit 1" "130 kill -INT \$PPID"; do
    case_="apply that is stopped leaves nothing half-applied: ${refusal#* }"
    small_machine
    snapshot before
    point=1
    while at $point "${refusal#* }" && few "${refusal%% *}"; do
        unchanged "stopped at point $point"
        complains "nothing is half-applied"
        point=$((point + 1))
    done
    reached $point
    unset TUNE_HOOK
    tune 0 rollback
    unchanged "after the one that was not stopped"
done

case_="the other signals"
small_machine
snapshot before
for signal in "143 TERM" "129 HUP" "131 QUIT"; do
    at 6 "kill -${signal#* } \$PPID"
    few "${signal% *}"
    unchanged "$signal"
done

case_="who reads the progress may go"
small_machine
unset TUNE_HOOK
snapshot before
: >"$scratch/out"
# shellcheck disable=SC2086
TUNE_ROOT=$scratch/fake sh "$here/tune.sh" apply $FEW 2>"$scratch/err" | true
has fs.nr_open 50256
in_file "$limits_conf" "* hard nofile 50256"
TUNE_ROOT=$scratch/fake sh "$here/tune.sh" rollback 2>"$scratch/err" | true
unchanged "after rollback"

case_="apply that is killed is taken back by rollback"
small_machine
snapshot before
point=1
while at $point "kill -9 \$PPID" && few 137; do
    unset TUNE_HOOK
    tune 0 rollback
    unchanged "killed at point $point"
    point=$((point + 1))
done
reached $point

case_="apply that is killed may be repeated"
small_machine
snapshot before
for point in 3 6 9; do
    at $point "kill -9 \$PPID"
    few 137
    unset TUNE_HOOK
    # shellcheck disable=SC2086
    tune 0 apply $FEW
    has net.core.somaxconn 5000
    tune 0 rollback
    unchanged "killed at point $point"
done

case_="rollback that is killed may be repeated"
for point in 1 2 3 4 5 6 7; do
    small_machine
    snapshot before
    unset TUNE_HOOK
    # shellcheck disable=SC2086
    tune 0 apply $FEW
    at $point "kill -9 \$PPID"
    tune 137 rollback
    unset TUNE_HOOK
    tune 0 rollback
    unchanged "killed at point $point"
done

case_="a second apply that fails leaves the first one whole"
small_machine
cp -a "$scratch/fake" "$scratch/first"
unset TUNE_HOOK
tune 0 apply --role both --conns 20000 --workers 1 --sources 1
snapshot before
for point in 2 5 8; do
    at $point "exit 1"
    few 5
    unchanged "refused at point $point"
done
at 8 "kill -9 \$PPID"
few 137
unset TUNE_HOOK
tune 0 rollback
rm -rf "$scratch/kept" && mv "$scratch/fake" "$scratch/kept" && mv "$scratch/first" "$scratch/fake"
snapshot before
rm -rf "$scratch/fake" && mv "$scratch/kept" "$scratch/fake"
unchanged "after both"

case_="no root: said, and nothing done"
small_machine
snapshot before
echo 1000 >"$scratch/user"
# shellcheck disable=SC2086
tune 3 apply $FEW
complains "needs root, which it never takes by itself"
tune 3 rollback
# shellcheck disable=SC2086
tune 3 apply $FEW --json
is_json
tune 2 check --role server --conns 20000 --workers 1
unchanged "without root"

case_="a container: read-only /proc/sys is named, with the way out"
small_machine
printf 'proc /proc proc rw,nosuid 0 0\nproc /proc/sys proc ro,nosuid,nodev 0 0\n' >"$scratch/fake/proc/self/mounts"
snapshot before
# shellcheck disable=SC2086
tune 4 apply $FEW
complains "a container"
complains "emit docker|k8s"
tune 2 check --role server --conns 20000 --workers 1
says "emit docker|k8s"
unchanged "in a container"

case_="what somebody changed since stays, and is named; the rest comes back"
small_machine
# shellcheck disable=SC2086
tune 0 apply $FEW
put net.core.somaxconn 9999
echo "# mine" >>"$ours"
cp "$ours" "$scratch/edited"
tune 1 rollback
says "net.core.somaxconn is '9999' now; apply had set '5000' where '128' was"
says "/etc/sysctl.d/90-tickring.conf is not what apply wrote"
has net.core.somaxconn 9999
has fs.nr_open 10000
has net.ipv4.ip_local_reserved_ports "80,32768-32777"
if cmp -s "$ours" "$scratch/edited"; then ok; else bad "an edited file was touched"; fi
if [ -e "$limits_conf" ]; then bad "the limits file stays"; else ok; fi
tune 1 rollback
put net.core.somaxconn 5000
sed -i '$d' "$ours"
tune 0 rollback
has net.core.somaxconn 128
if [ -e "$state" ]; then bad "the rollback file stays"; else ok; fi

case_="a value that cannot be set back is kept for later"
small_machine
snapshot before
# shellcheck disable=SC2086
tune 0 apply $FEW
at 4 "exit 1"
tune 7 rollback
says "could not be set back"
unset TUNE_HOOK
tune 0 rollback
unchanged "when it is tried again"

case_="an edited or damaged rollback file is refused"
small_machine
# shellcheck disable=SC2086
tune 0 apply $FEW
cp -a "$state" "$scratch/sound"
sed -i 's/|128|/|1|/' "$state/journal"
spoiled "somebody edited it"
sed -i '$d' "$state/journal"
spoiled "the checksum, is missing"
head -c 100 "$scratch/sound/journal" >"$state/journal"
spoiled "the checksum, is missing"
: >"$state/journal"
spoiled "its first line"
head -c 4000 /dev/urandom >"$state/journal"
spoiled "its first line"
sed -i '1s/1$/2/' "$state/journal"
spoiled "its first line"
echo "# nothing" >>"$state/saved.1"
spoiled "is missing or changed"
rm "$state/saved.1"
spoiled "is missing or changed"
for line in 'file|/etc/shadow|-|-|1 2' 'dir|/home' 'sysctl|../../etc/x|a|b' 'file|/etc/sysctl.d/90-tickring.conf|../x|1 2|3 4' 'run|id'; do
    sed -i "2i$line" "$state/journal"
    signed
    spoiled "a line that tune.sh never writes"
done

case_="a sysctl that is the host's is left, and named"
small_machine
chmod 444 "$scratch/fake/proc/sys/fs/nr_open"
snapshot before
# shellcheck disable=SC2086
tune 1 apply $FEW
says "fs.nr_open is 10000, wanted >= 50256 (read-only here"
has fs.nr_open 10000
has net.core.somaxconn 5000
# Above it nobody gets a limit.
in_file "$limits_conf" "* hard nofile 10000"
in_file "$limits_conf" "root hard nofile 10000"
says "RLIMIT_NOFILE is 1024, wanted >= 50256 (fs.nr_open is 10000 here, and no limit of open files may be above it)"
says "40000 connections still do not fit"
never_says "later "
limits 10000
# shellcheck disable=SC2086
tune 1 apply $FEW
says "nothing to change"
says "no limit of open files may be above it"
tune 0 rollback
limits 1024
unchanged "after rollback"
# Who has more already keeps it.
limits 1024 20000
# shellcheck disable=SC2086
tune 1 apply $FEW
if [ -e "$limits_conf" ]; then bad "a limit was lowered"; else ok; fi
tune 0 rollback

case_="a setting that is gone has nothing to take back; a folder in place of a file that apply made is named"
small_machine
# shellcheck disable=SC2086
tune 0 apply $FEW
without net.core.somaxconn
rm "$limits_conf"
mkdir "$limits_conf"
tune 1 rollback
says "gone      net.core.somaxconn"
says "/etc/security/limits.d/90-tickring.conf is not what apply wrote"
never_says "stuck"
tune 1 rollback
never_says "net.core.somaxconn"
rmdir "$limits_conf"
tune 0 rollback

case_="other names of our file are told"
small_machine
ln "$ours" "$scratch/fake/etc/backup.conf"
# shellcheck disable=SC2086
tune 0 apply $FEW
says "90-tickring.conf has other names (hard links)"
tune 0 rollback

case_="without CAP_SYS_RESOURCE nobody is promised a limit"
small_machine
for capabilities in 000001fffeffffff:000001ffffffffff 00000000a80425fb:00000000a80425fb; do
    printf 'Name:	sh\nCapEff:	%s\nCapBnd:	%s\n' "${capabilities%:*}" "${capabilities#*:}" >"$scratch/fake/proc/self/status"
    # shellcheck disable=SC2086
    tune 1 apply $FEW
    says "RLIMIT_NOFILE is 1024, wanted >= 50256 (without CAP_SYS_RESOURCE not even root"
    says "40000 connections still do not fit"
    never_says "later "
    # shellcheck disable=SC2086
    tune 0 plan $FEW
    never_says "prlimit --pid"
    says "without CAP_SYS_RESOURCE"
    tune 0 rollback
done
# Who is not root would be it with what is in the bounding set.
echo 1000 >"$scratch/user"
printf 'CapEff:	0000000000000000\nCapBnd:	000001ffffffffff\n' >"$scratch/fake/proc/self/status"
# shellcheck disable=SC2086
tune 0 plan $FEW
says "prlimit --pid"
echo 0 >"$scratch/user"
rm "$scratch/fake/proc/self/status"

case_="a list of reserved ports that is too long for one write is left, with the range, and named"
small_machine
long=$(awk 'BEGIN { for (i = 10001; i <= 11600; i += 2) printf "%s%d", (i > 10001 ? "," : ""), i }')
put net.ipv4.ip_local_reserved_ports "$long"
snapshot before
# shellcheck disable=SC2086
tune 1 apply $FEW
says "net.ipv4.ip_local_port_range is 32768 60999"
says "apply leaves it, since net.ipv4.ip_local_reserved_ports has more than the 3900 bytes"
has net.ipv4.ip_local_reserved_ports "$long"
has net.core.somaxconn 5000
# shellcheck disable=SC2086
tune 0 plan $FEW
says "apply leaves it, since"
never_says "ip_local_port_range="
# As one that did not know has left it.
sed -i "/^file|.etc.sysctl/i sysctl|net.ipv4.ip_local_reserved_ports|$long|9001-9002" "$state/journal"
put net.ipv4.ip_local_reserved_ports 9001-9002
signed
tune 7 rollback
says "net.ipv4.ip_local_reserved_ports is not set back"
has net.ipv4.ip_local_reserved_ports 9001-9002
put net.ipv4.ip_local_reserved_ports "$long"
tune 0 rollback
unchanged "after rollback"

case_="a file that is no plain file is not replaced"
small_machine
mv "$ours" "$scratch/fake/etc/elsewhere"
ln -s ../elsewhere "$ours"
snapshot before
# shellcheck disable=SC2086
tune 5 apply $FEW
complains "is a symbolic link"
unchanged "a symbolic link"
rm "$ours"
mkdir "$ours"
snapshot before
# shellcheck disable=SC2086
tune 5 apply $FEW
complains "is not a plain file"
unchanged "a folder"

case_="nowhere to keep the rollback file: then nothing is changed"
small_machine
rm -r "$scratch/fake/var/lib"
: >"$scratch/fake/var/lib"
snapshot before
# shellcheck disable=SC2086
tune 5 apply $FEW
complains "so nothing was changed"
unchanged "without a folder"
unset TUNE_TABLE
