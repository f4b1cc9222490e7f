#!/bin/bash
# Run what README.md shows, in a database of its own that is dropped afterwards:
#
#     test/readme/run.sh          PGHOST, PGPORT and PGUSER name the server; PG_CONFIG its programs
#
# A fenced block counts when its first line says so:
#
#     ```sql run              psql runs it, and every statement succeeds
#     ```sql fails=42704      it ends with an error of that SQLSTATE
#     ```sh run               bash runs it, PGDATABASE being that database
#     ```text output          what the block before it prints
#
# Then the reference is compared with the extension: facts.sql lists what README.md has to say.
# Blocks run in order, each in a session of its own, in the checkout's folder.  The last line is
# "N passed, N failed".
set -u
cd "$(dirname "$0")/../.." || exit 1

readme=README.md
database=mlaas_readme_$$
scratch=$(mktemp -d) || exit 1
passed=0
failed=0
roles=
ended=
PATH=$("${PG_CONFIG:-pg_config}" --bindir):$PATH
export PATH PGDATABASE=$database PGOPTIONS='-c client_min_messages=warning' LC_ALL=C.UTF-8
psql="psql -X -q"

# Drop what the blocks made, then say how it went.
finish()
{
	trap - EXIT
	# and those that blocks made beside it
	for name in $($psql -At -d postgres -c "SELECT datname FROM pg_database WHERE datname ~ '^$database(_|\$)'"); do
		$psql -d postgres -c "DROP DATABASE $name WITH (FORCE)" >&2
	done
	for role in $roles; do
		$psql -d postgres -c "DROP ROLE IF EXISTS $role" >&2
	done
	rm -rf "$scratch"
	[ -n "$ended" ] || failed=$((failed + 1))
	echo "$passed passed, $failed failed"
	[ "$failed" = 0 ]
	exit
}
trap finish EXIT
trap 'exit 130' INT TERM

# Count a check that failed and say what went wrong: $1 what, $2 file to print.
bad()
{
	failed=$((failed + 1))
	echo "$1"
	[ -z "${2:-}" ] || sed 's/^/    /' "$2"
}

# Write the blocks to NNN.sql or NNN.sh, with NNN.head (line number, language, what to expect) and,
# when an output follows, NNN.expected.
extract()
{
	awk -v folder="$scratch" '
	inside && /^```$/ { close(file); inside = 0; next }
	inside { print > file; next }
	/^```(sql|sh) (run|fails=[0-9A-Z]+)$/ {
		block = sprintf("%s/%03d", folder, ++n)
		file = block "." substr($1, 4)
		print NR, substr($1, 4), $2 > (block ".head")
		close(block ".head")
		printf "" > file
		inside = 1
		next
	}
	/^```text output$/ && n { file = block ".expected"; printf "" > file; inside = 1; next }
	/^```/ { file = "/dev/null"; inside = 1 }
	END { if (inside) { print "README.md: the last block has no end" > "/dev/stderr"; exit 1 } }
	' "$readme"
}

# Run a block; its output goes to block.out, its errors to block.err.
run_block()
{
	local block=$1 line=$2 language=$3 expect=$4 status

	case $language in
		sql)
			if [ "$expect" = run ]; then
				$psql -v ON_ERROR_STOP=1 -f "$block.sql" > "$block.out" 2> "$block.err" < /dev/null
			else
				$psql -v ON_ERROR_STOP=1 -v VERBOSITY=sqlstate -f "$block.sql" > "$block.out" 2> "$block.err" < /dev/null
			fi ;;
		sh) bash -eu -o pipefail "$block.sh" > "$block.out" 2> "$block.err" < /dev/null ;;
	esac
	status=$?
	# psql ends every result with an empty line
	sed -i -e :a -e '/^\n*$/{$d;N;ba' -e '}' "$block.out"
	if [ "$expect" != run ]; then
		if [ "$status" = 3 ] && grep -q "ERROR:  ${expect#fails=}\$" "$block.err"; then
			passed=$((passed + 1))
		else
			bad "$readme:$line: no error ${expect#fails=}" "$block.err"
		fi
	elif [ "$status" != 0 ]; then
		bad "$readme:$line: ended with status $status" "$block.err"
	elif [ -f "$block.expected" ] && ! diff -Z -u "$block.expected" "$block.out" > "$block.diff"; then
		bad "$readme:$line: the output differs" "$block.diff"
	else
		passed=$((passed + 1))
	fi
}

# Every line that facts.sql prints must be in README.md: "what|text".
check_facts()
{
	local what text

	$psql -At -F '|' -v ON_ERROR_STOP=1 -f test/readme/facts.sql > "$scratch/facts" 2> "$scratch/facts.err" || {
		bad "facts.sql failed" "$scratch/facts.err"
		return
	}
	[ -s "$scratch/facts" ] || bad "facts.sql found nothing to check"
	while IFS= read -r line; do
		what=${line%%|*}
		text=${line#*|}
		if grep -qF -- "$text" "$readme"; then
			passed=$((passed + 1))
		else
			bad "$readme does not say ($what): $text"
		fi
	done < "$scratch/facts"
}

extract || exit 1
# roles belong to the whole cluster: none may be there before
for role in $(cat "$scratch"/*.sql | sed -n 's/^CREATE ROLE \([a-z_]*\).*/\1/p; /^SELECT ml_rest_setup/s/[^a-z_]/ /gp' | grep -ow 'readme_[a-z]*'); do
	if [ "$($psql -At -d postgres -c "SELECT count(*) FROM pg_roles WHERE rolname = '$role'")" != 0 ]; then
		echo "role $role exists in this cluster already"
		exit 1
	fi
	roles="$role $roles"
done
$psql -d postgres -c "CREATE DATABASE $database TEMPLATE template0 ENCODING 'UTF8'" >&2 || exit 1
for head in "$scratch"/*.head; do
	read -r line language expect < "$head"
	run_block "${head%.head}" "$line" "$language" "$expect"
done
check_facts
ended=yes
