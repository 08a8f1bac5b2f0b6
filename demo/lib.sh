# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What the demonstrations that measure have in common; "die" is their own.

# not for "&": the process would be a child of the one that "&" makes
in_ns() { nsenter --net="/run/netns/$1" -- "${@:2}"; }
random_key() { echo "0x$(od -An -v -tx1 -N"$1" /dev/urandom | tr -d ' \n')"; }

# wait_for SECONDS COMMAND...
wait_for() {
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || die "waited in vain: $*"
		sleep 0.1
	done
}

# link NS1 DEV1 NS2 DEV2: a line for ip. Both ends have one address, which nobody
# needs to ask for: what is on a wire is what is measured
link() {
	local end='address 02:00:00:00:00:01 arp off'
	echo "link add $2 netns $1 $end type veth peer name $4 netns $3 $end"
}

# up NS DEV...
up() {
	printf 'link set %s up\n' "${@:2}" | ip -n "$1" -batch -
}

# capture NS DEV FILE BYTES FILTER: of each packet so many bytes, from here on until
# capture_end
capture() {
	local said=$3.tcpdump
	: >"$said"
	nsenter --net="/run/netns/$1" tcpdump -Z root -U -n -s "$4" -B 16384 -i "$2" \
		-w "$3" "$5" 2>"$said" &
	tcpdump=$!
	wait_for 60 grep -q 'listening on' "$said"
	rm "$said"
}

# libpcap is given packets once a second
capture_end() {
	sleep 1.5
	kill -TERM "$tcpdump"
	wait "$tcpdump" || true
}

# in_machine OUTDIR KERNEL COMMAND...: makes what is missing and runs COMMAND in a
# machine; ends this script if it fails
in_machine() {
	local out=$1 kernel=$2 status=0 vm
	shift 2
	vm=$(cd "$(dirname "${BASH_SOURCE[0]}")/../selftests/vm" && pwd)
	"$vm/setup"
	echo "Making what is missing, then booting the machine ..."
	"$vm/run" -k "$kernel" -c 2 -t 1800 -o "$out" -- "$@" || status=$?
	[ $status = 0 ] && return
	echo "The demonstration failed (exit status $status): see above." >&2
	exit $status
}
