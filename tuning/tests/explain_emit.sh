# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # variables of the other parts
# explain and emit: what is said about a knob, and the same values for elsewhere.

case_="explain: the symptom, the counter that shows it, the source"
machine
tune 0 explain somaxconn
says "net.core.somaxconn (network namespace; for server both)"
says "does not inherit the host's value"
says "ListenOverflows"
says "nstat -az TcpExtListenOverflows"
says "listen(2)"
says "here:     65535"
says "default:  4096"
tune 0 explain SOMAXCONN --conns 20000
says "for 20000: >= 2500 (ok)"
tune 0 explain
for knob in fs.nr_open RLIMIT_NOFILE xps-rps net.ipv4.tcp_tw_recycle; do says "  $knob"; done
refuses "no knob is called 'warp'" explain warp
refuses "explain --json wants a knob" explain --json
refuses "no knob is called '\$(id)'" explain "\$(id)" --json

case_="explain: advice that circulates is refused by name, with the reason"
for advice in tcp_tw_recycle tcp_fin_timeout copied-tcp_mem tcp_mem LimitNOFILE=infinity LimitNOFILE tcp_max_tw_buckets; do
    tune 0 explain $advice
    says refused
done
tune 0 explain tcp_tw_recycle
says "4.12"
tune 0 explain tcp_fin_timeout
says "60 s"

case_="explain --json"
tune 0 explain conntrack --json
says '"name": "net.netfilter.nf_conntrack_max"'
says '"value": "N * 5 / 4 + 8192"'
is_json

case_="emit: what belongs to the namespace goes in, what belongs to the machine is named"
machine
tune 0 emit docker --role server --conns 100000 --workers 1
says "--ulimit nofile=524288:524288"
says "--sysctl 'net.core.somaxconn=12500'"
never_says "--sysctl 'fs."
never_says "--sysctl 'net.core.netdev"
says "#   net.core.netdev_max_backlog = 12500"
says "seccomp"
says "tickring --listen 0.0.0.0:9001"
tune 0 emit docker --role client --conns 40000
never_says "9001:9001"
never_says "--listen"
says "--sysctl 'net.ipv4.ip_local_port_range=1024 65535'"
says "--sysctl 'net.ipv4.ip_local_reserved_ports=9001-9002'"
says "--sysctl 'net.ipv4.tcp_tw_reuse=1'"
never_says somaxconn=
tune 0 emit docker --role both --conns 40000 --sources 1
never_says "ip_local_port_range"
tune 0 emit docker --role server --conns 1000
never_says "--sysctl '"

case_="emit does not follow the values of the machine it runs on"
BOTH_20K="--role both --conns 20000 --workers 1 --sources 1"
put net.core.somaxconn 65535
tune 0 emit k8s --role server --conns 100000
says "- name: net.core.somaxconn    # unsafe"
says 'value: "12500"'
says "--allowed-unsafe-sysctls=net.core.somaxconn"
says 'args: ["--listen", "0.0.0.0:9001"]'
for kind in docker k8s limits sysctl systemd; do
    machine
    tune 0 emit $kind --role server --conns 100000
    cp "$scratch/out" "$scratch/elsewhere.out"
    small_machine
    printf 'MemTotal: 500000 kB\n' >"$scratch/fake/proc/meminfo"
    put net.ipv4.ip_local_port_range "1024	65535"
    printf 'KernelPageSize: 64 kB\n' >"$scratch/fake/proc/self/smaps"
    # shellcheck disable=SC2086 # several words on purpose
    tune 0 apply $BOTH_20K
    tune 0 emit $kind --role server --conns 100000
    if cmp -s "$scratch/out" "$scratch/elsewhere.out"; then ok; else bad "emit $kind differs on another machine"; fi
    rm -rf "$scratch/fake"
    mkdir "$scratch/fake"
    tune 0 emit $kind --role server --conns 100000
    if cmp -s "$scratch/out" "$scratch/elsewhere.out"; then ok; else bad "emit $kind differs where nothing can be read"; fi
done
machine

case_="emit never goes below what the kernel may make of the memory, and leaves to its machine what cannot be known"
tune 0 emit docker --role server --conns 100000
says "--sysctl 'net.ipv4.tcp_max_syn_backlog=12500'"
says "--sysctl 'net.ipv4.tcp_max_tw_buckets=262144'"
says "fs.file-max >= 108192, net.ipv4.tcp_mem (third field >= 400000 pages of 4 KiB)"
tune 0 emit sysctl --role server --conns 1000000
says "net.ipv4.tcp_max_tw_buckets = 1000000"
says "net.ipv4.tcp_max_orphans = 1000000"
never_says "fs.file-max ="
tune 0 emit limits --role server --conns 1000
says "* hard memlock 32768"

case_="emit for a client is for loadgen"
tune 0 emit docker --role client --conns 40000
says "loadgen run game --target ws://SERVER:9001 --conns 40000"
never_says tickring-server
tune 0 emit k8s --role client --conns 40000
says "image: loadgen"
says "restartPolicy: Never"
says '"--conns", "40000"]'
never_says tickring-server
refuses "loadgen runs and ends, so it is no service" emit systemd --role client --conns 40000
refuses "loadgen runs and ends, so it is no service" emit systemd --drop-in --role client --conns 40000

