# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Completion in bash of what the patched ip understands after "ip xfrm", VPE's
# words among it; all else is left to the package bash-completion:
#
#	. ip-xfrm.bash

# _ip_xfrm_given WORD: it was typed before
_ip_xfrm_given() {
	[[ " ${words[*]} " == *" $1 "* ]]
}

# _ip_xfrm_options WORD...: those that were not typed before
_ip_xfrm_options() {
	local word
	for word; do
		_ip_xfrm_given "$word" || choice+=("$word")
	done
}

# what may follow $prev, if that wants a word of a few
_ip_xfrm_value() {
	case $prev in
	proto) choice=(esp vpe ah comp route2 hao) ;;
	mode) choice=(transport tunnel beet ro in_trigger) ;;
	layout) choice=(spi-first ares) ;;
	aead) choice=("'rfc4106(gcm(aes))'" "'rfc7539esp(chacha20,poly1305)'") ;;
	encap) choice=(espinudp espinudp-nonike espintcp) ;;
	extra-flag) choice=(dont-encap-dscp oseq-may-wrap) ;;
	flag) choice=(noecn decap-dscp nopmtudisc wildrecv icmp af-unspec align4 esn) ;;
	limit) choice=({time,time-use,byte,packet}-{soft,hard}) ;;
	dir)
		choice=(in out fwd)
		[ "${words[1]}" != vpe ] || choice=(tx rx)
		;;
	action) choice=(allow block) ;;
	level) choice=(required use) ;;
	udpcsum | udp6zerocsumtx) choice=(on off) ;;
	nvo3-ports) choice=(none) ;;
	sum) choice=(class sender cpu) ;;
	*) return 1 ;;
	esac
}

_ip_xfrm_state() {
	case ${words[2]-} in
	'') choice=(add update allocspi delete get deleteall list flush count help) ;;
	add | update)
		_ip_xfrm_options src dst proto spi mode reqid mark seq replay-window aead enc \
			auth auth-trunc comp flag sel limit encap extra-flag offload output-mark \
			if_id tfcpad entropy
		! _ip_xfrm_given vpe || _ip_xfrm_options layout sender-id group
		;;
	delete | get) _ip_xfrm_options src dst proto spi mark ;;
	deleteall | list) _ip_xfrm_options src dst proto spi mode reqid flag ;;
	flush) _ip_xfrm_options proto ;;
	esac
}

_ip_xfrm_policy() {
	case ${words[2]-} in
	'') choice=(add update delete get deleteall list flush count set setdefault getdefault help) ;;
	add | update)
		if _ip_xfrm_given tmpl; then
			choice=(src dst proto spi mode reqid level tmpl)
		else
			_ip_xfrm_options src dst dir proto sport dport mark index priority action \
				flag if_id limit tmpl
		fi
		;;
	delete | get | deleteall | list) _ip_xfrm_options src dst dir index mark if_id ;;
	esac
}

# "class set" takes pairs of a DSCP and a class
_ip_xfrm_class() {
	if [ $((${#words[@]} % 2)) = 1 ]; then
		choice=({0..7})
	else
		mapfile -t choice < <(awk '!/^#/ && NF > 1 { print $2 }' /etc/iproute2/rt_dsfield 2>/dev/null)
	fi
}

_ip_xfrm_window() {
	_ip_xfrm_options dst spi sender-id window-id sum
	_ip_xfrm_given tx || _ip_xfrm_given rx || choice+=(dir tx rx)
}

_ip_xfrm_vpe() {
	case "${words[*]:2:2}" in
	'') choice=(show stats set class steer listen window clock monitor help) ;;
	set*)
		_ip_xfrm_options rx-windows-max sa-rx-windows-max sender-rx-windows-max lanes udpcsum \
			udp6zerocsumtx nvo3-ports flow-rekey
		;;
	class) choice=(show set source help) ;;
	'class set') _ip_xfrm_class ;;
	'class source') [ ${#words[@]} -gt 4 ] || choice=(dscp priority) ;;
	steer) choice=(off show help) ;;
	'steer show') [ ${#words[@]} -gt 4 ] || choice=(/sys/class/net/*) choice=("${choice[@]##*/}") ;;
	listen) choice=(add del show help) ;;
	'listen add') [ ${#words[@]} -lt 5 ] || choice=(udp6zerocsumrx) ;;
	window) choice=(show set help) ;;
	'window show') _ip_xfrm_window ;;
	'window set') _ip_xfrm_options dst spi sender-id window-id seq ;;
	clock*) _ip_xfrm_options dst spi off ;;
	show*) _ip_xfrm_options src dst spi ;;
	esac
}

# the word before takes something that cannot be known
_ip_xfrm_free() {
	case $prev in
	src | dst | spi | reqid | mark | seq | replay-window | sel | output-mark | if_id | tfcpad | \
		sender-id | window-id | rx-windows-max | sa-rx-windows-max | sender-rx-windows-max | \
		lanes | flow-rekey | priority | index | sport | dport | : | -n | -netns | *soft | *hard)
		return 0
		;;
	esac
	return 1
}

_ip_xfrm_choose() {
	if _ip_xfrm_free; then
		return
	elif [ ${#words[@]} = 1 ]; then
		choice=(state policy monitor vpe help)
	elif ! _ip_xfrm_value; then
		case ${words[1]} in
		state | policy | vpe) "_ip_xfrm_${words[1]}" ;;
		monitor) _ip_xfrm_options all-nsid nokeys acquire expire SA policy aevent report ;;
		esac
	fi
}

_ip_xfrm() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	local words=() choice=() i

	# what is neither an option of ip itself nor that one's argument
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${#words[@]},${COMP_WORDS[i]} in
		0,-n | 0,-netns | 0,-f | 0,-family | 0,-l | 0,-loops | 0,-rc | 0,-rcvbuf) i=$((i + 1)) ;;
		0,-*) ;;
		*) words+=("${COMP_WORDS[i]}") ;;
		esac
	done
	if [ "${words[0]-}" = xfrm ]; then
		_ip_xfrm_choose
		mapfile -t COMPREPLY < <(compgen -W "${choice[*]@Q}" -- "$cur")
		return
	fi
	if ! declare -F _ip >/dev/null && declare -F _completion_loader >/dev/null; then
		_completion_loader ip
		complete -F _ip_xfrm ip
	fi
	! declare -F _ip >/dev/null || _ip "$@"
}

complete -F _ip_xfrm ip
