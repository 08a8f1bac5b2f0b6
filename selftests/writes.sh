#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# All that can be written by netlink beside SAs (the family "vpe"): right values,
# wrong ones, who may. The table is in tools/writes.py.
. "$(dirname "$0")/lib.sh"

# writes TEST: see there
writes() {
	run ns_exec "$HV1" python3 -B "$lib_dir/tools/writes.py" "$1"
}

# One SA of each kind that windows differ for
sas_of_all_kinds() {
	local udp="encap espinudp 0 4500 0.0.0.0"

	batch "$HV1" <<-END
		xfrm state add src ${OUTER[41]} dst ${OUTER[42]} proto vpe spi $SPI12 reqid 1 mode tunnel aead $AEAD $(random_key 16) 128
		xfrm state add src ${OUTER[41]} dst 239.1.1.1 proto vpe spi 0x2001 reqid 2 mode tunnel aead $AEAD $(random_key 16) 128 group sender-id 5
		xfrm state add src ${OUTER[41]} dst ${OUTER[42]} proto esp spi 0x3001 reqid 3 mode tunnel aead $AEAD $(random_key 20) 128 $udp entropy
		xfrm vpe listen 4501
	END
}

topo_wire || skip_all "no namespaces"
sas_of_all_kinds
ktap_plan 7
ktap_test "the table is complete" writes complete
ktap_test "right values" writes accepted
ktap_test "wrong values: a sentence, and nothing changes" writes refused
ktap_test "a wrong setting beside a right one" writes mixed
ktap_test "no rights" writes unprivileged
ktap_test "rights in a user namespace" writes userns
ktap_test "what is the host's, by a borrowed socket" writes borrowed
ktap_finish
