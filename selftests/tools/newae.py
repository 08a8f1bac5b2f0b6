#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""XFRM_MSG_NEWAE: give an SA another replay state, as a standby does.

newae.py SPI SRC DST OSEQ SEQ

OSEQ and SEQ have 32 bits.
"""
import socket
import struct
import sys

from migrate import NETLINK_XFRM, address, family, message

NLM_F_REPLACE = 0x100
XFRM_MSG_NEWAE = 0x1e
XFRMA_REPLAY_VAL = 10


def main(spi, src, dst, oseq, seq):
    sa_id = struct.pack("=16sIHBx", address(dst), socket.htonl(int(spi, 0)), family(dst),
                        socket.IPPROTO_ESP)
    # SA, source, flags, reqid
    body = sa_id + address(src) + struct.pack("=II", 0, 0)
    replay = struct.pack("=HHIII", 4 + 12, XFRMA_REPLAY_VAL, int(oseq, 0), int(seq, 0), 0)
    request = bytearray(message(XFRM_MSG_NEWAE, body + replay))
    struct.pack_into("=H", request, 6, struct.unpack_from("=H", request, 6)[0] | NLM_F_REPLACE)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_XFRM) as s:
        s.bind((0, 0))
        s.send(request)
        answer = s.recv(65536)
    error, = struct.unpack_from("=i", answer, 16)
    if error:
        sys.exit(f"newae.py: errno {-error}")


if __name__ == "__main__":
    main(*sys.argv[1:])
