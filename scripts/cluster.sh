#!/bin/bash
# A private cluster in a folder: its data, log and, where the path is not too long, its socket.
#
#     scripts/cluster.sh start FOLDER PORT [SETTING=VALUE...]     create it if need be, start it
#     scripts/cluster.sh stop FOLDER
#
# It listens on a socket only, unless listen_addresses= says otherwise; over TCP a password is
# asked for.  Afterwards FOLDER/env has PGHOST, PGPORT and PGUSER for a shell to read.
# PG_CONFIG= chooses the programs.
set -eu
. "$(dirname "$0")/lib.sh"

action=$1
folder=$2
bindir=$("$PG_CONFIG" --bindir)
data=$folder/data

# A cluster of another major version cannot be started with these programs.
check_version()
{
	local here there

	there=$(as_server cat "$data/PG_VERSION")
	here=$("$bindir/postgres" --version | sed 's/[^0-9]*\([0-9]*\).*/\1/')
	[ "$there" = "$here" ] || die "$data is of PostgreSQL $there, not $here; remove it first"
}

start()
{
	local port=$1 socket setting
	shift

	if as_server "$bindir/pg_ctl" -D "$data" status >/dev/null 2>&1; then
		return 0
	fi
	if as_server test -f "$data/PG_VERSION"; then
		check_version
	else
		as_server rm -rf "$data"
		as_server "$bindir/initdb" -D "$data" -U postgres --auth-local=trust --auth-host=scram-sha-256 \
			-E UTF8 --locale=C.UTF-8 --no-sync > "$folder/initdb.log" 2>&1 ||
			{ cat "$folder/initdb.log" >&2; die "initdb failed"; }
	fi
	socket=$(make_socket_folder "$folder")
	{
		echo "listen_addresses = ''"
		echo "port = $port"
		echo "unix_socket_directories = '$socket'"
		echo "fsync = off"
		for setting; do
			echo "${setting%%=*} = '${setting#*=}'"
		done
	} > "$folder/settings"
	chmod 644 "$folder/settings"
	as_server cp "$folder/settings" "$data/postgresql.auto.conf"
	as_server "$bindir/pg_ctl" -D "$data" -l "$data/server.log" -w -t 60 -s start || {
		as_server tail -n 30 "$data/server.log" >&2
		die "the server did not start"
	}
	printf 'PGHOST=%q\nPGPORT=%q\nPGUSER=postgres\n' "$socket" "$port" > "$folder/env"
}

stop()
{
	local PGHOST=

	if as_server test -f "$data/postmaster.pid"; then
		as_server "$bindir/pg_ctl" -D "$data" -m fast -w -s stop || as_server "$bindir/pg_ctl" -D "$data" -m immediate -w -s stop
	fi
	[ ! -f "$folder/env" ] || . "$folder/env"
	case $PGHOST in
		/tmp/mlaas-socket.*) rm -rf "$PGHOST" ;;
	esac
}

case $action in
	start) shift 2; start "$@" ;;
	stop) stop ;;
	*) die "start or stop?" ;;
esac
