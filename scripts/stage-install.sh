#!/bin/bash
# Make a private installation of PostgreSQL with this extension below FOLDER, so that tests
# neither need rights on the system's nor change it for other clusters:
#
#     scripts/stage-install.sh FOLDER
#
# PostgreSQL finds its files relative to its programs, so programs are copied, all else is linked,
# and the extension is installed beside.  FOLDER/bin leads to the programs.
set -eu
. "$(dirname "$0")/lib.sh"

folder=$1
bindir=$("$PG_CONFIG" --bindir)
pkglibdir=$("$PG_CONFIG" --pkglibdir)
sharedir=$("$PG_CONFIG" --sharedir)

# Link all that is in folder $1 from the same place below the private one, but our own files and $2.
link_all()
{
	local file

	mkdir -p "$folder$1"
	for file in "$1"/*; do
		case ${file##*/} in
			mlaas.* | mlaas--* | "$2") ;;
			*) ln -s "$file" "$folder$file" ;;
		esac
	done
}

rm -rf "$folder"
mkdir -p "$folder$bindir"
cp -L "$bindir"/* "$folder$bindir"
link_all "$pkglibdir" ''
link_all "$sharedir" extension
link_all "$sharedir/extension" ''
ln -s "$folder$bindir" "$folder/bin"
make -C "$checkout" -s install DESTDIR="$folder" PG_CONFIG="$PG_CONFIG" WERROR="${WERROR:-}"
