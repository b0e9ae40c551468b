# shellcheck shell=sh
# shellcheck disable=SC2034,SC2154 # variables of the other parts
# emit: the same values for where they come from outside. Made from N and the table alone, so that the
# machine on which this runs does not matter; what the kernel's default already grants is left out, and nothing is lower
# than a default that follows from the memory may be.

# For emit sysctl: a file of its own, since that of apply may have what others set.
emitted_file=/etc/sysctl.d/80-tickring.conf

# Workers that the locked memory is enough for, where nobody says how many there will be.
workers_most=64

emit() {
    role=${role:-server}
    workers_told=$workers
    measure_nowhere
    nofile='' memlock='' inside='' outside='' others=''
    each_knob emit_row
    case $emit_kind in
        systemd) if [ "$drop_in" = 1 ]; then emit_drop_in; else emit_unit; fi ;;
        docker) emit_docker ;;
        k8s) emit_k8s ;;
        limits) emit_limits ;;
        sysctl) emit_sysctl ;;
    esac
}

emit_row() {
    [ "$apply" = yes ] || return 0
    case $place in
        limit:Max\ open\ files) nofile=$(printf '%s\n' "$wanted" "$systemd_files" | highest); return ;;
        limit:Max\ locked\ memory)
            # As many as anybody will start.
            [ -n "$workers_told" ] || wanted=$((wanted * workers_most))
            memlock=$(printf '%s\n' "$wanted" "$systemd_memlock_bytes" | highest)
            return ;;
    esac
    case $kind in
        least)
            if [ "$default" != - ] && reaches "${default%% *}" "$wanted"; then return; fi
            # Two fields are the receiving machine's own, and cannot be known here; nor can what grows with its memory.
            if [ -n "$field" ]; then
                others="$others${others:+, }$key (third field >= $wanted$([ "$key" != net.ipv4.tcp_mem ] || echo ' pages of 4 KiB'))"
                return
            elif [ "$default" = - ]; then
                others="$others${others:+, }$key >= $wanted"
                return
            fi
            setting="$key|$(printf '%s\n' "$wanted" "${default##* }" | highest)" ;;
        ports)
            if [ "$wanted" -le 28232 ]; then return; fi
            add_setting "net.ipv4.ip_local_reserved_ports|$own_ports"
            setting="$key|1024 65535" ;;
        among)
            if [ "$default" = "${wanted%% *}" ]; then return; fi
            setting="$key|${wanted%% *}" ;;
    esac
    add_setting "$setting"
}

add_setting() {
    case $scope in
        "network namespace") inside="$inside${inside:+$newline}$1" ;;
        *) outside="$outside${outside:+$newline}$1" ;;
    esac
}

# each_setting LINES FORMAT: printf with key and value for each.
each_setting() {
    [ -n "$1" ] || return 0
    printf '%s\n' "$1" | while IFS='|' read -r key value; do
        # shellcheck disable=SC2059 # the format is ours
        printf "$2" "$key" "$value"
    done
}

made_for() {
    drop_in_word=''
    [ "$drop_in" = 0 ] || drop_in_word=' --drop-in'
    if [ -n "$workers_told" ]; then spread="$W worker(s)"; else spread="up to $workers_most workers"; fi
    echo "# For $N connections, role $role, $spread. Made by: tune.sh emit $emit_kind$drop_in_word --role $role --conns $N$options_given"
}

on_the_host() {
    [ -n "$outside$others" ] || return 0
    echo "# On the host, in /etc/sysctl.d (they belong to the machine, not to a namespace):"
    each_setting "$outside" '#   %s = %s\n'
    [ -z "$others" ] || echo "#   $others"
}

emit_limits_lines() {
    echo "LimitNOFILE=$nofile"
    # The rings of all workers count against it, since the service is not root.
    echo "LimitMEMLOCK=$memlock"
}

# tell_ceiling: where the limit is above fs.nr_open as it is by default.
tell_ceiling() {
    case $newline$outside in *"${newline}fs.nr_open|"*) echo "# fs.nr_open must be $nofile first (tune.sh emit sysctl): above it the kernel refuses the limit, at a start or a login." ;; esac
}

emit_drop_in() {
    made_for
    tell_ceiling
    echo "# /etc/systemd/system/tickring.service.d/limits.conf, then: systemctl daemon-reload; systemctl restart tickring"
    echo "[Service]"
    emit_limits_lines
}

emit_unit() {
    made_for
    echo "# /etc/systemd/system/tickring.service. LimitNOFILE above fs.nr_open keeps the service from starting."
    echo "# Its sysctls: tune.sh emit sysctl --role $role --conns $N$options_given > $emitted_file"
    echo "# That one is read before $sysctl_file, which is apply's, so what apply raised stays."
    echo "# /etc/tickring.toml must be made first, or the service does not start: tickring.example.toml is one with every setting"
    echo "# and its default. Players come in by: listen = \"0.0.0.0:9001\". Then try it: tickring-server check-config --config /etc/tickring.toml"
    echo '[Unit]
Description=Tickring game server
After=network-online.target systemd-sysctl.service
Wants=network-online.target

[Service]
ExecStart=/usr/local/bin/tickring-server --config /etc/tickring.toml
DynamicUser=yes
# The one place it may write: recordings go there by dir = "/var/lib/tickring" in [record].
StateDirectory=tickring
Restart=on-failure
# SIGTERM drains: players are told to come back. Longer than the own drain time of the server.
KillSignal=SIGTERM
TimeoutStopSec=60'
    emit_limits_lines
    echo 'NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes

[Install]
WantedBy=multi-user.target'
}

