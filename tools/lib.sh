# lib.sh: what the tools have in common. Sourced by bash with the project's root as
# the current directory.
#
# A server never runs from the system's tree: its programs, libraries and shared
# files are copied ("staged") under a directory of their own, at the same paths
# below it, and our library is installed there. PostgreSQL finds its files relative
# to its own program, so the copy is complete in itself.

debian_pg_config=/usr/lib/postgresql/15/bin/pg_config
: "${PG_CONFIG:=$debian_pg_config}"

# What a calling make would tell the makes that the tools call.
unset MAKEFLAGS MFLAGS MAKELEVEL

# Where the caller's own psql connects to, and how, is nothing to us.
for name in "${!PG@}"; do
    case $name in
        PG_CONFIG | PGPORT) ;;
        *) unset "$name" ;;
    esac
done

# The server's user passes through directories and reads files that root makes here.
umask 022

# Says each argument on a line of its own, and ends with status 1.
fail() {
    printf '%s\n' "$@" >&2
    exit 1
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo > /dev/null; then
        sudo "$@"
    else
        fail "This must be done by root, and there is no sudo: $*"
    fi
}

# The user that servers run as: never root.
server_user() {
    local user
    if [ "$(id -u)" != 0 ]; then
        id -un
        return
    fi
    user=${RUN_AS:-postgres}
    id "$user" > /dev/null 2>&1 ||
        fail "There is no user \"$user\" to run the server as: name one with RUN_AS=..."
    [ "$(id -u "$user")" != 0 ] || fail "PostgreSQL does not run as root: name another RUN_AS."
    echo "$user"
}

# as_server COMMAND...: runs it as the server's user, in / and with a small
# environment (plus the assignments in the array server_env).
server_env=()
as_server() {
    local user drop=()
    user=$(server_user) || exit 1
    if [ "$(id -u)" = 0 ]; then
        drop=(setpriv "--reuid=$user" "--regid=$(id -g "$user")" --init-groups)
    fi
    (cd / && exec ${drop[@]+"${drop[@]}"} env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/ \
        LC_ALL=C.UTF-8 ${server_env[@]+"${server_env[@]}"} "$@")
}

# stage_server FLAVOUR DIR: copies the server's tree and the library's FLAVOUR to
# DIR, which the server's user owns. Goes through a pipe because that user may not
# be able to read the checkout.
stage_server() {
    local flavour=$1 dir=$2 tree
    tree=$(mktemp -d)
    flock "build/$flavour/.lock" make -s -C "build/$flavour" -f "$PWD/Makefile" \
        FLAVOUR="$flavour" DESTDIR="$tree" install > "$tree/log" 2>&1 || {
        cat "$tree/log" >&2
        rm -rf "$tree"
        echo "Could not stage the $flavour library." >&2
        return 1
    }
    rm "$tree/log"
    {
        as_server mkdir -p "$dir" &&
            tar -C / -cf - --exclude=bitcode --exclude=pgxs --exclude=man \
                "$(relative "$("$PG_CONFIG" --bindir)")" \
                "$(relative "$("$PG_CONFIG" --pkglibdir)")" \
                "$(relative "$("$PG_CONFIG" --sharedir)")" | as_server tar -C "$dir" -xmf - &&
            tar -C "$tree" -cf - . | as_server tar -C "$dir" -xmf - --no-overwrite-dir
    } 2> "$tree.log" || {
        tail -n 5 "$tree.log" >&2
        rm -rf "$tree" "$tree.log"
        echo "Could not copy the server to $dir." >&2
        return 1
    }
    rm -rf "$tree" "$tree.log"
}

relative() {
    echo "${1#/}"
}

# Where the programs of a staged server are.
staged_bin() {
    echo "$1$("$PG_CONFIG" --bindir)"
}

# What a staged server is made of: changes when server or library do.
build_id() {
    local flavour=$1
    {
        "$PG_CONFIG" --version
        cat "$("$PG_CONFIG" --bindir)/postgres" "build/$flavour/mytsdb.so" mytsdb.control sql/*.sql
    } | sha256sum | cut -c1-32
}
