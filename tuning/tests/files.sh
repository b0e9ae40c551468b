# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # variables of the other parts
# What the files of a machine say beside those of apply: which of them count, in which order, and what is said about them.

LATER="--role server --conns 20000 --workers 1"
logins=$scratch/fake/etc/security/limits.d
own_limits=$logins/90-tickring.conf
sysctls=$scratch/fake/etc/sysctl.d

# says_of FILE LINE: the file has that line.
says_of() { if grep -Fxq -- "$2" "$1"; then ok; else cp "$1" "$scratch/out"; bad "$1 has no line: $2"; fi; }

# both LIMIT: the lines for everybody and for root.
both() { printf '* hard nofile %s\nroot hard nofile %s\n' "$1" "$1"; }

case_="a limits file that is read later and gives less: nobody is promised what he does not get"
machine
limits 1024
both 50000 >"$logins/50-a.conf"
both 1000 >"$logins/99-b.conf"
snapshot before
# shellcheck disable=SC2086 # several words on purpose, here and below
tune 1 apply $LATER
never_says "later "
says "/etc/security/limits.d/99-b.conf is read after 90-tickring.conf and says * hard nofile 1000, root hard nofile 1000"
says "20000 connections still do not fit"
if [ -e "$own_limits" ]; then bad "50-a.conf was high enough"; else ok; fi
# shellcheck disable=SC2086
tune 2 verify $LATER
says "99-b.conf is read after 90-tickring.conf and says"
never_says "log in again"
# shellcheck disable=SC2086
tune 0 plan $LATER --json
is_json
says "99-b.conf is read after 90-tickring.conf and says"
rm "$logins/50-a.conf"
echo '*  HARD nofile 1000 # of everybody' >"$logins/99-b.conf"
# shellcheck disable=SC2086
tune 1 apply $LATER
says_of "$own_limits" "* hard nofile 25256"
says "99-b.conf is read after 90-tickring.conf and says * hard nofile 1000"
tune 0 rollback
# This shell has enough, the next one has not.
limits 100000
# shellcheck disable=SC2086
tune 1 verify $LATER
says "warn  the next login"
says "/etc/security/limits.d/99-b.conf says * hard nofile 1000, wanted >= 25256"

case_="of several limits lines the last counts, and who gets enough from another file is told which"
machine
as_booted
limits 1024
both 50000 >"$scratch/fake/etc/security/limits.conf"
printf '* soft nofile 10\n* hard nproc 5\n@games hard nofile 7\n* hard nofile many\n' >"$logins/50-a.conf"
snapshot before
# shellcheck disable=SC2086
tune 0 apply $LATER
says "logins from now on get what /etc/security/limits.conf says"
unchanged "the operator gives enough"
both 1000 >"$logins/50-a.conf"
# shellcheck disable=SC2086
tune 0 apply $LATER
says_of "$own_limits" "* hard nofile 25256"
says "logins from now on get what /etc/security/limits.d/90-tickring.conf says"
# shellcheck disable=SC2086
tune 0 apply $LATER
says "nothing to change"
tune 0 rollback
both unlimited >"$logins/99-b.conf"
# shellcheck disable=SC2086
tune 0 apply $LATER
says "logins from now on get what /etc/security/limits.d/99-b.conf says"
tune 0 rollback

case_="a limit that logins have none of stays none, and the soft half of a line stays"
machine
sed 's/^Max locked memory.*/Max locked memory         unlimited            unlimited            bytes/' "$scratch/fake/proc/1/limits" >"$scratch/limits"
cp "$scratch/limits" "$scratch/fake/proc/1/limits"
snapshot before
tune 0 apply --role server --conns 1000 --workers 32
says "no line for everybody or root in the limits files"
unchanged "locked memory without a limit"
echo '* hard memlock 64' >"$scratch/fake/etc/security/limits.conf"
tune 0 apply --role server --conns 1000 --workers 32
says_of "$own_limits" "* hard memlock 16384"
if grep -q 'root hard memlock' "$own_limits"; then bad "root has no limit"; else ok; fi
tune 0 rollback
machine
limits 1024
printf '*  -  nofile 9000 # ours\nroot hard nofile 3\nkim - nofile 5\n' >"$own_limits"
snapshot before
# shellcheck disable=SC2086
tune 0 apply $LATER
says_of "$own_limits" "*  soft  nofile 9000 # ours"
says_of "$own_limits" "* hard nofile 25256"
says_of "$own_limits" "kim - nofile 5"
if grep -q 'root hard nofile 3' "$own_limits"; then bad "the old line stays"; else ok; fi
tune 0 rollback
unchanged "the soft half"