emit_docker() {
    made_for
    echo "# The container has its own network namespace, and in it the kernel's defaults: nothing is inherited from the host."
    echo "# --network host instead has the host's; then leave the --sysctl lines out and set them there."
    tell_image "what stands behind its name are its words"
    on_the_host
    echo "# io_uring: Docker's seccomp profile forbids it since 25.0. Better than unconfined is its default profile with"
    echo "# io_uring_setup, io_uring_enter and io_uring_register added: --security-opt seccomp=tickring-seccomp.json"
    printf 'docker run --ulimit nofile=%s:%s --ulimit memlock=%s:%s' "$nofile" "$nofile" "$memlock" "$memlock"
    each_setting "$inside" " \\\\\n    --sysctl '%s=%s'"
    if [ "$role" = client ]; then
        printf ' \\\n    --security-opt seccomp=unconfined \\\n    loadgen run game --target ws://SERVER:9001 --conns %s\n' "$N"
    else
        # By itself the server listens on the container's own 127.0.0.1, where nothing that is published arrives.
        printf ' \\\n    --security-opt seccomp=unconfined \\\n    --publish 9001:9001 tickring --listen 0.0.0.0:9001\n'
    fi
}

emit_k8s() {
    made_for
    echo "# somaxconn and the others belong to the network namespace: a pod starts with the kernel's defaults, whatever the"
    echo "# node has."
    unsafe=$(unsafe_names)
    [ -z "$unsafe" ] || echo "# Those marked unsafe need on the node: kubelet --allowed-unsafe-sysctls=$unsafe"
    echo "# Kubernetes has no rlimits: open files come from the container runtime (LimitNOFILE=$nofile in containerd.service)."
    tell_image "args are its words"
    on_the_host
    echo "apiVersion: v1
kind: Pod
metadata:
  name: $image
spec:"
    [ "$role" != client ] || echo "  restartPolicy: Never"
    echo "  securityContext:
    # RuntimeDefault forbids io_uring (containerd 2.0). Better: type Localhost with the default profile and the io_uring calls.
    seccompProfile:
      type: Unconfined"
    if [ -n "$inside" ]; then
        echo "    sysctls:"
        printf '%s\n' "$inside" | while IFS='|' read -r key value; do
            echo "    - name: $key$(is_safe "$key" || echo '    # unsafe')"
            echo "      value: \"$value\""
        done
    fi
    echo "  containers:
  - name: $image
    image: $image"
    if [ "$role" = client ]; then
        echo "    args: [\"run\", \"game\", \"--target\", \"ws://SERVER:9001\", \"--conns\", \"$N\"]"
    else
        echo '    # By itself the server listens on 127.0.0.1, which nobody outside the pod reaches.
    args: ["--listen", "0.0.0.0:9001"]
    ports:
    - containerPort: 9001'
    fi
}

# tell_image WORDS: whose image it is, and what it starts. Sets image.
tell_image() {
    image=tickring program=tickring-server
    [ "$role" != client ] || image=loadgen program=loadgen
    echo "# The image $image is yours, with $program as its entry point: $1."
    [ "$role" != client ] || [ "$S" = 1 ] || echo "# Over $S addresses of its own: --src FIRST-LAST, which the container must have."
}

# What every kubelet allows (kubernetes pkg/kubelet/sysctl/safe_sysctls.go).
is_safe() { case $1 in net.ipv4.ip_local_port_range | net.ipv4.ip_local_reserved_ports) return 0 ;; esac; return 1; }

unsafe_names() {
    printf '%s\n' "$inside" | { list=''
        while IFS='|' read -r key value; do is_safe "$key" || list="$list${list:+,}$key"; done
        echo "$list"; }
}

emit_limits() {
    made_for
    tell_ceiling
    echo "# /etc/security/limits.d/80-tickring.conf, which is read before apply's 90-tickring.conf: logins from then on. root is not in *; memlock is in KiB."
    for domain in '*' root; do
        echo "$domain hard nofile $nofile"
        echo "$domain hard memlock $(((memlock + 1023) / 1024))"
    done
}

emit_sysctl() {
    made_for
    echo "# $emitted_file, which is read before apply's 90-tickring.conf; then: sysctl --system. Look first that nothing here is lower than what the machine has; apply does."
    each_setting "$outside" '%s = %s\n'
    each_setting "$inside" '%s = %s\n'
    [ -z "$others" ] || echo "# by hand, unless there is more already, since the machine's own follow from its memory: $others"
}