case_="emit k8s: a kubelet is asked for nothing where nothing is unsafe"
tune 0 emit k8s --role server --conns 1000
never_says "allowed-unsafe"
tune 0 emit k8s --role client --conns 40000
never_says "containerPort"
says "- name: net.ipv4.ip_local_port_range"
never_says "ip_local_port_range    # unsafe"

case_="emit systemd, limits and sysctl"
tune 0 emit systemd --role server --conns 600000 --workers 1
says "LimitNOFILE=750256"
says "StateDirectory=tickring"
says "tune.sh emit sysctl --role server --conns 600000 --workers 1 >"
says "LimitMEMLOCK=8388608"
says "[Install]"
says "/etc/tickring.toml must be made first"
says "Made by: tune.sh emit systemd --role server"
tune 0 emit systemd --drop-in --role server --conns 600000 --workers 1
says "LimitNOFILE=750256"
never_says ExecStart
says "Made by: tune.sh emit systemd --drop-in --role server --conns 600000 --workers 1"
# Never less than what everybody has without it.
tune 0 emit systemd --role server --conns 1000
says "LimitNOFILE=524288"
tune 0 emit limits --role server --conns 600000 --workers 16
says "* hard nofile 524288"
says "root hard memlock 8192"
tune 0 emit sysctl --role both --conns 2000000 --workers 1
says "fs.nr_open = 2500256"
says "net.core.somaxconn = 65535"
if TUNE_ROOT=$scratch/fake sh "$here/tune.sh" emit sysctl --role both --conns 2000000 --workers 1 |
    grep -Evq '^(#|[a-z0-9_.-]+ = [0-9 -]+$)'; then bad "not a sysctl.d file"; else ok; fi
if command -v systemd-analyze >/dev/null 2>&1; then
    TUNE_ROOT=$scratch/fake sh "$here/tune.sh" emit systemd --role server --conns 1000 |
        sed 's|^ExecStart=[^ ]*|ExecStart=/bin/true|' >"$scratch/tickring.service"
    SYSTEMD_LOG_LEVEL=warning systemd-analyze verify "$scratch/tickring.service" >"$scratch/out" 2>&1
    if grep -q 'tickring.service' "$scratch/out"; then bad "systemd does not like the unit"; else ok; fi
fi
if command -v python3 >/dev/null 2>&1 && python3 -c 'import yaml' 2>/dev/null; then
    tune 0 emit k8s --role both --conns 1000000
    if python3 -c 'import sys, yaml; assert yaml.safe_load(open(sys.argv[1]))["kind"] == "Pod"' "$scratch/out" 2>"$scratch/err"
    then ok; else bad "not YAML"; fi
fi

case_="emit: a limit above fs.nr_open as it is by default is named, since the kernel refuses it"
for kind in limits "systemd --drop-in"; do
    # shellcheck disable=SC2086
    tune 0 emit $kind --role server --conns 1000000 --workers 1
    says "# fs.nr_open must be 1250256 first (tune.sh emit sysctl): above it the kernel refuses the limit"
    # shellcheck disable=SC2086
    tune 0 emit $kind --role server --conns 600000 --workers 1
    never_says "fs.nr_open must be"
done

case_="plan --root: what is to be typed is for that root, or says for which machine it is"
small_machine
tune 0 plan --role server --conns 20000 --workers 1
says "sysctl -w 'net.core.somaxconn=2500'    # on the machine that $scratch/fake is of"
file=$scratch/fake/etc/sysctl.d/90-tickring.conf
# Its last line has no end.
says "echo >> $file; echo 'net.core.somaxconn = 2500' >> $file"
says "echo '* hard nofile 25256' >> $scratch/fake/etc/security/limits.d/90-tickring.conf"
sed -n "s/^  do:      \(echo .*\)/\1/p" "$scratch/out" >"$scratch/typed"
# Nothing of this machine is ever typed.
if grep -v ">> $scratch/fake/" "$scratch/typed"; then bad "not for that root"; else sh "$scratch/typed"; fi
if grep -qx 'vm.swappiness = 10' "$file" && grep -qx 'net.core.somaxconn = 2500' "$file"; then ok; else cp "$file" "$scratch/out"; bad "lines are glued"; fi
tune 0 plan --role server --conns 20000 --workers 1
never_says "echo >>"
TUNE_ROOT='' sh "$here/tune.sh" plan --role server --conns 90000000 --workers 1 >"$scratch/out" 2>"$scratch/err"
says "sysctl -w"
never_says "on the machine that"

case_="emit: a file beside that of apply, which is read before it"
for kind in systemd sysctl limits; do
    tune 0 emit $kind --role server --conns 100000
    says "80-tickring.conf"
    says "read before"
    never_says "> /etc/sysctl.d/90-tickring.conf"
done

case_="--help: no line is longer than a terminal"
tune 0 --help
if [ "$(awk 'length($0) > 80' "$scratch/out" | wc -l)" -eq 0 ]; then ok; else bad "long lines"; fi
