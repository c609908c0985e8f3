# shellcheck shell=bash
#
# What every script of the harness stands on: packages, a work copy of the tree, a throw-away cluster. Sourced, not run.
#
# Rules:
# - The checkout is only read. All is built and run in a work directory of its own under /tmp, so the checkout may be
#   private or read-only, and two runs do not meet.
# - Only building and running happen as an unprivileged user (postgres, where the script is started by root); packages and
#   `make install` are root's. Started by another user, nothing is installed: it is checked that all is there.
# - Whatever was started is stopped and whatever was made is removed, on success, failure, ^C and TERM alike.
# - Clusters, packages and settings that were there stay as they were.
#
# Variables a user may set: PG_MAJOR (which PostgreSQL; else that of pg_config, else Debian's default), PG_CONFIG,
# OP_KEEP=1 (keep the work directory for a look after a failure).

set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
WORK=
CHILD=
APT_LOG=
APT_LOCK=/run/order_payment-apt.lock # root only writes there: in /tmp anyone could lay a link under that name
NO_CLUSTER=/etc/postgresql-common/createcluster.d/order_payment-harness.conf
POLICY=/usr/sbin/policy-rc.d # what Debian's packages ask before they start a service

say() { printf '%s\n' "$*"; }
die() {
    printf 'order_payment: %s\n' "$*" >&2
    exit 1
}

# ------------------------------------------------------------------ environment

# The caller's PG* variables, make's flags and locale must not reach what is run here.
clean_environment() {
    local v
    for v in $(compgen -e); do
        case $v in
            PG_MAJOR | PG_CONFIG) ;;
            PG* | MAKE* | MFLAGS | COPT | PROFILE | LC_* | LANG | LANGUAGE | GIT_*) unset "$v" ;;
        esac
    done
    export LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive PATH="${PATH:-}:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"
    umask 022
}

# AS: the words that make a command run as the unprivileged user. setpriv changes the user by exec, so that signals arrive.
choose_user() {
    AS=()
    [ "$(id -u)" -ne 0 ] && return
    id postgres >/dev/null 2>&1 || die "there is no user postgres to run a server as"
    AS=(setpriv --reuid=postgres --regid=postgres --init-groups --)
}

# ------------------------------------------------------------------ packages

debian_default_major() { apt-cache depends postgresql 2>/dev/null | sed -n 's/.*Depends: postgresql-\([0-9][0-9]*\)$/\1/p' | head -n 1; }

find_major() {
    [ -n "${PG_MAJOR:-}" ] || PG_MAJOR=$("${PG_CONFIG:-pg_config}" --version 2>/dev/null | sed -n 's/^PostgreSQL \([0-9]*\).*/\1/p') || true
    [ -n "${PG_MAJOR:-}" ] || PG_MAJOR=$(debian_default_major) || true
    [ -n "${PG_MAJOR:-}" ]
}

packages_for() {
    printf '%s\n' gcc libc6-dev libssl-dev libcurl4-openssl-dev make perl python3 "postgresql-$PG_MAJOR" "postgresql-server-dev-$PG_MAJOR" \
        "postgresql-$PG_MAJOR-pgtap" libtap-parser-sourcehandler-pgtap-perl libipc-run-perl
    if [ "$1" = test ]; then
        # cards are sealed outside by the first two; drivers; what the examples are tested with; random statements
        printf '%s\n' openssl nodejs python3-psycopg python3-psycopg2 python3-flask python3-aiosmtpd python3-yaml sqlsmith
        # clients, and what stands between
        printf '%s\n' python3-django default-jdk-headless libpostgresql-jdbc-java pgbouncer
        # Node from elsewhere brings its own npm, which Debian's would conflict with
        command -v npm >/dev/null || printf '%s\n' npm
    fi
    if [ "$1" = lint ]; then
        printf '%s\n' cppcheck clang clang-tidy clang-tools clang-format universal-ctags shellcheck binutils git unzip
    fi
    if [ "$1" = deb ]; then printf '%s\n' build-essential debhelper lintian; fi
    # libFuzzer and the sanitizers are only recommended by clang
    if [ "$1" = fuzz ]; then printf '%s\n' clang libclang-rt-dev; fi
}

missing_packages() {
    local p
    for p in $(packages_for "$1"); do
        [ "$(dpkg-query -W -f='${db:Status-Status}' "$p" 2>/dev/null || true)" = installed ] || printf '%s ' "$p"
    done
}

clusters() { if command -v pg_lsclusters >/dev/null; then pg_lsclusters -h | awk '{ print $1, $2, $4 }'; fi; }

