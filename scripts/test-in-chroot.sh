#!/bin/bash
# Compile against another PostgreSQL with gcc and with clang, warnings as errors, in a chroot of
# another Debian; with "test", run the tests there too.  Needs root and debootstrap.
#
#     scripts/test-in-chroot.sh SUITE MAJOR [test [SUITE OF TESTS...]]
#
#     scripts/test-in-chroot.sh trixie 17
#     scripts/test-in-chroot.sh sid 18 test
#
# CHROOTS= says where the chroots are kept (default /var/tmp/mlaas-chroots), MIRROR= where Debian is,
# APT_OPTIONS= what apt-get is told besides ("-o Acquire::Check-Valid-Until=false" for a mirror that lags).
set -eu
. "$(dirname "$0")/lib.sh"

[ $# -ge 2 ] || die "which suite and PostgreSQL version? (trixie 17, sid 18)"
suite=$1
major=$2
action=${3:-compile}
chroots=${CHROOTS:-/var/tmp/mlaas-chroots}
mirror=${MIRROR:-http://deb.debian.org/debian}
root=$chroots/$suite
packages="gcc libc6-dev make pkg-config libopenblas-serial-dev libjson-c-dev clang libclang-rt-dev perl libipc-run-perl
	postgresql-$major postgresql-server-dev-$major"
packages=$(echo $packages)

am_root || die "only root can make a chroot"
command -v debootstrap >/dev/null || die "needs debootstrap: apt-get install debootstrap"

# Make the chroot unless it is there; in a folder of another name until it is whole.
make_chroot()
{
	[ ! -f "$root/.complete-$major" ] || return 0
	if [ ! -d "$root" ]; then
		mkdir -p "$chroots"
		rm -rf "$root.new"
		debootstrap --variant=minbase "$suite" "$root.new" "$mirror" >&2 || die "debootstrap failed; see $root.new/debootstrap/debootstrap.log"
		# no server starts by itself
		printf '#!/bin/sh\nexit 101\n' > "$root.new/usr/sbin/policy-rc.d"
		chmod +x "$root.new/usr/sbin/policy-rc.d"
		mkdir -p "$root.new/etc/postgresql-common"
		echo 'create_main_cluster = false' > "$root.new/etc/postgresql-common/createcluster.conf"
		mv "$root.new" "$root"
	fi
	inside env DEBIAN_FRONTEND=noninteractive sh -c "
		apt-get ${APT_OPTIONS:-} update &&
		apt-get ${APT_OPTIONS:-} install -y --no-install-recommends $packages" >&2
	touch "$root/.complete-$major"
}

# Run a command in the chroot, with file systems that go with it.
inside()
{
	unshare --mount --pid --fork --kill-child sh -c '
		root=$1
		shift
		mount --make-rprivate / &&
			mount -t proc proc "$root/proc" &&
			mount --rbind /dev "$root/dev" &&
			mount -t tmpfs tmpfs "$root/dev/shm" &&
			exec chroot "$root" "$@"' sh "$root" "$@"
}

make_chroot
cp -L /etc/resolv.conf "$root/etc/resolv.conf" 2>/dev/null || true
rm -rf "$root/src/mlaas"
mkdir -p "$root/src/mlaas"
tar -C "$checkout" -cf - --exclude=./.git --exclude='./.*' --exclude='*.o' --exclude='*.bc' --exclude='*.so' . |
	tar -C "$root/src/mlaas" -xf -

for compiler in gcc clang; do
	inside sh -c "cd /src/mlaas && make -s -j $(cores) CC=$compiler WERROR=1 PG_CONFIG=/usr/lib/postgresql/$major/bin/pg_config" ||
		die "does not compile with $compiler against PostgreSQL $major of $suite"
	echo "PostgreSQL $major of $suite: compiles with $compiler"
done
if [ "$action" = test ]; then
	shift 3
	inside env PG_CONFIG="/usr/lib/postgresql/$major/bin/pg_config" sh -c 'cd /src/mlaas && exec scripts/run-tests.sh "$@"' sh "$@"
fi
