#!/bin/bash
# Install what is missing to build mlaas and, with "test", to test it, by the system's package
# manager (Debian and its kin).  Asks for nothing when all is there.
#
#     scripts/install-deps.sh [test]
#
# PG_MAJOR= chooses the PostgreSQL version; default: pg_config's, else the distribution's.
set -eu
. "$(dirname "$0")/lib.sh"

export DEBIAN_FRONTEND=noninteractive
updated=

# Is the package installed?
installed()
{
	dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q 'ok installed'
}

# Fetch the lists of packages, once.
update_lists()
{
	[ -z "$updated" ] || return 0
	privileged env DEBIAN_FRONTEND=noninteractive apt-get update >&2
	updated=yes
}

# The PostgreSQL version to build for.
postgres_major()
{
	local version

	if [ -n "${PG_MAJOR:-}" ]; then
		echo "$PG_MAJOR"
	elif version=$("$PG_CONFIG" --version 2>/dev/null); then
		echo "$version" | sed 's/^PostgreSQL \([0-9]*\).*/\1/'
	else
		apt-cache show postgresql 2>/dev/null | sed -n 's/^Version: \([0-9]*\)+.*/\1/p' | head -n 1
	fi
}

# A server that is no Debian package (PG_CONFIG of one's own build) needs none.
own_server()
{
	local pgxs

	pgxs=$("$PG_CONFIG" --pgxs 2>/dev/null) && [ -f "$pgxs" ] && [ -x "$("$PG_CONFIG" --bindir)/initdb" ]
}

command -v dpkg-query >/dev/null && command -v apt-get >/dev/null || {
	say "no Debian package manager here; what is needed: gcc, make, pkg-config, PostgreSQL 15 or later with server headers,"
	say "OpenBLAS without threads, json-c; for the tests also clang, perl and its module IPC::Run"
	exit 0
}

packages="gcc libc6-dev make pkg-config libopenblas-serial-dev libjson-c-dev"
if [ "${1:-}" = test ]; then
	packages="$packages clang libclang-rt-dev perl libipc-run-perl"
fi
if ! own_server; then
	major=$(postgres_major)
	if [ -z "$major" ]; then
		update_lists
		major=$(postgres_major)
	fi
	[ -n "$major" ] || die "cannot tell which PostgreSQL this system has; name it by PG_MAJOR"
	packages="$packages postgresql-$major postgresql-server-dev-$major"
fi

missing=
for package in $packages; do
	installed "$package" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

say "installing$missing"
# shellcheck disable=SC2086
privileged env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing >&2 || {
	update_lists
	# shellcheck disable=SC2086
	privileged env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing >&2
}