# Installing a server makes and starts a cluster "main". It is told not to by a settings file, and what it started all the
# same (a cluster that was down) is stopped again.
forbid_cluster() {
    if [ ! -d "${NO_CLUSTER%/*}" ]; then
        mkdir -p "${NO_CLUSTER%/*}"
        MADE_CLUSTER_DIR=yes
    fi
    say "create_main_cluster = false" >"$NO_CLUSTER"
}

allow_cluster() {
    [ -e "$NO_CLUSTER" ] || return 0
    rm -f "$NO_CLUSTER"
    if [ "${MADE_CLUSTER_DIR:-no}" = yes ]; then rmdir --ignore-fail-on-non-empty "${NO_CLUSTER%/*}"; fi
}

restore_clusters() {
    local before=$1 version name status was
    clusters | while read -r version name status; do
        was=$(awk -v v="$version" -v n="$name" '$1 == v && $2 == n { print $3 }' <<<"$before")
        if [ -z "$was" ]; then
            pg_dropcluster --stop "$version" "$name" || true
        elif [[ $was == down* && $status == online* ]]; then
            pg_ctlcluster "$version" "$name" stop || true
        fi
    done
}

# PgBouncer is wanted as a program: where it is new, its service is neither started nor left to start with the machine.
forbid_pgbouncer() {
    command -v pgbouncer >/dev/null && return
    NEW_PGBOUNCER=yes
    [ -e "$POLICY" ] && return
    MADE_POLICY=yes
    cat >"$POLICY" <<'EOF'
#!/bin/sh
# of the tests of order_payment, while they install packages
case $1 in pgbouncer*) exit 101 ;; esac
EOF
    chmod 755 "$POLICY"
}

allow_pgbouncer() {
    if [ "${MADE_POLICY:-no}" = yes ]; then rm -f "$POLICY"; fi
    MADE_POLICY=no
    if [ "${NEW_PGBOUNCER:-no}" = yes ] && command -v pgbouncer >/dev/null; then update-rc.d pgbouncer disable >/dev/null 2>&1 || true; fi
    NEW_PGBOUNCER=no
}

apt() {
    APT_LOG=$(mktemp /tmp/op-apt.XXXXXX)
    if ! run apt-get -o DPkg::Lock::Timeout=600 "$@" >"$APT_LOG" 2>&1; then
        tail -n 40 "$APT_LOG" >&2
        die "apt-get $1 failed (above); the packages needed are those of Debian's main archive"
    fi
    rm -f "$APT_LOG"
}

install_packages() {
    local kind=$1 before missing
    exec 9>>"$APT_LOCK"
    flock 9
    if ! find_major; then
        apt update
        find_major || die "cannot tell which PostgreSQL to use: set PG_MAJOR"
    fi
    missing=$(missing_packages "$kind")
    if [ -n "$missing" ]; then
        say "installing by apt: $missing"
        before=$(clusters)
        forbid_cluster
        forbid_pgbouncer
        apt update
        # the whole list, not only what is missing: server and headers are to be of one release
        # shellcheck disable=SC2046 # a list of words
        apt install -y --no-install-recommends $(packages_for "$kind")
        allow_cluster
        allow_pgbouncer
        restore_clusters "$before"
    fi
    exec 9>&-
}

check_commands() {
    local c
    for c in initdb pg_ctl psql pg_config; do
        [ -x "$BINDIR/$c" ] || die "$BINDIR/$c is missing: install PostgreSQL $PG_MAJOR with its headers, or set PG_MAJOR"
    done
    for c in make gcc prove pg_prove python3; do
        command -v "$c" >/dev/null || die "the command $c is missing (packages on Debian: $(packages_for "$1" | tr '\n' ' '))"
    done
}

# provision test|lint|fuzz|deb: afterwards PG_MAJOR, PG_CONFIG, BINDIR and AS are set and every tool is there.
provision() {
    local kind=$1 missing
    # a PG_CONFIG of the user's is a server that apt knows nothing of
    if [ -z "${PG_CONFIG:-}" ] && command -v dpkg-query >/dev/null && command -v apt-get >/dev/null; then
        if ! find_major || [ -n "$(missing_packages "$kind")" ]; then
            if [ "$(id -u)" -ne 0 ]; then
                missing=$(if find_major; then missing_packages "$kind"; else echo "postgresql postgresql-server-dev-all"; fi)
                die "packages are missing; as root: apt-get install $missing"
            fi
            install_packages "$kind"
        fi
    fi
    find_major || die "no PostgreSQL found: set PG_MAJOR, or PG_CONFIG to the path of its pg_config"
    BINDIR=/usr/lib/postgresql/$PG_MAJOR/bin
    if [ -n "${PG_CONFIG:-}" ] || [ ! -d "$BINDIR" ]; then BINDIR=$("${PG_CONFIG:-pg_config}" --bindir); fi
    PG_CONFIG=$BINDIR/pg_config
    check_commands "$kind"
    choose_user
    export PG_MAJOR PG_CONFIG PATH="$BINDIR:$PATH"
}

