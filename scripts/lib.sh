# Functions that the scripts share; to be sourced by bash.

checkout=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
PG_CONFIG=${PG_CONFIG:-pg_config}
export PG_CONFIG

say()
{
	printf '%s\n' "$*" >&2
}

die()
{
	say "$(basename "$0"): $*"
	exit 1
}

am_root()
{
	[ "$(id -u)" = 0 ]
}

# Run a command with the rights to install: as it is for root, through sudo for others.
privileged()
{
	if am_root; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		die "needs root's rights or sudo for: $*"
	fi
}

cores()
{
	nproc 2>/dev/null || echo 1
}

# The user that servers run as: the caller, but an unprivileged one for root, since
# PostgreSQL refuses to run as root.
server_user()
{
	if ! am_root; then
		id -un
	elif id postgres >/dev/null 2>&1; then
		echo postgres
	else
		id mlaas >/dev/null 2>&1 ||
			useradd --system --home-dir /nonexistent --shell /usr/sbin/nologin mlaas >&2
		echo mlaas
	fi
}

# Run a command as the server's user, in a folder that it can be in.
as_server()
{
	if am_root; then
		(cd / && exec runuser -u "$(server_user)" -- env HOME=/nonexistent "$@")
	else
		"$@"
	fi
}

# Make the private folder CHECKOUT/NAME and print where it is.  Where the server's user cannot
# reach the checkout (below /root, say), the folder is elsewhere and NAME a link to it.
make_private_folder()
{
	local link=$checkout/$1 folder

	if [ -d "$link" ]; then
		readlink -f "$link"
		return
	fi
	rm -f "$link"
	if mkdir "$link" && chown "$(server_user)" "$link" && as_server test -w "$link"; then
		folder=$link
	else
		rmdir "$link" 2>/dev/null
		folder=$(mktemp -d "/var/tmp/mlaas$1.XXXXXX") || return
		chown "$(server_user)" "$folder"
		ln -s "$folder" "$link"
	fi
	chmod 755 "$folder"
	echo "$folder"
}

# Remove what make_private_folder made.
remove_private_folder()
{
	local link=$checkout/$1 folder

	[ -e "$link" ] || [ -L "$link" ] || return 0
	folder=$(readlink -f "$link")
	case $folder in
		"$link" | "/var/tmp/mlaas$1."*) rm -rf "$folder" ;;
		*) die "$link leads to $folder, which is not ours" ;;
	esac
	rm -rf "$link"
}

# A folder for a Unix socket below FOLDER, or in /tmp where that path is too long for one.
make_socket_folder()
{
	local folder=$1/socket

	if [ ${#folder} -gt 80 ]; then
		folder=$(mktemp -d /tmp/mlaas-socket.XXXXXX)
	else
		mkdir -p "$folder"
	fi
	chown "$(server_user)" "$folder"
	chmod 700 "$folder"
	echo "$folder"
}

# The first port from $1 on that nobody listens on.
free_port()
{
	local port=$1

	while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
		port=$((port + 1))
	done
	echo "$port"
}
