#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Tell a host that its packets of protocol 50 are too big.

too_big.py FAMILY SRC DST [SPI MTU]...   SRC sent packets to DST
"""
import ipaddress
import socket
import struct
import sys


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def too_big(family, src, dst, spi, mtu):
    ends = ipaddress.ip_address(src).packed + ipaddress.ip_address(dst).packed
    packet = struct.pack("!I28x", int(spi, 0))
    if family == "4":
        head = struct.pack("!BxHxxHBBH", 0x45, 1500, 0x4000, 63, 50, 0) + ends
        icmp = struct.pack("!BBHxxH", 3, 4, 0, int(mtu)) + head + packet
        icmp = icmp[:2] + struct.pack("!H", checksum(icmp)) + icmp[4:]
        sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    else:
        head = struct.pack("!IHBB", 6 << 28, 1460, 50, 63) + ends
        icmp = struct.pack("!BBHI", 2, 0, 0, int(mtu)) + head + packet
        sock = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
    with sock:
        sock.sendto(icmp, (src, 0))


def main(family, src, dst, *errors):
    for spi, mtu in zip(errors[::2], errors[1::2]):
        too_big(family, src, dst, spi, mtu)


if __name__ == "__main__":
    main(*sys.argv[1:])