# ------------------------------------------------------------------ processes and cleaning up

# Runs a command in a session of its own and waits, so that a signal that reaches this script is acted upon at once and
# takes the whole tree of the command with it.
run() {
    local status=0
    setsid "$@" </dev/null &
    CHILD=$!
    wait "$CHILD" || status=$?
    CHILD=
    return "$status"
}

# counted LOG CMD...: runs it, and adds its last `N passed, N failed` to PASSED and FAILED. The line itself becomes `-> N passed...`,
# for there is to be one at the end of all. What ends without one, or with a failure it did not count, is one failure.
counted() {
    local log=$1 status=0 line to pid
    shift
    exec {to}> >(tee "$log" | sed -u 's/^\([0-9]* passed, [0-9]* failed\)$/-> \1/')
    pid=$!
    run "$@" >&"$to" 2>&1 || status=1
    exec {to}>&-
    wait "$pid" || true
    line=$(grep -E '^[0-9]+ passed, [0-9]+ failed$' "$log" | tail -n 1 || true)
    if [[ $line =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
        PASSED=$((PASSED + BASH_REMATCH[1]))
        FAILED=$((FAILED + BASH_REMATCH[2]))
        [ "$status" -eq 0 ] || [ "${BASH_REMATCH[2]}" -gt 0 ] || FAILED=$((FAILED + 1))
    else
        FAILED=$((FAILED + 1))
    fi
}

stop_clusters_in() {
    local pidfile
    # TAP tests that were ended by a signal leave their own clusters behind
    find "$1" -name postmaster.pid 2>/dev/null | while read -r pidfile; do
        "${AS[@]}" "$BINDIR/pg_ctl" -D "${pidfile%/*}" -m immediate -w stop >/dev/null 2>&1 || true
    done
}

clean_up() {
    local status=$?
    trap - EXIT
    trap '' INT TERM HUP
    set +e
    if [ -n "$CHILD" ]; then
        kill -TERM -- "-$CHILD" 2>/dev/null
        wait "$CHILD" 2>/dev/null
    fi
    allow_cluster
    allow_pgbouncer
    rm -f "$APT_LOG"
    if [ -n "$WORK" ]; then
        stop_clusters_in "$WORK"
        if [ "${OP_KEEP:-0}" = 1 ]; then say "kept: $WORK"; else rm -rf "$WORK"; fi
    fi
    exit "$status"
}

arm_clean_up() {
    trap clean_up EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
}

# ------------------------------------------------------------------ the work copy

# The files git knows and the new ones it does not ignore; without git (a release archive) everything, less what was built.
list_tree() {
    if [ -e "$ROOT/.git" ] && command -v git >/dev/null; then
        # root may read the checkout of another user, and runs no hook of it
        GIT_OPTIONAL_LOCKS=0 git -C "$ROOT" -c safe.directory='*' -c core.fsmonitor=false \
            ls-files -z --cached --others --exclude-standard
    else
        (cd "$ROOT" && find . -name .git -prune -o -type f ! -name '*.o' ! -name '*.bc' ! -name '*.so' \
            ! -path './sql/order_payment--?.?.?.sql' ! -path './results/*' ! -path './output_iso/*' \
            ! -path './tmp_check/*' ! -path './build/*' ! -path './test/*/node_modules/*' -print0)
    fi
}

copy_tree() {
    local to=$1 f
    mkdir -p "$to"
    list_tree >"$to.list"
    while IFS= read -r -d '' f; do
        # a file removed but not yet committed is still in git's list
        [ -e "$ROOT/$f" ] && printf '%s\0' "$f"
    done <"$to.list" >"$to.there" || true
    [ -s "$to.there" ] || die "found no file of the project in $ROOT"
    tar -C "$ROOT" --null -T "$to.there" -cf - | tar -C "$to" --no-same-owner -xf -
    rm -f "$to.list" "$to.there"
    chmod -R u+rwX,go+rX "$to"
}

make_work() {
    local work
    work=$(mktemp -d /tmp/op-XXXXXX)
    WORK=$work
    TREE=$WORK/tree
    LOG=$WORK/log
    chmod 755 "$WORK"
    mkdir "$WORK/tmp" "$WORK/home" "$WORK/s" "$LOG"
    copy_tree "$TREE"
    if [ ${#AS[@]} -gt 0 ]; then chown -R postgres:postgres "$WORK"; fi
    export HOME=$WORK/home TMPDIR=$WORK/tmp
    cd "$TREE"
}

# The gateways' own libraries and Node's clients, as package-lock.json pins them, into the work copy; their install scripts are not run.
install_node_packages() {
    local directory
    for directory in test/gateway test/clients; do
        run "${AS[@]}" npm ci --prefix "$TREE/$directory" --ignore-scripts --no-audit --no-fund --no-update-notifier && continue
        say "npm could not install what $directory/package-lock.json lists (above). The npm registry must be within reach;" >&2
        say "a mirror or a proxy is set as for any use of npm: npm_config_registry, npm_config_cafile, https_proxy." >&2
        return 1
    done
}

# ------------------------------------------------------------------ building, installing, the cluster

version() { sed -n "s/^default_version *= *'\(.*\)'.*/\1/p" "$TREE/order_payment.control"; }

build() { run "${AS[@]}" make -C "$TREE" PG_CONFIG="$PG_CONFIG"; }

install_extension() {
    local script
    if [ ${#AS[@]} -gt 0 ]; then
        exec 8>>/run/order_payment-install.lock
        flock 8
        run make -C "$TREE" install PG_CONFIG="$PG_CONFIG" || return
        exec 8>&-
        return 0
    fi
    script=$("$PG_CONFIG" --sharedir)/extension/order_payment--$(version).sql
    cmp -s "$script" "$TREE/sql/${script##*/}" && return 0
    say "$script is not what this checkout builds; install it first: sudo make install" >&2
    return 1
}

# The root key of a throw-away cluster: beside its data directory, for the server's user alone.
make_root_key() {
    (
        umask 077
        printf '1 %s\n' "$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')" >"$WORK/root.key"
    )
    if [ ${#AS[@]} -gt 0 ]; then chown postgres:postgres "$WORK/root.key"; fi
}

# A server with the defaults every user has, but for what only a throw-away cluster may do, and a root key. OP_CONF adds lines.
start_cluster() {
    export PGHOST=$WORK/s PGPORT=5432 PGUSER=postgres PGDATABASE=postgres
    run "${AS[@]}" "$BINDIR/initdb" -D "$WORK/data" -U postgres -A trust --encoding=UTF8 --locale=C.UTF-8 --no-sync || return
    make_root_key
    cat >>"$WORK/data/postgresql.conf" <<EOF
order_payment.root_key_file = '$WORK/root.key'
listen_addresses = ''
unix_socket_directories = '$WORK/s'
fsync = off
max_prepared_transactions = 10
log_line_prefix = '%m [%p] %e %d '
${OP_CONF:-}
EOF
    run "${AS[@]}" "$BINDIR/pg_ctl" -D "$WORK/data" -l "$LOG/server.log" -w start
}

# From here on as a server that takes card numbers: with the log guard.
preload_library() {
    printf "shared_preload_libraries = 'order_payment'\n" >>"$WORK/data/postgresql.conf"
    run "${AS[@]}" "$BINDIR/pg_ctl" -D "$WORK/data" -l "$LOG/server.log" -m fast -w restart
}

# new_database NAME: made and used from here on
new_database() {
    run "${AS[@]}" "$BINDIR/createdb" "$1" || return
    export PGDATABASE=$1
}

# Signs that a server crashed, broke an assertion or leaked, in the logs given; says them and fails.
scan_server_logs() {
    local found=0 f
    for f in "$@"; do
        [ -e "$f" ] || continue
        if grep -nE 'terminated by signal|PANIC:|TRAP:|resource was not closed|detected write past' "$f" >&2; then found=1; fi
    done
    return "$found"
}

# prepare test: everything up to a running cluster, quietly; what went wrong is shown.
prepare() {
    local step
    clean_environment
    AS=()
    arm_clean_up
    provision "$1"
    make_work
    for step in build install_extension start_cluster; do
        if ! "$step" >"$WORK/$step.log" 2>&1; then
            tail -n 60 "$WORK/$step.log" >&2
            die "$step failed (above)"
        fi
    done
}
