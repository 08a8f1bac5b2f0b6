#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""A sniffer that holds what it sees.

held.py FAMILY KEY SRC DST SPI [KEY SRC DST SPI]...

A packet socket without a ring has clones of the packets of eth0, which share
their data with what the stack works on. Prints "ready"; upon SIGTERM reads them
all, puts fragments together and decrypts the VPE packets of these SAs. Prints
"outer=N inner=M": M packets came in in the clear, each of them once in one of
those N. Anything else is an exception.
"""
import os
import signal
import socket
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# pylint: disable-next=wrong-import-position
from vpe_wire import ETH, Sa  # noqa: E402

SO_RCVBUFFORCE = 33

def whole(packet, pieces):
    """(protocol, payload) of an IP packet, None for a fragment but the last."""
    if packet[0] >> 4 == 4:
        size, ident, at = struct.unpack_from("!HHH", packet, 2)
        proto, head, more, at = packet[9], 20, at & 0x2000, (at & 0x1fff) * 8
    else:
        size = 40 + struct.unpack_from("!H", packet, 4)[0]
        proto, head, more, at, ident = packet[6], 40, 0, 0, 0
        if proto == 44:
            proto, at, ident = struct.unpack_from("!BxHI", packet, 40)
            head, more, at = 48, at & 1, at & 0xfff8
    payload = packet[head:size]
    if not more and not at:
        return proto, payload
    mine = pieces.setdefault((ident, packet[12:16]), {})
    mine[at] = payload
    if more:
        return None
    return proto, b"".join(mine[start] for start in sorted(mine))


def packets(sock):
    """(incoming?, IP packet) of all that is held."""
    while True:
        try:
            frame, addr = sock.recvfrom(65536, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        if addr[1] in ETH.values():
            yield addr[2] == socket.PACKET_HOST, frame[14:]


def main(family, *sas):
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    sas = [Sa(family, *sas[i:i + 4]) for i in range(0, len(sas), 4)]
    sas = {sa.spi: sa for sa in sas}
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 24)
    sock.bind(("eth0", 3))
    print("ready", flush=True)
    signal.sigwait([signal.SIGTERM])

    pieces, sealed, inner = {}, [], 0
    for incoming, packet in packets(sock):
        found = whole(packet, pieces)
        if not found:
            continue
        proto, payload = found
        if proto == 50:
            spi, = struct.unpack_from("!I", payload)
            sealed.append(sas[spi].open(payload)[3])
        elif incoming and proto == 1:
            inner += 1
            if sealed.count(packet) != 1:
                raise ValueError(f"not in any packet: {packet.hex()}")
    print(f"outer={len(sealed)} inner={inner}")


if __name__ == "__main__":
    main(*sys.argv[1:])