case_="a line above fs.nr_open is refused by the kernel, and none that is unlimited: PAM makes fs.nr_open of it"
machine
put fs.nr_open 100000
limits 1024
both 400000 >"$logins/50-a.conf"
# shellcheck disable=SC2086
tune 0 apply $LATER
says_of "$own_limits" "* hard nofile 25256"
says_of "$own_limits" "root hard nofile 25256"
tune 0 rollback
# Raised for N, but not for the line.
put fs.nr_open 20000
# shellcheck disable=SC2086
tune 0 apply $LATER
has fs.nr_open 25256
says_of "$own_limits" "* hard nofile 25256"
tune 0 rollback
mv "$logins/50-a.conf" "$logins/99-b.conf"
# shellcheck disable=SC2086
tune 1 apply $LATER
says "99-b.conf is read after 90-tickring.conf and says * hard nofile 400000 (more than fs.nr_open, so the kernel refuses it)"
tune 0 rollback
rm "$logins/99-b.conf"
both unlimited >"$logins/50-a.conf"
# shellcheck disable=SC2086
tune 0 apply $LATER
says "logins from now on get what /etc/security/limits.d/50-a.conf says"
if [ -e "$own_limits" ]; then bad "unlimited was enough"; else ok; fi
has fs.nr_open 25256
tune 0 rollback
chmod 444 "$scratch/fake/proc/sys/fs/nr_open"
# shellcheck disable=SC2086
tune 1 apply $LATER
never_says "later "
says "fs.nr_open is 20000 here, and no limit of open files may be above it"

case_="verify: what the next boot says, in every folder, by names, the last of them, and only where it is too little"
machine
as_booted
for folder in lib usr/lib usr/local/lib run; do
    mkdir -p "$scratch/fake/$folder/sysctl.d"
    echo 'net.core.somaxconn = 100' >"$scratch/fake/$folder/sysctl.d/95-x.conf"
    # shellcheck disable=SC2086
    tune 1 verify $LATER
    says "warn  the next boot"
    says "/$folder/sysctl.d/95-x.conf says net.core.somaxconn = 100, wanted >= 2500"
done
ln -s /dev/null "$sysctls/95-x.conf"
# shellcheck disable=SC2086
tune 1 verify $LATER
never_says "the next boot"
rm "$sysctls/95-x.conf"
printf 'net.core.somaxconn = 2500\nnet.ipv4.tcp_mem = 1 2 60000\n' >"$sysctls/95-x.conf"
# shellcheck disable=SC2086
tune 1 verify $LATER
never_says "net.core.somaxconn = "
says "/etc/sysctl.d/95-x.conf says net.ipv4.tcp_mem = 1 2 60000, wanted >= 80000"
echo 'net.core.somaxconn = 60000' >"$sysctls/96-more.conf"
# shellcheck disable=SC2086
tune 1 verify $LATER
never_says "net.core.somaxconn = "
printf 'net/core/somaxconn=5\033[31m\377\n' >"$scratch/fake/etc/sysctl.conf"
# shellcheck disable=SC2086
tune 1 verify $LATER
says "/etc/sysctl.conf says net.core.somaxconn = 5?[31m?, wanted >= 2500"
printf 'net.ipv4.ip_local_reserved_ports = 80\nnet.ipv4.ip_local_port_range = 1024 65535\n' >"$sysctls/97-ports.conf"
put net.ipv4.ip_local_port_range "1024	65535"
put net.ipv4.tcp_tw_reuse 1
tune 1 verify --role client --conns 40000
says "/etc/sysctl.d/97-ports.conf says net.ipv4.ip_local_reserved_ports = 80, without the server's own, 9001-9002"
echo 'net.ipv4.ip_local_port_range = 40000 50000' >"$sysctls/98-ports.conf"
tune 1 verify --role client --conns 40000
says "/etc/sysctl.d/98-ports.conf says net.ipv4.ip_local_port_range = 40000 50000, wanted 40000 ports"

