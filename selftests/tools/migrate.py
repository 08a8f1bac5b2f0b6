#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""XFRM_MSG_MIGRATE: move policies and the SAs of their templates.
XFRM_MSG_MIGRATE_STATE: move SAs alone.

migrate.py REQID { out|in|fwd NET_FROM NET_TO OLD_SRC OLD_DST NEW_SRC NEW_DST }...
migrate.py REQID { sa SPI OLD_DST NEW_SRC NEW_DST }...

Nets are ADDRESS/BITS. The new outer addresses may be of another family.
"""
import ipaddress
import os
import socket
import struct
import sys

NETLINK_XFRM = 6
NLM_F_REQUEST, NLM_F_ACK = 1, 4
XFRM_MSG_MIGRATE, XFRM_MSG_MIGRATE_STATE = 0x21, 0x29
XFRMA_MIGRATE = 17
XFRM_POLICY = {"in": 0, "out": 1, "fwd": 2}
XFRM_MODE_TUNNEL = 1
FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}


def address(text):
    return ipaddress.ip_address(text).packed.ljust(16, b"\0")


def family(text):
    return FAMILY[ipaddress.ip_address(text).version]


def message(kind, body):
    return struct.pack("=IHHII", 16 + len(body), kind, NLM_F_REQUEST | NLM_F_ACK,
                       1, 0) + body


def policy(reqid, direction, net_from, net_to, old_src, old_dst, new_src,
           new_dst):
    (saddr, slen), (daddr, dlen) = net_from.split("/"), net_to.split("/")
    selector = struct.pack("=16s16sHHHHHBBB3xiI", address(daddr), address(saddr),
                           0, 0, 0, 0, family(saddr), int(dlen), int(slen), 0,
                           0, 0)
    policy_id = selector + struct.pack("=IB3x", 0, XFRM_POLICY[direction])
    migrate = struct.pack("=16s16s16s16sBBHIHH", address(old_dst),
                          address(old_src), address(new_dst), address(new_src),
                          socket.IPPROTO_ESP, XFRM_MODE_TUNNEL, 0, reqid,
                          family(old_src), family(new_src))
    return message(XFRM_MSG_MIGRATE, policy_id + struct.pack(
        "=HH", 4 + len(migrate), XFRMA_MIGRATE) + migrate)


def state(reqid, spi, old_dst, new_src, new_dst):
    sa_id = struct.pack("=16sIHBx", address(old_dst), socket.htonl(int(spi, 0)),
                        family(old_dst), socket.IPPROTO_ESP)
    no_mark, any_selector = bytes(8), bytes(56)
    return message(XFRM_MSG_MIGRATE_STATE, sa_id + address(new_dst) +
                   address(new_src) + no_mark + any_selector +
                   struct.pack("=IIHH", reqid, 0, family(new_dst), 0))


def main(reqid, *moves):
    moves = list(moves)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_XFRM) as s:
        s.bind((0, 0))
        while moves:
            if moves[0] == "sa":
                move, moves = moves[:5], moves[5:]
                s.send(state(int(reqid), *move[1:]))
            else:
                move, moves = moves[:7], moves[7:]
                s.send(policy(int(reqid), *move))
            error = -struct.unpack_from("=i", s.recv(4096), 16)[0]
            if error:
                sys.exit(f"{' '.join(move)}: {os.strerror(error)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
