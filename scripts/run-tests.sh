#!/bin/bash
# Run everything that can be tested, in a private cluster:
#
#     scripts/run-tests.sh [SUITE...]     suites: units fuzz regress isolation readme tap; none = all
#
# Installs what is missing, builds with warnings as errors, and installs into a folder of its own:
# neither the system's PostgreSQL nor any other cluster is touched.  For root the servers run as an
# unprivileged user, over a copy of the tests, since that user may not be able to read the checkout.
# The last line is "N passed, N failed", with ", N skipped" when there are any.
set -u
. "$(dirname "$0")/lib.sh"
cd "$checkout" || exit 1

passed=0
failed=0
skipped=0
folder=
ended=

# Print the closing line and clean up, whatever happened.
finish()
{
	trap - EXIT INT TERM
	[ -n "$ended" ] || failed=$((failed + 1))
	if [ -n "$folder" ]; then
		PG_CONFIG=$folder/pg/bin/pg_config scripts/cluster.sh stop "$folder" >&2 || say "the cluster in $folder did not stop"
	fi
	exec 9>&-
	if [ "$skipped" -gt 0 ]; then
		echo "$passed passed, $failed failed, $skipped skipped"
	else
		echo "$passed passed, $failed failed"
	fi
	# a bare exit would give the status from before the trap
	exit $((failed > 0))
}

# Add the results of a suite.
add()
{
	passed=$((passed + $2))
	failed=$((failed + $3))
	skipped=$((skipped + ${4:-0}))
	echo "== $1: $2 passed, $3 failed${4:+, $4 skipped}"
}