case_="what a replaced file asks for counts no more"
small_machine
mkdir -p "$scratch/fake/usr/lib/sysctl.d"
echo 'net.core.somaxconn = 30000' >"$scratch/fake/usr/lib/sysctl.d/10-x.conf"
# shellcheck disable=SC2086
tune 0 plan $LATER
says "somaxconn=30000"
ln -s /dev/null "$sysctls/10-x.conf"
# shellcheck disable=SC2086
tune 0 plan $LATER
says "somaxconn=2500"

case_="a file that may not be read hides no other, and is named"
machine
put net.core.somaxconn 128
echo 'kernel.x = 1' >"$sysctls/10-a.conf"
echo '* hard nofile 1000' >"$logins/10-a.conf"
echo 'net.core.somaxconn = 9999' >"$sysctls/20-b.conf"
chmod 000 "$sysctls/10-a.conf" "$logins/10-a.conf"
mode=$(stat -c %a "$scratch")
chmod 755 "$scratch"
for words in "plan" "plan --json" "verify"; do
    as_nobody=''
    [ ! -r "$sysctls/10-a.conf" ] || as_nobody="setpriv --reuid 65534 --regid 65534 --clear-groups"
    # shellcheck disable=SC2086
    if [ -n "$as_nobody" ] && ! $as_nobody test -x "$here/tune.sh" 2>/dev/null; then break; fi
    # shellcheck disable=SC2086
    TUNE_ROOT=$scratch/fake $as_nobody sh "$here/tune.sh" $words $LATER >"$scratch/out" 2>"$scratch/err"
    if [ -s "$scratch/err" ]; then bad "awk complains by itself"; else ok; fi
    case $words in
        plan) says "somaxconn=9999"; says "cannot read /etc/sysctl.d/10-a.conf"; says "cannot read /etc/security/limits.d/10-a.conf" ;;
        verify) says "skip  /etc/sysctl.d/10-a.conf" ;;
        *) is_json; says '"unread": ["/etc/sysctl.d/10-a.conf", "/etc/security/limits.d/10-a.conf"]' ;;
    esac
done
chmod "$mode" "$scratch"

case_="a root of any name: one with = in it is no assignment, one with - no option"
for name in a=b -d; do
    small_machine
    limits 1048576
    echo 'net.core.somaxconn = 9999' >"$sysctls/10-a.conf"
    rm -rf "${scratch:?}/odd"
    mkdir "$scratch/odd"
    mv "$scratch/fake" "$scratch/odd/$name"
    # shellcheck disable=SC2086
    if (cd "$scratch/odd" && sh "$here/tune.sh" apply $LATER --root "$name") >"$scratch/out" 2>"$scratch/err" && [ ! -s "$scratch/err" ]
    then ok; else bad "apply --root $name"; fi
    says_of "$scratch/odd/$name/etc/sysctl.d/90-tickring.conf" "vm.swappiness = 10"
    says_of "$scratch/odd/$name/etc/sysctl.d/90-tickring.conf" "net.core.somaxconn = 9999"
done
cp "$here/knobs.tsv" "$scratch/odd/a=b.tsv"
(cd "$scratch/odd" && TUNE_TABLE=a=b.tsv sh "$here/tune.sh" explain) >"$scratch/out" 2>"$scratch/err"
says "fs.nr_open"
machine
TUNE_ROOT=$scratch/none sh "$here/tune.sh" check --role server --conns 10 >"$scratch/out" 2>"$scratch/err"
if [ $? -eq 2 ]; then ok; else bad "a root that is none"; fi
complains "TUNE_ROOT wants a folder"

case_="numbers of files are what the kernel and PAM make of them"
machine
as_booted
put net.core.somaxconn 8192
echo 'net.core.somaxconn = 04000' >"$sysctls/99-op.conf"
# shellcheck disable=SC2086 # several words on purpose, here and below
tune 1 verify $LATER
says "/etc/sysctl.d/99-op.conf says net.core.somaxconn = 2048, wanted >= 2500"
echo 'net.core.somaxconn = 0x2000' >"$sysctls/99-op.conf"
# shellcheck disable=SC2086
tune 1 verify $LATER
never_says "99-op.conf"
rm "$sysctls/99-op.conf"
# With zeros in front a number is longer, and no larger.
put net.core.somaxconn 1000
for said in 0000128 0004096 0000003000 089 99999999999999999999x '100|5000'; do
    echo "net.core.somaxconn = $said" >"$sysctls/10-op.conf"
    # shellcheck disable=SC2086
    tune 0 plan $LATER
    says "sysctl -w 'net.core.somaxconn=2500'"
