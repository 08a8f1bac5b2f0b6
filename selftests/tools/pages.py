#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Send pages of files without a copy, and receive.

pages.py tcp-recv PORT FILE
pages.py tcp-send sendfile|splice|zerocopy HOST PORT FILE
pages.py udp-send HOST PORT FILE SIZE        a datagram of each page's first SIZE bytes
pages.py payloads CAPTURE FILE               IPv4 payloads, each at a page's start; prints
                                             how many and how long
"""
import mmap
import os
import socket
import struct
import sys

PAGE = 4096
SO_ZEROCOPY = 60
MSG_ZEROCOPY = 0x4000000


def family(host):
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def tcp_recv(port, path):
    with socket.create_server(("::", int(port)), family=socket.AF_INET6,
                              dualstack_ipv6=True) as server:
        sock = server.accept()[0]
    with sock, open(path, "wb") as out:
        while data := sock.recv(1 << 16):
            out.write(data)


def send_file(sock, fd, size):
    done = 0
    while done < size:
        done += os.sendfile(sock.fileno(), fd, done, size - done)


def send_splice(sock, fd, size):
    reader, writer = os.pipe()
    done = 0
    while done < size:
        n = os.splice(fd, writer, min(size - done, 1 << 16), offset_src=done)
        done += n
        while n:
            n -= os.splice(reader, sock.fileno(), n)


def send_zerocopy(sock, fd, size):
    sock.setsockopt(socket.SOL_SOCKET, SO_ZEROCOPY, 1)
    with mmap.mmap(fd, size, prot=mmap.PROT_READ) as pages:
        view = memoryview(pages)
        done = 0
        while done < size:
            done += sock.send(view[done:done + (1 << 15)], MSG_ZEROCOPY)
        view.release()


def tcp_send(how, host, port, path):
    with open(path, "rb") as f, socket.create_connection((host, int(port))) as sock:
        size = os.fstat(f.fileno()).st_size
        {"sendfile": send_file, "splice": send_splice,
         "zerocopy": send_zerocopy}[how](sock, f.fileno(), size)


def udp_send(host, port, path, size):
    with open(path, "rb") as f, socket.socket(family(host), socket.SOCK_DGRAM) as sock:
        sock.connect((host, int(port)))
        for offset in range(0, os.fstat(f.fileno()).st_size, PAGE):
            os.sendfile(sock.fileno(), f.fileno(), offset, int(size))


def payloads(capture, path):
    lengths = []
    with open(capture, "rb") as f, open(path, "wb") as out:
        f.read(24)
        while head := f.read(16):
            frame = f.read(struct.unpack("=IIII", head)[2])
            ip = frame[14:]
            payload = ip[(ip[0] & 15) * 4:struct.unpack_from(">H", ip, 2)[0]]
            lengths.append(len(payload))
            out.write(payload.ljust(PAGE, b"\0"))
    if len(set(lengths)) != 1:
        sys.exit(f"payloads of different lengths: {sorted(set(lengths))}")
    print(len(lengths), lengths[0])


if __name__ == "__main__":
    {"tcp-recv": tcp_recv, "tcp-send": tcp_send, "udp-send": udp_send,
     "payloads": payloads}[sys.argv[1]](*sys.argv[2:])
