# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# What the scripts beside this file share. Everything that is costly to get
# lives in a cache outside the tree, each piece under a name that holds a hash
# of its inputs: a changed input makes a new piece, never a stale one.

PATH=$PATH:/usr/sbin:/sbin	# chroot, depmod: a user's PATH may not have them
vm_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck disable=SC2034	# for those who source this file
top=$(cd "$vm_dir/../.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/xfrm_vpe
mkdir -p "$cache/lock"

say() { printf '%s\n' "vm: $*" >&2; }
die() { printf '%s\n' "${0##*/}: $*" >&2; exit "${die_status:-1}"; }

# step WORDS COMMAND...: a long step, told when it begins and when it is done;
# its output is shown only if it fails
step() {
	local what=$1 log start=$SECONDS status
	shift
	log=$(mktemp "${TMPDIR:-/tmp}/xfrm_vpe.XXXXXX")
	say "$what ..."
	set +e	# "|| status=$?" would switch -e off inside of COMMAND, too
	(set -e; "$@") >"$log" 2>&1
	status=$?
	set -e
	if [ $status -ne 0 ]; then
		cat "$log" >&2
		rm -f "$log"
		die "failed: $what"
	fi
	rm -f "$log"
	say "$what: $((SECONDS - start)) s"
}

# hash_of WORD...: short hash of its arguments; files are hashed by hash_files
hash_of() { printf '%s\n' "$@" | sha256sum | cut -c1-16; }
hash_files() { cat -- "$@" | sha256sum | cut -c1-16; }

# build_once DIR COMMAND...: make DIR, named KIND-HASH, by running COMMAND with a
# fresh directory as its last argument; once, however many ask at the same time.
# Half-made directories never get the final name. Of a kind, the three made last
# are kept.
build_once() {
	local dir=$1 kind=${1%-*}
	shift
	[ ! -e "$dir" ] || return 0
	(
		flock 9
		[ ! -e "$dir" ] || exit 0
		rm -rf "$dir.new"
		mkdir -p "$dir.new"
		"$@" "$dir.new"
		mv "$dir.new" "$dir"
		# shellcheck disable=SC2012	# our own names, without blanks
		ls -dt "$kind"-*[!w] | tail -n +4 | xargs -r rm -rf
	) 9>"$cache/lock/${dir##*/}"
}

# unpack DIR DEB...: what is in the packages, nothing of their scripts run.
# /bin, /lib and /sbin are links into /usr, as on an installed system.
unpack() {
	local dir=$1 deb d
	shift
	for d in bin sbin lib lib64; do
		mkdir -p "$dir/usr/$d"
		[ -L "$dir/$d" ] || ln -s "usr/$d" "$dir/$d"
	done
	for deb; do
		dpkg-deb --fsys-tarfile "$deb" |
			tar -x --keep-directory-symlink --no-same-owner -C "$dir" ||
			die "cannot unpack $deb: remove it and try again"
	done
}
