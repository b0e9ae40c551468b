# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # variables of the other parts
# What the kernel and PAM make of what stands in a file.

LATER="--role server --conns 20000 --workers 1"

# next_boot KEY VALUE [VERDICT]: what a later file says of it is told as that, or not told, since it suffices.
next_boot() {
    echo "$1 = $2" >"$theirs/95-z.conf"
    # shellcheck disable=SC2086 # several words on purpose, here and below
    TUNE_ROOT=$scratch/fake sh "$here/tune.sh" verify $LATER >"$scratch/out" 2>"$scratch/err"
    if [ -n "${3:-}" ]; then says "95-z.conf says $1 = $3, wanted"; else never_says "95-z.conf"; fi
}

case_="of a line with more behind it the kernel takes as many numbers as the setting has"
machine
as_booted
next_boot net.core.somaxconn '128 # was 65535' 128
next_boot net.core.somaxconn '128 65535' 128
next_boot net.core.somaxconn '65535 # was 128'
next_boot net.core.somaxconn '65535 128'
next_boot net.ipv4.tcp_mem '100 200 300 99999999' '100 200 300'
next_boot net.ipv4.tcp_mem '100 200 1000000 300'
next_boot net.ipv4.tcp_wmem '4096 16384 100000 # 4 MiB 4194304' '4096 16384 100000'
small_machine
printf 'fs.file-max = 9000 99000000\nnet.core.somaxconn = 9999 # 3\nnet.ipv4.tcp_wmem = 1 2 300000 400000\n' >"$theirs/10-x.conf"
# shellcheck disable=SC2086
tune 0 apply $LATER
has fs.file-max 28192
has net.core.somaxconn 9999
has net.ipv4.tcp_wmem "4096 16384 300000"

case_="reserved ports are numbers of the kernel, too"
machine
put net.ipv4.ip_local_reserved_ports 80
echo 'net.ipv4.ip_local_reserved_ports = 0x1F90, 017650,0x20-041,7000,65536,80-70000' >"$theirs/10-x.conf"
tune 0 apply --role client --conns 40000 --workers 1
has net.ipv4.ip_local_reserved_ports "32-33,80,7000,8080,8104,9001-9002"

case_="one number for the range of ports leaves its end as it is by then"
machine
put net.ipv4.tcp_tw_reuse 1
put net.ipv4.ip_local_port_range "1024	65535"
echo 'net.ipv4.ip_local_port_range = 40000' >"$theirs/95-z.conf"
tune 1 verify --role client --conns 25000
says "/etc/sysctl.d/95-z.conf says net.ipv4.ip_local_port_range = 40000 60999, wanted 25000 ports"
echo 'net.ipv4.ip_local_port_range = 1024 65535' >"$theirs/10-x.conf"
tune 1 verify --role client --conns 25000
never_says "95-z.conf says net.ipv4.ip_local_port_range = "

case_="a line that the kernel refuses gives nothing"
for line in 'net.core.somaxconn = 2147483648' 'net.core.somaxconn = 0x80000000' 'net.core.somaxconn = 99999999999999999999' \
    'net.core.somaxconn = 089' 'net.core.somaxconn =' 'net.ipv4.tcp_rmem = 4096 16384 2147483648' 'fs.file-max = 9223372036854775808' \
    'net.ipv4.tcp_mem = 1 2 99999999999999999999' 'fs.nr_open = 2147483585' 'net.ipv4.ip_local_port_range = 1024 65536'; do
    small_machine
    tune 0 plan --role client --conns 20000 --workers 1
    cp "$scratch/out" "$scratch/without"
    echo "$line" >"$theirs/10-x.conf"
    echo "$line" >"$theirs/99-x.conf"
    tune 0 plan --role client --conns 20000 --workers 1
    if cmp -s "$scratch/out" "$scratch/without"; then ok; else bad "$line makes a difference"; fi
done
# The most that it takes.
small_machine
printf 'net.core.somaxconn = 0x7fffffff\nfs.file-max = 0x7FFFFFFFFFFFFFFF\n' >"$theirs/10-x.conf"
# shellcheck disable=SC2086
tune 0 apply $LATER
has net.core.somaxconn 2147483647
has fs.file-max 9223372036854775807

