# datadir.sh: what make run and make stop know about the data directory DATA.
# Sourced after lib.sh.

if [ "$(id -u)" = 0 ]; then
    default_data=/var/lib/mytsdb/data
else
    default_data=${XDG_DATA_HOME:-$HOME/.local/share}/mytsdb/data
fi
data=$(realpath -m -- "${DATA:-$default_data}")
case $data in
    *[\"\$\`\\]* | *$'\n'*)
        # pg_ctl hands the path to a shell.
        fail "DATA must be a path without quotation marks, dollar signs, backquotes," \
            "backslashes and line ends: $data"
        ;;
esac
stage=$data/mytsdb.server
command -v "$PG_CONFIG" > /dev/null ||
    fail "PG_CONFIG=$PG_CONFIG is not a command: make run installs Debian's."
major=$("$PG_CONFIG" --version | sed 's/^[^0-9]*\([0-9]*\).*/\1/')

# in_data COMMAND...: as the server's user, with the data directory as current one.
in_data() {
    as_server sh -c 'cd "$1" 2> /dev/null && shift && exec "$@"' sh "$data" "$@"
}

# A new cluster is made in DATA/mytsdb.new. Once complete it is called mytsdb.made and
# its contents move up, which may be cut short and resumed at any point.
finish_creation() {
    in_data find mytsdb.made -mindepth 1 -maxdepth 1 -exec mv -t . {} +
    in_data rmdir mytsdb.made
}

# Sets data_state to absent (or empty), stopped, or running; anything else that lies
# at DATA is none of ours and ends the program.
inspect_data() {
    local pid version contents
    if [ ! -e "$data" ]; then
        data_state=absent
        return
    fi
    [ -d "$data" ] || fail "$data is not a directory."
    if ! contents=$(ls -A "$data" 2> /dev/null); then
        fail "$data cannot be read by $(id -un)."
    fi
    if [ -z "$contents" ] || [ "$contents" = mytsdb.new ]; then
        data_state=absent
        return
    fi
    [ ! -d "$data/mytsdb.made" ] || finish_creation
    version=$(cat "$data/PG_VERSION" 2> /dev/null) ||
        fail "$data is not empty, and not a data directory of PostgreSQL."
    [ "$version" = "$major" ] ||
        fail "$data is a data directory of PostgreSQL $version; this build is for PostgreSQL $major."
    [ "$(stat -c %U "$data")" = "$(server_user)" ] ||
        fail "$data belongs to the user $(stat -c %U "$data"), but the server would run as $(server_user)."
    in_data test -e mytsdb.conf ||
        fail "$data was not made by make run: choose another DATA." \
            "For a server of your own, see the README."

    data_state=stopped
    pid=$(in_data sed -n 1p postmaster.pid 2> /dev/null) || pid=
    if [ -n "$pid" ] && is_alive "$pid"; then
        is_our_server "$pid" ||
            fail "$data/postmaster.pid names process $pid, which lives but is not the server of this directory." \
                "If no server uses $data, remove that file and try again."
        data_state=running
    fi
}

# A process that is dead but not yet buried by its parent does not live.
is_alive() {
    [ -n "$(sed -n 's/^State:[[:space:]]*[^ZX[:space:]].*/alive/p' "/proc/$1/status" 2> /dev/null)" ]
}

# A postmaster has its data directory as current directory.
is_our_server() {
    [ "$(readlink "/proc/$1/cwd")" = "$data" ] &&
        [ "$(basename "$(readlink "/proc/$1/exe" | sed 's/ (deleted)$//')")" = postgres ]
}

stop_server() {
    as_server "$(staged_bin "$stage")/pg_ctl" -D "$data" -m fast -w -t 600 -s stop
}

# The children of a postmaster that was killed go by themselves, but not at once.
wait_for_orphans() {
    local end=$((SECONDS + 120)) said= dir
    while [ $SECONDS -lt $end ]; do
        for dir in /proc/[0-9]*; do
            is_our_server "${dir#/proc/}" 2> /dev/null && break
            dir=
        done
        if [ -z "$dir" ]; then
            # The server would take an unburied process for a living one.
            in_data rm -f postmaster.pid
            return
        fi
        [ -n "$said" ] || echo "Waiting for the processes of a server that was killed, such as ${dir#/proc/}"
        said=1
        sleep 0.1
    done
    fail "Process ${dir#/proc/} of a server that was killed still uses $data."
}
