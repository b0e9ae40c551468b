# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # variables of the other parts
# fs.nr_open and the lines of limits.d: above it the kernel refuses a limit, and PAM may let nobody in.

MILLION="--role server --conns 1000000 --workers 1"

case_="no line is above what the next boot surely gives fs.nr_open, whatever apply sets it to"
for later in etc/sysctl.d/99-z.conf etc/sysctl.conf; do
    machine
    limits 1024 1024
    echo 'fs.nr_open = 1048576' >"$scratch/fake/$later"
    # shellcheck disable=SC2086 # several words on purpose, here and below
    tune 0 plan $MILLION
    says "echo '* hard nofile 1048576'"
    # shellcheck disable=SC2086
    tune 1 apply $MILLION
    has fs.nr_open 1250256
    in_file "$limits_conf" "* hard nofile 1048576"
    says "fs.nr_open is 1048576 after the next boot, and no limit of open files may be above it"
    never_says "later "
    # A line of an apply before that file was there is one, too.
    sed -i 's/1048576/1250256/' "$limits_conf"
    # shellcheck disable=SC2086
    tune 1 apply $MILLION
    in_file "$limits_conf" "* hard nofile 1048576"
done
# As many distributions have it: then it is sure.
ln -s ../sysctl.conf "$scratch/fake/etc/sysctl.d/99-sysctl.conf"
rm "$limits_conf"
# shellcheck disable=SC2086
tune 1 apply $MILLION
in_file "$limits_conf" "* hard nofile 1048576"

case_="where fs.nr_open may not be raised, the kernel's own counts for the next boot"
machine
limits 1024 1024
put fs.nr_open 2000000
chmod 444 "$scratch/fake/proc/sys/fs/nr_open"
# shellcheck disable=SC2086
tune 1 apply $MILLION
in_file "$limits_conf" "root hard nofile 1048576"

case_="rollback leaves fs.nr_open where a limits file that it leaves has a line above what it was"
small_machine
snapshot before
tune 0 apply --role server --conns 100000 --workers 1
cp -p "$limits_conf" "$scratch/written"
echo '# mine' >>"$limits_conf"
tune 1 rollback
has fs.nr_open 125256
says "fs.nr_open stays 125256"
says "/etc/security/limits.d/90-tickring.conf, which stays as it is, has 125256"
says "/etc/sysctl.d/90-tickring.conf stays, with its fs.nr_open"
in_file "$scratch/fake/etc/sysctl.d/90-tickring.conf" "fs.nr_open = 125256"
has net.core.somaxconn 128
sed -i 's/125256/9000/' "$limits_conf"
tune 1 rollback
has fs.nr_open 10000
cp -p "$scratch/written" "$limits_conf"
tune 0 rollback
unchanged "after all"

case_="whoever the line is for"
small_machine
tune 0 apply --role server --conns 20000 --workers 1
sed -i 's/^\* /@players /; /^root/d' "$limits_conf"
tune 1 rollback
has fs.nr_open 25256
says "which stays as it is, has 25256"

case_="what the kernel does not take for fs.nr_open bounds no line"
for low in 0 10 63 -1; do
    small_machine
    rm "$scratch/fake/etc/sysctl.d/90-tickring.conf"
    echo "fs.nr_open = $low" >"$scratch/fake/etc/sysctl.d/99-z.conf"
    for domain in '*' root; do echo "$domain hard nofile 4096"; done >"$scratch/fake/etc/security/limits.d/50-own.conf"
    # As far as it is a number it is none for the next boot.
    TUNE_ROOT=$scratch/fake sh "$here/tune.sh" apply --role server --conns 20000 --workers 1 >"$scratch/out" 2>"$scratch/err"
    if grep -Eq 'hard nofile (0|10|63|-1)$' "$limits_conf"; then bad "a line of $low"; else ok; fi
done

case_="check and verify judge lines by the ceiling that is, and not by the one that apply would set"
small_machine
for domain in '*' root; do echo "$domain hard nofile 25256"; done >"$scratch/fake/etc/security/limits.d/50-mine.conf"
tune 2 verify --role server --conns 20000 --workers 1
never_says "logins from now on get"
# Apply makes room for them.
tune 0 apply --role server --conns 20000 --workers 1
says "logins from now on get what /etc/security/limits.d/50-mine.conf says"
tune 2 verify --role server --conns 20000 --workers 1
says "logins from now on get"

case_="explain, and a table without fs.nr_open, judge by the ceiling that is"
machine
limits 1024
echo '* hard nofile 9000000' >"$scratch/fake/etc/security/limits.d/99-z.conf"
tune 0 explain RLIMIT_NOFILE --conns 20000 --workers 1
says "hard nofile 9000000 (more than fs.nr_open, so the kernel refuses it)"
grep '^RLIMIT_NOFILE' "$here/knobs.tsv" >"$scratch/one.tsv"
TUNE_TABLE=$scratch/one.tsv tune 2 check --role server --conns 20000 --workers 1
says "hard nofile 9000000 (more than fs.nr_open, so the kernel refuses it)"
