#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Captured frames once more, as they are.

frames.py CAPTURE INTERFACE

Prints how many that were.
"""
import socket
import struct
import sys


def main(capture, interface):
    count = 0
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as s, open(capture, "rb") as f:
        s.bind((interface, 0))
        f.read(24)
        while head := f.read(16):
            s.send(f.read(struct.unpack("=IIII", head)[2]))
            count += 1
    print(count)


if __name__ == "__main__":
    main(*sys.argv[1:])