done
rm "$sysctls/10-op.conf"
limits 1024
for said in 000001000 "$(printf '1000\r')"; do
    both "$said" >"$logins/99-b.conf"
    # shellcheck disable=SC2086
    tune 2 verify $LATER
    says "/etc/security/limits.d/99-b.conf is read after 90-tickring.conf and says * hard nofile 1000, root hard nofile 1000"
done
rm "$logins/99-b.conf"

case_="what was set by hand before an apply is no more in force after a boot than any other value"
small_machine
put net.core.netdev_max_backlog 3000
tune 0 apply --role server --conns 40000 --workers 1
has net.core.netdev_max_backlog 5000
rm "$sysctls/90-tickring.conf"
put net.core.netdev_max_backlog 3000
# shellcheck disable=SC2086
tune 0 apply $LATER
says_of "$sysctls/90-tickring.conf" "net.core.netdev_max_backlog = 3000"

case_="one number for three sets the first: of the others the file says nothing"
small_machine
echo 'net.ipv4.tcp_rmem = 9999999' >"$sysctls/10-op.conf"
tune 0 apply --role client --conns 20000 --workers 1
has net.ipv4.tcp_rmem "4096 16384 262144"
tune 0 rollback
machine
as_booted
put net.ipv4.tcp_rmem "4096	131072	262144"
printf 'net.ipv4.tcp_rmem = 4096 131072 262144\n' >"$sysctls/95-op.conf"
printf 'net.ipv4.tcp_rmem = 4096\n' >"$sysctls/99-op.conf"
tune 1 verify --role client --conns 1000 --workers 1
never_says "99-op.conf"

case_="names with | in them: of files, of users and of items"
machine
as_booted
limits 1024
both 50000 >"$logins/10-a.conf"
both 1000 >"$logins/20|b.conf"
printf 'a|b hard nofile 7\n* hard nofile|9|9 5\n*|nofile|9 hard x 5\n' >"$logins/30-c.conf"
# shellcheck disable=SC2086
tune 0 apply $LATER
says_of "$own_limits" "* hard nofile 25256"
tune 0 rollback
mv "$logins/20|b.conf" "$logins/99|b.conf"
# shellcheck disable=SC2086
tune 1 apply $LATER
says "/etc/security/limits.d/99|b.conf is read after 90-tickring.conf and says * hard nofile 1000, root hard nofile 1000"
if [ -e "$own_limits" ]; then bad "10-a.conf was high enough"; else ok; fi
rm "$logins/99|b.conf"
echo 'net.core.somaxconn = 100' >"$sysctls/99|z.conf"
put net.core.somaxconn 128
# shellcheck disable=SC2086
tune 0 apply $LATER
says "/etc/sysctl.d/99|z.conf is read after 90-tickring.conf and says net.core.somaxconn = 100"

case_="--root: a link that leads out of it is not followed, and named"
machine
as_booted
put net.core.somaxconn 128
mkdir -p "$scratch/outside"
echo 'net.core.somaxconn = 9999' >"$scratch/outside/of.conf"
both 99999 >"$scratch/outside/of-limits.conf"
ln -s "$scratch/outside/of.conf" "$sysctls/20-out.conf"
ln -s "$scratch/outside/of-limits.conf" "$logins/20-out.conf"
ln -s ../../../usr/in.conf "$logins/30-in.conf"
ln -s ../in.conf "$sysctls/30-in.conf"
mkdir "$scratch/fake/usr"
echo 'net.core.somaxconn = 3000' >"$scratch/fake/etc/in.conf"
limits 1024
# shellcheck disable=SC2086
tune 0 plan $LATER
says "somaxconn=3000"
says "echo '* hard nofile 25256'"
says "cannot read /etc/sysctl.d/20-out.conf"
says "cannot read /etc/security/limits.d/20-out.conf"
rm -r "$scratch/outside"
