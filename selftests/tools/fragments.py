#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""A UDP packet in three fragments, as somebody else has made them.

fragments.py SRC DST PORT

Prints how many the kernel refused.
"""
import os
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
# pylint: disable=wrong-import-position
from vpe_wire import ip_fragment, udp  # noqa: E402


def main(src, dst, port):
    family = 6 if ":" in dst else 4
    datagram = udp(src, dst, int(port), bytes(40), 1234)
    kind = socket.AF_INET6 if family == 6 else socket.AF_INET
    refused = 0
    with socket.socket(kind, socket.SOCK_RAW, socket.IPPROTO_RAW) as s:
        for at in range(0, len(datagram), 16):
            fragment = ip_fragment(family, src, dst, 17, datagram[at:at + 16], at,
                                   at + 16 < len(datagram), 77)
            try:
                s.sendto(fragment, (dst, 0))
            except OSError:
                refused += 1
    print(refused)


if __name__ == "__main__":
    main(*sys.argv[1:])
