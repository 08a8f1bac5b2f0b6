#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What a tunnel may stand on and carry: bonds, VRFs, devices with GRO and
# threaded NAPI below; bridges whose VXLAN device gets its tunnels from the
# bridge or from routes, as Open vSwitch has it, above.
. "$(dirname "$0")/lib.sh"

MTU=1350

# traffic NS1 NS2 FAMILY ADDRESS: from NS1 to that address of NS2
traffic() {
	local ns=$1 to=$4

	iperf_server "$2" $((5200 + ++port))
	slowwait ns_exec "$1" ping -q -n -c 1 -W 1 "$4"
	wire_watch
	counters_mark_quiet
	ping_ok "$ns" 5 56 "$to" -i 0.01
	ping_ok "$ns" 2 "$(($3 == 4 ? 3000 : 1200))" "$to"
	iperf "$ns" "$to" -p $((5200 + port)) -n "$(count 1M 64K)"
	iperf "$ns" "$to" -p $((5200 + port)) -n "$(count 1M 64K)" -R
	counters_wait_quiet
	carried ">=$(count 50 10)" ">=$(count 50 10)" \
		"hv1:$SPI12:tx-gso>0" "hv2:$SPI21:tx-gso>0" "hv?:*:tx-size>=0" \
		"hv?:-:XfrmOutStateModeError>=0"
	wire_clean
}
port=0

# port_packets HV PORT: how many it has sent
port_packets() {
	awk -v port="$2:" '$1 == port { print $11 }' "/proc/${hv_pid[$1]}/net/dev"
}

# bond_wire MODE: as topo_wire, but eth0 is a bond of two ports
bond_wire() {
	local ns name

	setup_ns HV1 HV2 || return
	for name in port0 port1; do
		run ip link add $name netns "$HV1" type veth peer name $name netns "$HV2"
	done
	for ns in "$HV1" "$HV2"; do
		ip -n "$ns" link add eth0 type bond mode "$1" miimon 20 2>"$TMP/bond" ||
			skip "no bonds: $(<"$TMP/bond")"
		batch "$ns" <<-END
			link set port0 master eth0
			link set port1 master eth0
		END
	done
	topo_hv "$HV1" 1 2
	topo_hv "$HV2" 2 1
}

both_families() {
	tunnel 4 6
	traffic "$HV1" "$HV2" 6 ${INNER[62]}
	tunnel 6 4
	traffic "$HV1" "$HV2" 4 ${INNER[42]}
}

bond_balance() {
	local hv name

	defer cleanup_all_ns
	bond_wire balance-rr || skip "no namespaces"
	wire_start
	both_families
	for hv in hv1 hv2; do
		for name in port0 port1; do
			[ "$(port_packets $hv $name)" -gt "$(count 50 10)" ] ||
				fail "$hv hardly sent by $name"
		done
	done
}

# bond_uses PORT: in both hypervisors
bond_uses() {
	local hv
	for hv in hv1 hv2; do
		grep -q "Currently Active Slave: $1" "/proc/${hv_pid[$hv]}/net/bonding/eth0" ||
			return
	done
}

bond_failover() {
	local before

	defer cleanup_all_ns
	bond_wire active-backup || skip "no namespaces"
	wire_start
	tunnel 4 4 6
	slowwait bond_uses port0
	traffic "$HV1" "$HV2" 4 ${INNER[42]}
	before=$(port_packets hv1 port0)
	run ip -n "$HV1" link set port0 down
	slowwait bond_uses port1
	traffic "$HV1" "$HV2" 6 ${INNER[62]}
	[ "$(port_packets hv1 port0)" = "$before" ] || fail "port0 still sends"
}

# vrf_lines SIDE PEER inside|outside: eth0 goes into a VRF, the tenant with it,
# or stays outside and is reached by routes from one into the other.
vrf_lines() {
	local f

	echo link set eth0 master red
	echo addr replace ${OUTER[6$1]}/64 dev eth0 nodad
	if [ $3 = inside ]; then
		echo link set ten0 master red
		echo addr replace ${INNER[6$1]}/64 dev ten0 nodad
	fi
	for f in 4 6; do
		echo route replace ${NET[$f$2]} via ${OUTER[$f$2]} table 10
		[ $3 = inside ] || echo route replace ${NET[$f$2]} dev red
		[ $3 = inside ] || echo route replace ${NET[$f$1]} dev ten0 table 10
	done
}

vrf_side() {
	ip -n "$1" link add red up type vrf table 10 2>"$TMP/vrf" ||
		skip "no VRFs: $(<"$TMP/vrf")"
	batch "$1" <<<"$(vrf_lines "${@:2}")"
}

vrf() {
	defer cleanup_all_ns
	topo_wire || skip "no namespaces"
	topo_tenants || skip "no namespaces"
	vrf_side "$HV1" 1 2 "$1"
	vrf_side "$HV2" 2 1 "$1"
	wire_start
	tunnel 4 6
	traffic "$TENANT1" "$TENANT2" 6 ${TENANT[62]}
	[ "$1" = inside ] || return 0
	tunnel 6 4
	traffic "$TENANT1" "$TENANT2" 4 ${TENANT[42]}
	counters_mark
	ping_ok "$HV1" 3 56 ${INNER[42]} -I red -I ${INNER[41]}
	carried 3 3
}

