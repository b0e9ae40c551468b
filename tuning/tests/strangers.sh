# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # variables of the other parts
# What somebody else laid out for root: a rollback file with a right sum, links where apply and rollback write.

TUNE_TABLE=$scratch/few.tsv
export TUNE_TABLE

case_="a rollback file names only what apply could have changed"
small_machine
put kernel.modprobe /sbin/modprobe
put kernel.randomize_va_space 2
# shellcheck disable=SC2086 # several words on purpose, here and below
tune 0 apply $FEW
rm -rf "$scratch/sound"
cp -a "$state" "$scratch/sound"
# Of other settings, of one that the table knows and apply leaves alone, and of its own with values that are none.
for line in 'sysctl|kernel.modprobe|/tmp/x|/sbin/modprobe' 'sysctl|kernel.randomize_va_space|0|2' \
    'sysctl|kernel.io_uring_disabled|2|0' 'sysctl|fs.nr_open|10000;id|50256' 'sysctl|fs.nr_open||50256' \
    'sysctl|net.ipv4.ip_local_reserved_ports|80 /x|80' 'sysctl|fs.nr_open|10000 7|50256' 'sysctl|fs.nr_open|1|999999999999999999999' \
    'sysctl|net.ipv4.tcp_mem|100 200|1 2 3' 'sysctl|net.ipv4.tcp_mem|1 2 3|1 2 3 4' 'sysctl|net.ipv4.ip_local_port_range|1024|1024 65535'; do
    sed -i "2i$line" "$state/journal"
    signed
    spoiled "a line that tune.sh never writes: $line"
done
# A file from outside the folder, or one in it that apply did not put there.
echo evil >"$scratch/fake/evil"
for copy in s/../../../../evil s/../evil stolen evil saved saved. saved.1/../evil ../evil /evil saved.x 1; do
    rm -r "$state"
    cp -a "$scratch/sound" "$state"
    cp "$scratch/fake/evil" "$state/stolen"
    sed -i "2ifile|/etc/sysctl.d/90-tickring.conf|$copy|$(cksum <"$scratch/fake/evil" | tr -s ' ' ' ')|$(cksum <"$ours" | tr -s ' ' ' ')" "$state/journal"
    signed
    spoiled "a line that tune.sh never writes: file|/etc/sysctl.d/90-tickring.conf|$copy|"
done
rm -r "$state"
cp -a "$scratch/sound" "$state"
tune 0 rollback
has fs.nr_open 10000
has kernel.randomize_va_space 2

# refused CODE WHY: neither apply nor rollback does anything, and why is said.
refused() {
    snapshot before
    snapshot_elsewhere before
    for command in "apply $FEW" rollback; do
        # shellcheck disable=SC2086
        tune "$1" $command
        complains "$2"
        complains "nothing was touched"
        unchanged "$2"
        snapshot_elsewhere after
        if cmp -s "$scratch/elsewhere.before" "$scratch/elsewhere.after"; then ok; else bad "$2: $command wrote elsewhere"; fi
    done
}
snapshot_elsewhere() { (cd "$scratch/elsewhere" && find . -type f -exec cksum {} + && find . | LC_ALL=C sort) >"$scratch/elsewhere.$1"; }

case_="a link in place of the folder for the rollback file is not followed"
small_machine
mkdir "$scratch/elsewhere"
ln -s "$scratch/elsewhere" "$state"
refused 6 "$state is a symbolic link"
cp -a "$scratch/sound/." "$scratch/elsewhere"
refused 6 "$state is a symbolic link"
rm "$state"
ln -s "$scratch/nowhere" "$state"
refused 6 "$state is a symbolic link"
rm "$state"

case_="a link in place of the rollback file, or beside it, is not followed"
for name in journal journal.new saved.1 busy; do
    mkdir "$state"
    ln -s "$scratch/elsewhere/$name" "$state/$name"
    refused 6 "$state/$name is a symbolic link"
    rm -r "$state"
done

case_="a folder for the rollback file in which everybody writes"
cp -a "$scratch/sound" "$state"
chmod 777 "$state"
refused 6 "may be written by everybody"
chmod 755 "$state"
if [ "$(stat -c %u "$scratch")" = 0 ]; then
    case_="a folder or a file that is another user's"
    chown 1 "$state/journal"
    refused 6 "$state/journal belongs to another user"
    chown 0 "$state/journal"
    chown 1 "$state"
    refused 6 "$state belongs to another user"
    rm -r "$state"
    chown 1 "$ours"
    snapshot before
    # shellcheck disable=SC2086
    tune 5 apply $FEW
    complains "$ours belongs to another user"
    unchanged "a sysctl.d file of another user"
else
    echo "note: 1 skipped: files of another user (run as root)"
fi

case_="what its group or everybody may write is not trusted, were its sum ever so right"
for mode in g+w o+w; do
    for name in . journal saved.1; do
        rm -rf "$state"
        small_machine
        cp -a "$scratch/sound" "$state"
        chmod $mode "$state/$name"
        refused 6 "may be written by"
        # shellcheck disable=SC2086
        [ $name = . ] || { tune 2 verify $FEW; says "may be written by"; }
    done
