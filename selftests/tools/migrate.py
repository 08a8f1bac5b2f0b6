#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""XFRM_MSG_MIGRATE: move the SA of an IPv4 policy to another source address.

migrate.py NET_FROM NET_TO OLD_SRC NEW_SRC DST REQID     (both nets: ADDRESS/BITS)
"""
import os
import socket
import struct
import sys

NETLINK_XFRM = 6
NLM_F_REQUEST, NLM_F_ACK = 1, 4
XFRM_MSG_MIGRATE = 0x21
XFRMA_MIGRATE = 17
XFRM_POLICY_OUT = 1
XFRM_MODE_TUNNEL = 1


def address(text):
    return socket.inet_aton(text).ljust(16, b"\0")


def main(net_from, net_to, old, new, dst, reqid):
    (saddr, slen), (daddr, dlen) = net_from.split("/"), net_to.split("/")
    selector = struct.pack("=16s16sHHHHHBBB3xiI", address(daddr), address(saddr),
                           0, 0, 0, 0, socket.AF_INET, int(dlen), int(slen), 0, 0, 0)
    policy = selector + struct.pack("=IB3x", 0, XFRM_POLICY_OUT)
    migrate = struct.pack("=16s16s16s16sBBHIHH", address(dst), address(old),
                          address(dst), address(new), socket.IPPROTO_ESP,
                          XFRM_MODE_TUNNEL, 0, int(reqid), socket.AF_INET,
                          socket.AF_INET)
    body = policy + struct.pack("=HH", 4 + len(migrate), XFRMA_MIGRATE) + migrate
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_XFRM) as s:
        s.bind((0, 0))
        s.send(struct.pack("=IHHII", 16 + len(body), XFRM_MSG_MIGRATE,
                           NLM_F_REQUEST | NLM_F_ACK, 1, 0) + body)
        error = -struct.unpack_from("=i", s.recv(4096), 16)[0]
    if error:
        sys.exit(f"XFRM_MSG_MIGRATE: {os.strerror(error)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
