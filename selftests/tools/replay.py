#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Captured packets once more, in outer headers of their own.

replay.py CAPTURE SPI SRC DST

Sends what the capture has of an SPI; prints how many packets that were.
"""
import socket
import struct
import sys

from ivs import packets


def main(capture, spi, src, dst):
    family = socket.AF_INET6 if ":" in dst else socket.AF_INET
    count = 0
    with socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_ESP) as s:
        s.bind((src, 0))
        for vpe in packets(capture):
            if struct.unpack_from(">I", vpe)[0] == int(spi, 0):
                s.sendto(vpe, (dst, 0))
                count += 1
    print(count)


if __name__ == "__main__":
    main(*sys.argv[1:])