done
small_machine
chmod 664 "$ours"
snapshot before
# shellcheck disable=SC2086
tune 5 apply $FEW
complains "$ours may be written by its group"
unchanged "a sysctl.d file that a group may write"

case_="what is no plain file in the folder is refused, and never waited for"
for make in mkfifo mkdir; do
    small_machine
    mkdir "$state"
    $make "$state/journal"
    refused 6 "$state/journal is not a plain file"
    rm -r "$state/journal"
    $make "$state/journal.new"
    refused 6 "$state/journal.new is not a plain file"
done

case_="what lies where a file is made before it goes to its place"
for name in etc/sysctl.d/90-tickring.conf etc/security/limits.d/90-tickring.conf; do
    for make in mkdir mkfifo "ln -s $scratch/elsewhere/journal"; do
        small_machine
        $make "$scratch/fake/$name.tickring-new"
        snapshot before
        snapshot_elsewhere before
        # shellcheck disable=SC2086
        tune 5 apply $FEW
        complains "$name.tickring-new is "
        complains "nothing is half-applied"
        if [ "$(wc -l <"$scratch/err")" -eq 2 ]; then ok; else bad "raw errors of other programs"; fi
        unchanged "$name.tickring-new by $make"
        snapshot_elsewhere after
        if cmp -s "$scratch/elsewhere.before" "$scratch/elsewhere.after"; then ok; else bad "apply wrote elsewhere"; fi
        rm -r "$scratch/fake/$name.tickring-new"
        snapshot before
        # A plain one is what a killed apply left.
        echo half >"$scratch/fake/$name.tickring-new"
        # shellcheck disable=SC2086
        tune 0 apply $FEW
        if [ -e "$scratch/fake/$name.tickring-new" ]; then bad "the file stays"; else ok; fi
        $make "$scratch/fake/$name.tickring-new"
        tune 7 rollback
        says "$name.tickring-new is "
        if [ -s "$scratch/err" ]; then bad "raw errors of other programs"; else ok; fi
        rm -r "$scratch/fake/$name.tickring-new"
        tune 0 rollback
        unchanged "$name.tickring-new, later, by $make"
    done
done

case_="a link in place of a folder that apply writes in is not followed"
for folder in etc/sysctl.d etc/security/limits.d etc/security; do
    small_machine
    mv "$scratch/fake/$folder" "$scratch/fake/moved"
    ln -s "$scratch/fake/moved" "$scratch/fake/$folder"
    snapshot before
    # shellcheck disable=SC2086
    tune 5 apply $FEW
    complains "$folder is a symbolic link"
    complains "nothing is half-applied"
    unchanged "$folder"
done

case_="rollback leaves what became a link since"
small_machine
# shellcheck disable=SC2086
tune 0 apply $FEW
mv "$scratch/fake/etc/sysctl.d" "$scratch/fake/moved"
ln -s "$scratch/fake/moved" "$scratch/fake/etc/sysctl.d"
cp "$scratch/fake/moved/90-tickring.conf" "$scratch/written"
tune 1 rollback
says "is a symbolic link"
if cmp -s "$scratch/written" "$scratch/fake/moved/90-tickring.conf"; then ok; else bad "written through a link"; fi
has fs.nr_open 10000
rm "$scratch/fake/etc/sysctl.d"
mv "$scratch/fake/moved" "$scratch/fake/etc/sysctl.d"
tune 0 rollback
not_in_file "$ours" "fs.nr_open"

case_="a link in place of a sysctl, or of a folder it is in, is not written through"
for link in proc/sys/net/core/somaxconn proc/sys/net/core proc/sys; do
    small_machine
    mv "$scratch/fake/$link" "$scratch/fake/moved"
    ln -s "$scratch/fake/moved" "$scratch/fake/$link"
    snapshot before
    # shellcheck disable=SC2086
    tune 5 apply $FEW
    complains "$scratch/fake/$link is a symbolic link"
    complains "nothing is half-applied"
    unchanged "$link"
done
small_machine
# shellcheck disable=SC2086
tune 0 apply $FEW
file=$scratch/fake/proc/sys/net/core/somaxconn
mv "$file" "$scratch/fake/moved"
ln -s "$scratch/fake/moved" "$file"
tune 1 rollback
says "net.core.somaxconn stays as it is: $file is a symbolic link"
has net.core.somaxconn 5000
rm "$file"
mv "$scratch/fake/moved" "$file"
tune 0 rollback
has net.core.somaxconn 128

case_="what somebody else keeps in the folder of the rollback file stays there"
small_machine
# shellcheck disable=SC2086
tune 0 apply $FEW
for name in saved.notes staged.notes notes; do echo mine >"$state/$name"; done
# shellcheck disable=SC2086
tune 0 apply $FEW
tune 0 rollback
for name in saved.notes staged.notes notes; do if [ -e "$state/$name" ]; then ok; else bad "$name is gone"; fi; done
if [ "$(find "$state" -type f | wc -l)" -eq 3 ]; then ok; else bad "more than that stays"; fi

unset TUNE_TABLE