# bridge_side NS TENANT SIDE PEER FAMILY: a bridge that knows the other side's
# MAC addresses, and gives VXLAN the tunnel of each packet's VLAN
bridge_side() {
	local mac=02:00:00:00:09:0

	run ip link add eth0 address $mac$3 netns "$2" type veth peer name ten0 netns "$1"
	batch "$2" <<-END
		addr add 192.168.9.$3/24 dev eth0
		link set eth0 addrgenmode none
		link set eth0 up mtu $MTU
	END
	ip -n "$1" link add br0 type bridge vlan_filtering 1 vlan_default_pvid 10 \
		mcast_snooping 0 2>"$TMP/bridge" || skip "no VLANs in bridges: $(<"$TMP/bridge")"
	batch "$1" <<-END
		link add vxlan0 type vxlan external nolearning dstport 4789 local ${INNER[$5$3]} udp6zerocsumrx
		link set vxlan0 master br0 addrgenmode none
		link set ten0 master br0 addrgenmode none
		link set vxlan0 type bridge_slave learning off vlan_tunnel on
		link set br0 up addrgenmode none
		link set vxlan0 up mtu $MTU
		link set ten0 up mtu $MTU
	END
	run bridge -n "$1" -batch - <<-END
		vlan add dev vxlan0 vid 10
		vlan add dev vxlan0 vid 10 tunnel_info id 100
		fdb add 00:00:00:00:00:00 dev vxlan0 dst ${INNER[$5$4]} src_vni 100
		fdb add $mac$4 dev vxlan0 dst ${INNER[$5$4]} src_vni 100
	END
}

bridged() {
	defer cleanup_all_ns
	topo_wire || skip "no namespaces"
	setup_ns TENANT1 TENANT2 || skip "no namespaces"
	bridge_side "$HV1" "$TENANT1" 1 2 "$1"
	bridge_side "$HV2" "$TENANT2" 2 1 "$1"
	tunnel "$1" "$1"
	wire_start
	traffic "$TENANT1" "$TENANT2" 4 192.168.9.2
}

# routed_side NS SIDE PEER FAMILY: a VXLAN device whose tunnels are in routes
routed_side() {
	local mac=02:00:00:00:09:0 encap=ip

	[ $4 = 4 ] || encap=ip6
	batch "$1" <<-END
		link add vxlan0 address $mac$2 type vxlan external dstport 4789 udp6zerocsumrx
		addr add 192.168.9.$2/32 dev vxlan0
		link set vxlan0 up mtu $MTU
		neigh add 192.168.9.$3 lladdr $mac$3 dev vxlan0
	END
	ip -n "$1" route add 192.168.9.$3 encap $encap id 100 dst ${INNER[$4$3]} \
		src ${INNER[$4$2]} dev vxlan0 2>"$TMP/route" ||
		skip "no tunnels in routes: $(<"$TMP/route")"
}

routed() {
	defer cleanup_all_ns
	topo_wire || skip "no namespaces"
	routed_side "$HV1" 1 2 "$1"
	routed_side "$HV2" 2 1 "$1"
	tunnel "$1" "$1"
	wire_start
	traffic "$HV1" "$HV2" 4 192.168.9.2
}

# veth uses GRO only for packets of a sender without TSO.
gro_on() {
	local ns

	for ns in "$HV1" "$HV2"; do
		run ns_exec "$ns" ethtool -K eth0 gro on tso off
		run ip netns exec "$ns" sh -c 'echo 1 >/sys/class/net/eth0/threaded'
	done
}

# How often the threads of NAPI had work
gro_runs() {
	local pid
	for pid in $(pgrep '^napi/eth0'); do
		cat "/proc/$pid/status"
	done | awk '/^voluntary/ { sum += $2 } END { print sum + 0 }'
}

unload() {
	rmmod xfrm_vpe 2>/dev/null
}

# We hold them.
offload_leave() {
	slowwait unload
	rmmod esp4_offload esp6_offload
	module_load
}

# Both ends receive by GRO in threads; esp4_offload and esp6_offload, which take
# every packet of protocol 50 there, do not get ours.
gro() {
	local m

	for m in esp4_offload esp6_offload; do
		modprobe -nq $m || skip "this kernel has no $m"
	done
	defer offload_leave
	defer cleanup_all_ns
	topo_wire || skip "no namespaces"
	gro_on
	run modprobe -a esp4_offload esp6_offload
	wire_start
	both_families
	[ "$(gro_runs)" -gt "$(count 50 10)" ] || fail "NAPI's threads did nothing"
}

backlog=$(</proc/sys/net/core/netdev_max_backlog)
defer sh -c "echo $backlog >/proc/sys/net/core/netdev_max_backlog"
echo 20000 >/proc/sys/net/core/netdev_max_backlog
ktap_plan 7 2
ktap_test "bond: balance-rr" bond_balance
ktap_more "bond: active-backup, a link fails" bond_failover
ktap_test "VRF: tunnel and tenants in it" vrf inside
ktap_more "VRF: tunnel in it, tenants outside" vrf outside
ktap_test "a bridge gives VXLAN its tunnels" bridged 4
ktap_test "routes give VXLAN its tunnels" routed 6
ktap_test "GRO and threaded NAPI" gro
ktap_finish
