#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Send and receive the same bytes in many ways.

senders.py recv tcp|sctp PORT                 until the sender closes
senders.py recv udp|udp-gro PORT SIZE         datagrams of SIZE bytes, all of them
senders.py send tcp-zerocopy|tcp-uring|sctp HOST PORT
senders.py send udp|udp-zerocopy|udp-uring|udp-gso HOST PORT SIZE

The receiver compares what it gets with what is to come: both know the file it is
taken from. Zero-copy senders wait for the kernel to give their memory back. Prints
what it did.
"""
import mmap
import os
import select
import socket
import struct
import sys
import time

from uring import Uring

LENGTH = int(os.environ.get("SENDERS_LENGTH", 400000))
SLOW = os.environ.get("KSFT_MACHINE_SLOW") == "yes" or \
    os.environ.get("VPE_KERNEL") == "debug"
WAIT = 60 if SLOW else 20
SO_ZEROCOPY, MSG_ZEROCOPY, ORIGIN_ZEROCOPY = 60, 0x4000000, 5
UDP_SEGMENT, UDP_GRO = 103, 104
SO_RCVBUFFORCE, SO_SNDBUFFORCE = 33, 32


def content():
    with open("/usr/bin/bash", "rb") as f:
        return f.read(LENGTH)


def datagrams(size):
    """Each of size bytes, with its number in front."""
    data = content()
    room = size - 4
    return [struct.pack("!I", at // room) + data[at:at + room].ljust(room, b"\0")
            for at in range(0, LENGTH, room)]


def check(what, good):
    if not good:
        sys.exit(f"{what} is not what was sent")


def server(port, proto):
    sock = socket.socket(socket.AF_INET6, socket.SOCK_STREAM, proto)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    sock.bind(("::", port))
    sock.listen()
    sock.settimeout(WAIT)
    return sock


def recv_stream(port, proto):
    with server(port, proto) as listener:
        sock = listener.accept()[0]
    data = b""
    with sock:
        sock.settimeout(WAIT)
        while piece := sock.recv(1 << 16):
            data += piece
    check("the stream", data == content())
    print(f"bytes={len(data)}")


def recv_udp(port, size, gro):
    sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 24)
    if gro:
        sock.setsockopt(socket.IPPROTO_UDP, UDP_GRO, 1)
    sock.bind(("::", port))
    sock.settimeout(WAIT)
    missing = dict(enumerate(datagrams(size)))
    calls = 0
    while missing:
        data = sock.recv(1 << 16)
        calls += 1
        for at in range(0, len(data), size):
            piece = data[at:at + size]
            number, = struct.unpack_from("!I", piece)
            check(f"datagram {number}", missing.pop(number, b"") == piece)
    print(f"bytes={LENGTH} calls={calls}")


def connected(host, port, kind, proto=0):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, kind, proto)
    sock.settimeout(WAIT)
    sock.connect((host, port))
    sock.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, 1 << 22)
    return sock


def connected_sctp(host, port):
    """The receiver may not be there yet."""
    end = time.monotonic() + WAIT
    while True:
        try:
            return connected(host, port, socket.SOCK_STREAM, socket.IPPROTO_SCTP)
        except ConnectionRefusedError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


class MsgZerocopy:
    """Sends from one piece of memory to one socket, as uring.Uring does."""

    def __init__(self, sock, pages):
        sock.setsockopt(socket.SOL_SOCKET, SO_ZEROCOPY, 1)
        self.sock, self.view = sock, memoryview(pages)

    def send(self, at, end):
        return self.sock.send(self.view[at:end], MSG_ZEROCOPY)

    def completions(self, number):
        """Until the kernel has told of number sends that it needs no memory of."""
        told = 0
        while told < number:
            poll = select.poll()
            poll.register(self.sock, 0)
            if not poll.poll(WAIT * 1000):
                sys.exit(f"{told} completions for {number} sends")
            for _, _, data in self.sock.recvmsg(0, 512, socket.MSG_ERRQUEUE)[1]:
                errno, origin, low, high = struct.unpack_from("=IB3xII", data)
                if errno or origin != ORIGIN_ZEROCOPY:
                    sys.exit(f"errno {errno}, origin {origin}")
                told += high - low + 1
        return told


def send_by_reference(sock, pieces, sender):
    """Every piece; nobody wrote into the memory."""
    data = b"".join(pieces)
    # pages of their own, that the kernel can take references to
    pages = mmap.mmap(-1, len(data))
    pages[:] = data
    by = sender(sock, pages)
    at = sends = 0
    for piece in pieces:
        end = at + len(piece)
        while at < end:
            at += by.send(at, end)
            sends += 1
            if sends % 16 == 0:
                time.sleep(0.01)
    done = by.completions(sends)
    check("the sender's memory", pages[:] == data)
    print(f"sends={sends} completions={done}")


BY_REFERENCE = {"zerocopy": MsgZerocopy, "uring": Uring}


def send_tcp(host, port, how):
    data = content()
    with connected(host, port, socket.SOCK_STREAM) as sock:
        send_by_reference(sock, [data[at:at + 30000] for at in range(0, LENGTH, 30000)],
                          BY_REFERENCE[how])


def send_sctp(host, port):
    data = content()
    with connected_sctp(host, port) as sock:
        for at in range(0, LENGTH, 8000):
            sock.sendall(data[at:at + 8000])


def send_udp(host, port, size, how):
    pieces = datagrams(size)
    with connected(host, port, socket.SOCK_DGRAM) as sock:
        if how in BY_REFERENCE:
            send_by_reference(sock, pieces, BY_REFERENCE[how])
            return
        if how == "gso":
            sock.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, size)
            many = 60000 // size
            pieces = [b"".join(pieces[at:at + many]) for at in range(0, len(pieces), many)]
        for number, piece in enumerate(pieces):
            sock.send(piece)
            if number % 8 == 7:
                time.sleep(0.01)
    print(f"sends={len(pieces)}")


def main(action, how, *args):
    os.sched_setaffinity(0, [0] if action == "send" else os.sched_getaffinity(0))
    proto, _, how = how.partition("-")
    if action == "recv" and proto == "udp":
        recv_udp(int(args[0]), int(args[1]), how == "gro")
    elif action == "recv":
        recv_stream(int(args[0]), socket.IPPROTO_SCTP if proto == "sctp" else 0)
    elif proto == "sctp":
        send_sctp(args[0], int(args[1]))
    elif proto == "tcp":
        send_tcp(args[0], int(args[1]), how)
    else:
        send_udp(args[0], int(args[1]), int(args[2]), how)


if __name__ == "__main__":
    main(*sys.argv[1:])
