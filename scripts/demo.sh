#!/bin/bash
# A private cluster in .demo/ with two trained models to try:
#
#     scripts/demo.sh start     install what is missing, build, install, create, train, predict
#     scripts/demo.sh stop      stop the server; .demo/ stays and start goes on with it
#     scripts/demo.sh remove    stop it and remove .demo/
#
# DEMO_PORT= is the first port to try (default 5433).  POSTGREST= is the program that serves REST,
# when it is not on PATH.  The database "demo" is made anew by each start.
set -eu
. "$(dirname "$0")/lib.sh"
cd "$checkout"

# Run psql on the demo's cluster as database user $1.
demo_psql()
{
	local user=$1
	shift
	"$bindir/psql" -X -q -v ON_ERROR_STOP=1 -h "$PGHOST" -p "$PGPORT" -U "$user" "$@"
}

install_extension()
{
	scripts/install-deps.sh
	bindir=$("$PG_CONFIG" --bindir)
	say "building"
	make -s -j "$(cores)" >&2
	say "installing"
	if [ -w "$("$PG_CONFIG" --pkglibdir)" ] && [ -w "$("$PG_CONFIG" --sharedir)/extension" ]; then
		make -s install >&2
	else
		privileged env PATH="$PATH" make -s install PG_CONFIG="$PG_CONFIG" >&2
	fi
}

start_cluster()
{
	local port

	folder=$(make_private_folder .demo)
	if [ -f "$folder/env" ] && as_server "$bindir/pg_ctl" -D "$folder/data" status >/dev/null 2>&1; then
		say "the server runs already"
	else
		port=$(free_port "${DEMO_PORT:-5433}")
		say "starting a private cluster in $checkout/.demo, port $port"
		scripts/cluster.sh start "$folder" "$port" listen_addresses=localhost
	fi
	. "$folder/env"
}

# Make roles and the database; the data and the models belong to role demo, which is no superuser.
create_database()
{
	if [ ! -s "$folder/password" ]; then
		(umask 077 && od -An -N12 -tx1 /dev/urandom | tr -d ' \n' > "$folder/password")
	fi
	DEMO_PASSWORD=$(cat "$folder/password") demo_psql postgres -d postgres <<-'SQL'
		\getenv password DEMO_PASSWORD
		SET client_min_messages = warning;
		DROP DATABASE IF EXISTS demo WITH (FORCE);
		DROP ROLE IF EXISTS authenticator, demo;
		CREATE ROLE demo LOGIN PASSWORD :'password';
		CREATE ROLE authenticator LOGIN NOINHERIT PASSWORD :'password';
		GRANT demo TO authenticator;
		CREATE DATABASE demo OWNER demo;
		\c demo
		CREATE EXTENSION mlaas;
	SQL
	say "loading telco_churn and ames"
	demo_psql demo -d demo <<-'SQL'
		BEGIN;
		SET LOCAL client_min_messages = warning;
		CREATE SCHEMA staging;
		SET LOCAL search_path = staging;
		\i test/data/schema.sql
		ALTER TABLE telco_churn SET SCHEMA public;
		ALTER TABLE ames SET SCHEMA public;
		DROP SCHEMA staging CASCADE;
		COMMIT;
		\copy public.telco_churn FROM 'test/data/telco_churn.csv' WITH (FORMAT csv, HEADER)
		\copy public.ames FROM 'test/data/ames.csv' WITH (FORMAT csv, HEADER)
		ANALYZE telco_churn, ames;
	SQL
}

write_postgrest_conf()
{
	rest_port=$(free_port 3000)
	cat > "$folder/postgrest.conf" <<-CONF
		db-uri = "postgres://authenticator@/demo?host=$PGHOST&port=$PGPORT"
		db-schemas = "mlaas_api"
		db-anon-role = "demo"
		db-extra-search-path = "public"
		server-host = "127.0.0.1"
		server-port = $rest_port
	CONF
}

# Run PostgREST, make the request, end PostgREST.
make_request()
{
	local postgrest=$1 body=$2 pid try

	"$postgrest" "$folder/postgrest.conf" > "$folder/postgrest.log" 2>&1 &
	pid=$!
	# Ctrl-C does not reach what runs in the background
	trap "kill $pid 2>/dev/null || true" EXIT
	for try in $(seq 50); do
		! curl -sf "http://127.0.0.1:$rest_port/models" >/dev/null 2>&1 || break
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.2
	done
	echo "The answer:"
	curl -sS --fail-with-body "http://127.0.0.1:$rest_port/rpc/predict" -H 'Content-Type: application/json' -d "$body" && echo ||
		say "the request failed; see $folder/postgrest.log"
	trap - EXIT
	kill "$pid" 2>/dev/null || true
	wait "$pid" 2>/dev/null || true
}

show_rest()
{
	local body postgrest

	write_postgrest_conf
	body=$(demo_psql demo -d demo -A -t -c "
		SELECT jsonb_build_object('model', 'churn', 'input', to_jsonb(t) - 'churn') FROM telco_churn t LIMIT 1")
	postgrest=${POSTGREST:-$(command -v postgrest || true)}
	cat <<-TEXT

		-- The same over REST.  Serve it:
		    postgrest $(printf '%q' "$checkout/.demo/postgrest.conf")
		and ask:
		    curl http://127.0.0.1:$rest_port/rpc/predict -H 'Content-Type: application/json' -d '${body//\'/\'\\\'\'}'

	TEXT
	if [ -z "$postgrest" ]; then
		echo "(postgrest is not on PATH, so the request is not made here.)"
	elif ! command -v curl >/dev/null; then
		echo "(curl is not there, so the request is not made here.)"
	else
		make_request "$postgrest" "$body"
	fi
}

show_farewell()
{
	cat <<-TEXT

		-- Try it yourself:
		    psql -h $PGHOST -p $PGPORT -U demo demo
		    psql 'postgres://demo:$(cat "$folder/password")@localhost:$PGPORT/demo'
		Stop the server:
		    make demo-stop
	TEXT
}

stop_cluster()
{
	if [ -d .demo ]; then
		scripts/cluster.sh stop "$(readlink -f .demo)"
		say "the demo's server is stopped"
	else
		say "there is no demo"
	fi
}

case ${1:-start} in
	start)
		install_extension
		start_cluster
		create_database
		demo_psql demo -d demo -f scripts/demo.sql
		show_rest
		show_farewell
		;;
	stop)
		stop_cluster
		say "make demo starts it again, scripts/demo.sh remove removes it"
		;;
	remove)
		stop_cluster
		remove_private_folder .demo
		;;
	*)
		die "start, stop or remove?"
		;;
esac
