#!/bin/sh
# Time this extension beside what a user would pick instead, in one run on one machine:
#
#     bench/run.sh [name...]        names: see "bench/run.sh list"; none = all of them
#
# Settings come from the environment; README.md lists them.
set -eu

bench=$(cd "$(dirname "$0")" && pwd)
checkout=$(dirname "$bench")
PG_CONFIG=${PG_CONFIG:-pg_config}
PYTHON=${PYTHON:-/usr/bin/python3}
BENCH_DIR=${BENCH_DIR:-$checkout/.cluster-bench}
BENCH_PORT=${BENCH_PORT:-5608}
BENCH_INSTALL=${BENCH_INSTALL:-yes}
ROWS=${ROWS:-1000000}
REPEATS=${REPEATS:-3}
rivals="python3-numpy python3-sklearn python3-pandas python3-psycopg2 python3-xgboost python3-flask gunicorn wrk"
threaded_blas=libopenblas0-pthread

say()
{
	printf '%s\n' "$*" >&2
}

die()
{
	say "bench: $*"
	exit 1
}

# Run a command with the rights to install: as it is for root, through sudo for others.
privileged()
{
	if [ "$(id -u)" = 0 ]; then
		"$@"
	else
		sudo "$@"
	fi
}

# Run a command of the server as an unprivileged user: postgres when we are root.
as_server()
{
	if [ "$(id -u)" = 0 ]; then
		(cd / && runuser -u postgres -- "$@")
	else
		"$@"
	fi
}

# The rivals, from Debian; nothing is asked of apt when they are all there.
install_rivals()
{
	missing=
	for package in $rivals; do
		dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
			missing="$missing $package"
	done
	[ -n "$missing" ] || return 0
	say "installing$missing"
	# shellcheck disable=SC2086
	DEBIAN_FRONTEND=noninteractive privileged apt-get install -y --no-install-recommends $missing >&2 || {
		privileged apt-get update >&2
		# shellcheck disable=SC2086
		DEBIAN_FRONTEND=noninteractive privileged apt-get install -y --no-install-recommends $missing >&2
	}
}

# The rivals get an OpenBLAS with threads, unpacked beside the cluster: installed, it would become
# the whole system's default, the server's included.
unpack_blas()
{
	blas=$(find "$BENCH_DIR/blas" -type d -name openblas-pthread 2>/dev/null | head -n 1)
	if [ -z "$blas" ]; then
		mkdir -p "$BENCH_DIR/blas"
		(cd "$BENCH_DIR/blas" && apt-get download "$threaded_blas" >/dev/null 2>&1 &&
			dpkg-deb -x "$threaded_blas"_*.deb .) ||
			die "cannot download $threaded_blas, without which the rivals would run on one thread"
		blas=$(find "$BENCH_DIR/blas" -type d -name openblas-pthread | head -n 1)
	fi
	BENCH_RIVAL_LIBS=$blas
	export BENCH_RIVAL_LIBS
}

# Build and install what this checkout holds, so that no figure is of another build.
install_extension()
{
	[ "$BENCH_INSTALL" = yes ] || return 0
	say "building and installing the extension"
	make -C "$checkout" -s PG_CONFIG="$PG_CONFIG" >&2
	privileged make -C "$checkout" -s install PG_CONFIG="$PG_CONFIG" >&2
}

# Memory for the tables: a scan of a table over a quarter of shared_buffers would not stay cached.
shared_buffers_mb()
{
	mb=$((ROWS * 2048 / 1000000))
	[ "$mb" -ge 512 ] || mb=512
	echo "$mb"
}

# The engine alone, for figures of learning and scoring on data in memory.
build_engine()
{
	make -C "$checkout" -s -f bench/engine.mk bench-engine >&2
	BENCH_ENGINE=$checkout/.build/plain/bench_engine
	export BENCH_ENGINE
}

start_cluster()
{
	bin=$("$PG_CONFIG" --bindir)
	data=$BENCH_DIR/data-$("$PG_CONFIG" --version | tr -dc '0-9.' | cut -d. -f1)
	socket=$(mktemp -d /tmp/bench-socket.XXXXXX)
	mkdir -p "$BENCH_DIR"
	if [ "$(id -u)" = 0 ]; then
		chown postgres "$BENCH_DIR" "$socket"
		as_server test -w "$BENCH_DIR" ||
			die "user postgres cannot reach $BENCH_DIR; name another folder by BENCH_DIR"
	fi
	if as_server "$bin/pg_ctl" -D "$data" status >/dev/null 2>&1; then
		rmdir "$socket"
		die "a server runs in $data already: another run, or one that was killed (then: pg_ctl -D $data stop)"
	fi
	trap stop_cluster EXIT
	trap 'exit 130' INT TERM
	if [ ! -f "$data/PG_VERSION" ]; then
		say "creating a private cluster in $data"
		as_server "$bin/initdb" -D "$data" -U postgres -A trust -E UTF8 --locale=C --no-sync >/dev/null
	fi
	cat > "$BENCH_DIR/settings" <<-SETTINGS
		listen_addresses = ''
		port = $BENCH_PORT
		unix_socket_directories = '$socket'
		shared_buffers = $(shared_buffers_mb)MB
		huge_pages = off
		maintenance_work_mem = '256MB'
		max_wal_size = '8GB'
		jit = off
		fsync = off
		autovacuum = off
		max_parallel_workers_per_gather = 2
		SETTINGS
	as_server cp "$BENCH_DIR/settings" "$data/postgresql.auto.conf"
	as_server "$bin/pg_ctl" -D "$data" -l "$BENCH_DIR/server.log" -w -s start ||
		die "the server did not start; see $BENCH_DIR/server.log"
}

stop_cluster()
{
	status=$?
	trap - EXIT
	as_server "$bin/pg_ctl" -D "$data" -m fast -w -s stop 2>/dev/null || true
	rm -rf "$socket"
	exit "$status"
}

PYTHONDONTWRITEBYTECODE=1
export ROWS REPEATS PYTHON PG_CONFIG BENCH_DIR PYTHONDONTWRITEBYTECODE
if [ "${1:-}" = list ]; then
	exec "$PYTHON" "$bench/main.py" list
fi
"$PYTHON" "$bench/main.py" check "$@" || exit 2
install_rivals
install_extension
build_engine
mkdir -p "$BENCH_DIR"
unpack_blas
start_cluster
PGHOST=$socket PGPORT=$BENCH_PORT PGUSER=postgres "$PYTHON" "$bench/main.py" "$@"
