# cluster.sh: throw-away clusters for tests, on staged servers, reached by Unix
# sockets alone. Sourced after lib.sh; the variable top names a directory that both
# we and the server's user can reach.

cluster_port=5432 # names the socket file; there is no network
clusters=()

# start_cluster FLAVOUR [SETTING=VALUE...]: sets cluster_dir and cluster_socket.
start_cluster() {
    local flavour=$1 setting
    shift
    cluster_dir=$(new_server_dir)
    cluster_socket=$cluster_dir
    cluster_bin=$(staged_bin "$cluster_dir/server")
    stage_server "$flavour" "$cluster_dir/server" || return 1
    as_server "$cluster_bin/initdb" -D "$cluster_dir/data" -U postgres -E UTF8 --locale=C.UTF-8 \
        --data-checksums --auth=trust --no-sync > /dev/null
    {
        echo "shared_preload_libraries = 'mytsdb'"
        echo "listen_addresses = ''"
        echo "unix_socket_directories = '$cluster_socket'"
        echo "port = $cluster_port"
        echo "fsync = off"
        echo "mytsdb.http_port = 0"
        echo "mytsdb.otlp_grpc_port = 0"
        echo "mytsdb.otlp_http_port = 0"
        echo "max_prepared_transactions = 10"
        echo "log_error_verbosity = verbose"
        for setting in "$@"; do
            echo "$setting"
        done
    } | as_server tee -a "$cluster_dir/data/postgresql.conf" > /dev/null
    clusters+=("$cluster_dir")
    as_server_of "$flavour" timeout 400 "$cluster_bin/pg_ctl" -D "$cluster_dir/data" \
        -l "$cluster_dir/log" -w -t 300 -s start < /dev/null || {
        as_server cat "$cluster_dir/log"
        return 1
    }
}

# as_server_of FLAVOUR COMMAND...: as_server, for what starts a server of that flavour.
as_server_of() {
    local flavour=$1 server_env=()
    shift
    if [ "$flavour" = sanitize ]; then
        # The server itself is not instrumented: it forks and exits as it likes, and
        # never frees what it allocates for a process' whole life.
        if [ ! -e "$top/asan_first.so" ]; then
            gcc -fno-builtin -fPIC -shared -o "$top/asan_first.$BASHPID" test/asan_first.c
            mv "$top/asan_first.$BASHPID" "$top/asan_first.so"
        fi
        server_env=("LD_PRELOAD=$(gcc -print-file-name=libasan.so) $(gcc -print-file-name=libubsan.so) $top/asan_first.so"
            "ASAN_OPTIONS=detect_leaks=0:abort_on_error=1:disable_coredump=1"
            "UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1")
    fi
    as_server "$@"
}

# A directory that the server's user owns, short enough for a socket's path.
new_server_dir() {
    local dir
    dir=$(mktemp -d "$top/c.XXXXXX")
    if [ "$(id -u)" = 0 ]; then
        chown "$(server_user):" "$dir"
    fi
    chmod 755 "$dir"
    echo "$dir"
}

# Stops the cluster of cluster_dir. Fails, and shows the log, when a server process
# died or a sanitizer spoke.
stop_cluster() {
    local status=0
    as_server timeout 400 "$cluster_bin/pg_ctl" -D "$cluster_dir/data" -m fast -w -t 300 -s stop ||
        status=1
    if as_server grep -qE 'terminating any other active server processes|Sanitizer|runtime error:' \
        "$cluster_dir/log"; then
        as_server tail -n 200 "$cluster_dir/log"
        status=1
    fi
    return $status
}

# At the end, whatever happened: nothing that was started here goes on.
stop_clusters() {
    local dir
    for dir in ${clusters[@]+"${clusters[@]}"}; do
        as_server timeout 60 "$(staged_bin "$dir/server")/pg_ctl" -D "$dir/data" -m immediate -s stop \
            > /dev/null 2>&1 || true
    done
}