case_="a value of a file that this kernel refuses is told with the file"
small_machine
echo 'net.core.somaxconn = 100000' >"$theirs/10-x.conf"
mkdir -p "$scratch/refusing"
cat >"$scratch/refusing/tee" <<TOOL
#!/bin/sh
case \$1 in *somaxconn) echo "tee: \$1: Invalid argument" >&2; exit 1 ;; esac
exec $(command -v tee) "\$@"
TOOL
chmod 755 "$scratch/refusing/tee"
snapshot before
# shellcheck disable=SC2086
PATH=$scratch/refusing:$PATH tune 5 apply $LATER
complains "Invalid argument; /etc/sysctl.d/10-x.conf asks for so much: take it out there"
unchanged "a refused value"
rm "$theirs/10-x.conf"
# shellcheck disable=SC2086
PATH=$scratch/refusing:$PATH tune 5 apply $LATER
if grep -q 'asks for so much' "$scratch/err"; then bad "no file asks for it"; else ok; fi

case_="PAM reads a limit as far as there are digits"
for value in '900000;' 900000K +900000 '000900000,'; do
    machine
    as_booted
    limits 1024 4096
    printf '* hard nofile %s\nroot - nofile %s\n' "$value" "$value" >"$scratch/fake/etc/security/limits.conf"
    # shellcheck disable=SC2086
    tune 0 apply $LATER
    says "logins from now on get what /etc/security/limits.conf says"
    if [ -e "$limits_conf" ]; then bad "$value is enough"; else ok; fi
done

case_="a file of our name that lies elsewhere is not lost by the one that apply makes"
for folder in run usr/local/lib usr/lib; do
    machine
    as_booted
    put fs.file-max 10000
    mkdir -p "$scratch/fake/$folder/sysctl.d"
    printf '# a package\nvm.swappiness = 5\nfs.file-max = 9000\n' >"$scratch/fake/$folder/sysctl.d/90-tickring.conf"
    snapshot before
    # shellcheck disable=SC2086
    tune 0 plan $LATER
    says "[ -e $ours ] || cp $scratch/fake/$folder/sysctl.d/90-tickring.conf $ours; echo 'fs.file-max = 28192' >> $ours"
    # shellcheck disable=SC2086
    tune 0 apply $LATER
    in_file "$ours" "vm.swappiness = 5"
    in_file "$ours" "fs.file-max = 28192"
    in_file "$ours" "# Begun with all of /$folder/sysctl.d/90-tickring.conf, whose place a file of this name takes."
    not_in_file "$ours" "fs.file-max = 9000"
    # shellcheck disable=SC2086
    tune 0 apply $LATER
    says "nothing to change"
    tune 0 rollback
    unchanged "$folder"
done
rm "$scratch/fake/$folder/sysctl.d/90-tickring.conf"
ln -s /proc/version "$scratch/fake/$folder/sysctl.d/90-tickring.conf"
# shellcheck disable=SC2086
tune 5 apply $LATER
complains "cannot read /$folder/sysctl.d/90-tickring.conf, whose place"

case_="--root: a link to what is not there, outside, is named, and one within is nothing"
machine
as_booted
rm -rf "$scratch/fake/etc/security/limits.conf"
for link in etc/sysctl.d/99-z.conf etc/sysctl.conf etc/security/limits.d/99-z.conf etc/security/limits.conf; do
    ln -s "/opt/of-the-image/${link##*/}" "$scratch/fake/$link"
    # shellcheck disable=SC2086
    tune 0 check $LATER
    says "cannot read /$link"
    rm "$scratch/fake/$link"
    ln -s "gone.conf" "$scratch/fake/$link"
    # shellcheck disable=SC2086
    tune 0 check $LATER
    never_says "cannot read"
done

case_="a link to sysctl.conf in sysctl.d: then every boot has it"
machine
as_booted
echo 'net.core.somaxconn = 100' >"$scratch/fake/etc/sysctl.conf"
# shellcheck disable=SC2086
tune 0 check $LATER
says "a boot with sysctl --system has that"
ln -s ../sysctl.conf "$theirs/99-sysctl.conf"
# shellcheck disable=SC2086
tune 0 check $LATER
says "/etc/sysctl.conf is read after 90-tickring.conf and says net.core.somaxconn = 100, wanted >= 2500, and the next boot has that"
never_says "only by a link"
echo 'net.core.somaxconn = 5000' >"$theirs/99-tuned.conf"
# shellcheck disable=SC2086
tune 0 check $LATER
says "a boot with sysctl --system has that"