# Run a script whose last line is "N passed, N failed" and add that up.
add_script()
{
	local name=$1 line output
	shift

	output=$("$@" 2>&1)
	line=$(printf '%s\n' "$output" | tail -n 1)
	printf '%s\n' "$output" | sed '$d'
	if [[ $line =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
		add "$name" "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}"
	else
		printf '%s\n' "$line"
		add "$name" 0 1
	fi
}

prepare()
{
	local name

	scripts/install-deps.sh test || return
	say "building"
	make -s -j "$(cores)" WERROR=1 >&2 || return

	# what a run that was killed left behind
	if [ -f .cluster-test/pg/bin/pg_config ]; then
		PG_CONFIG=$checkout/.cluster-test/pg/bin/pg_config scripts/cluster.sh stop "$(readlink -f .cluster-test)" || return
	fi
	remove_private_folder .cluster-test || return
	folder=$(make_private_folder .cluster-test) || return
	WERROR=1 scripts/stage-install.sh "$folder/pg" >&2 || return
	export PG_CONFIG=$folder/pg/bin/pg_config
	# what the server's user reads and writes
	mkdir "$folder/tree" || return
	cp -R Makefile README.md mlaas.control expected test "$folder/tree" || return
	rm -rf "$folder/tree/test/results" "$folder/tree/test/output_iso" || return
	# pg_regress gives up at a test without expected output; let it fail that test
	for name in $(cd test && ls sql/*.sql specs/*.spec | sed 's/.*\/\(.*\)\..*/\1/'); do
		[ -f "expected/$name.out" ] || : > "$folder/tree/expected/$name.out" || return
	done
	chown -R "$(server_user)" "$folder/tree" || return
	scripts/cluster.sh start "$folder" 5432 max_connections=50 shared_buffers=64MB log_min_messages=warning \
		log_line_prefix='%m [%p] %q%a ' log_error_verbosity=default max_prepared_transactions=10
}

# Add up what pg_regress or pg_isolation_regress said of each test (the words changed in PostgreSQL 16).
add_regress()
{
	local name=$1 log=$2 expected=$3 diffs=$4 ok bad

	ok=$(grep -cE '^(test .*|     .*) \.\.\. ok |^ok [0-9]' "$log")
	bad=$(grep -cE '^(test .*|     .*) \.\.\. .*FAILED|^not ok [0-9]' "$log")
	cat "$log"
	[ ! -s "$diffs" ] || cat "$diffs"
	# tests that were never reached
	[ $((ok + bad)) -ge "$expected" ] || bad=$((expected - ok))
	add "$name" "$ok" "$bad"
}

# Run installcheck for REGRESS or ISOLATION alone, as any user would, against the private cluster.
run_installcheck()
{
	local name=$1 other=$2 expected=$3 log=$folder/$1.log

	[ "$expected" -gt 0 ] || return
	rm -f "$folder/tree/test/regression.diffs"
	as_server env PGHOST="$PGHOST" PGPORT="$PGPORT" PGUSER="$PGUSER" \
		make -C "$folder/tree" -s installcheck "$other=" PG_CONFIG="$PG_CONFIG" > "$log" 2>&1
	add_regress "$name" "$log" "$expected" "$folder/tree/test/regression.diffs"
}

# Run one TAP test; its top-level lines say what passed.
run_tap()
{
	local test=$1 name log ok bad skip
	name=$(basename "$test" .pl)
	log=$folder/tap/$name.log

	as_server env PATH="$folder/pg/bin:$PATH" PG_REGRESS="$pgxs_tests/regress/pg_regress" PG_CONFIG="$PG_CONFIG" \
		TESTDIR="$folder/tap/$name" TESTDATADIR="$folder/tap/$name/tmp_check" TESTLOGDIR="$folder/tap/$name/tmp_check/log" \
		sh -c 'mkdir -p "$TESTLOGDIR" && cd "$1" && exec timeout 900 prove -v --norc -I "$2" "$3"' \
		sh "$folder/tree" "$pgxs_tests/perl" "$test" > "$log" 2>&1
	local status=$?
	skip=$(grep -ciE '^ok [0-9]+.*# skip|^test/.* skipped: ' "$log")
	ok=$(grep -E '^ok [0-9]' "$log" | grep -vciE '# skip')
	grep -iE '^ok [0-9]+.*# skip|^test/.* skipped: ' "$log"
	bad=$(grep -E '^not ok [0-9]' "$log" | grep -vcE '# TODO')
	# a script that died, or that tested nothing
	[ "$bad" -gt 0 ] || { [ "$status" = 0 ] && [ $((ok + skip)) -gt 0 ]; } || bad=1
	if [ "$bad" -gt 0 ]; then
		cat "$log"
		tail -n 60 "$folder/tap/$name/tmp_check/log/regress_log_$name" 2>/dev/null
	fi
	if [ "$skip" -gt 0 ]; then
		add "tap $name" "$ok" "$bad" "$skip"
	else
		add "tap $name" "$ok" "$bad"
	fi
}

suite_units()
{
	add_script "units plain" env WERROR=1 scripts/run-units.sh plain
	add_script "units under ASan and UBSan" env WERROR=1 scripts/run-units.sh sanitized
}

suite_fuzz()
{
	add_script fuzz env WERROR=1 scripts/run-fuzz.sh
}

suite_regress()
{
	run_installcheck regress ISOLATION "$(ls test/sql/*.sql 2>/dev/null | wc -l)"
}

suite_isolation()
{
	run_installcheck isolation REGRESS "$(ls test/specs/*.spec 2>/dev/null | wc -l)"
}

# Run the examples that README.md shows.
suite_readme()
{
	add_script readme as_server env PGHOST="$PGHOST" PGPORT="$PGPORT" PGUSER="$PGUSER" PG_CONFIG="$PG_CONFIG" \
		"$folder/tree/test/readme/run.sh"
}

suite_tap()
{
	local test

	as_server mkdir -p "$folder/tap"
	pgxs_tests=$(dirname "$("$PG_CONFIG" --pgxs)")/../test
	for test in test/t/*.pl; do
		[ ! -f "$test" ] || run_tap "$test"
	done
}

trap finish EXIT
trap 'exit 130' INT TERM
mkdir -p .build
exec 9> .build/test.lock
flock -n 9 || die "another run of the tests is under way in this checkout"

[ $# -gt 0 ] || set -- units fuzz regress isolation readme tap
prepare || die "the tests cannot be prepared"
. "$folder/env"
for suite; do
	"suite_$suite"
done
ended=yes
