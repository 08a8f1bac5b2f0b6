#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Traffic of the demo: numbered UDP packets, then a known stream by TCP.

traffic.py receive UDP-PACKETS TCP-BYTES READY-FILE
traffic.py send UDP-PACKETS TCP-BYTES ADDRESS
traffic.py count READY-FILE	counts UDP packets until SIGTERM
"""
import hashlib
import os
import signal
import socket
import sys
import time

PORT = 7000
SECONDS = 120


def ready(path):
    with open(path, "w", encoding="ascii"):
        pass


def stream(size):
    block = hashlib.sha256(b"VPE").digest() * 128
    return (block * (size // len(block) + 1))[:size]


def udp_socket():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    s.bind(("", PORT))
    s.settimeout(SECONDS)
    return s


def receive(packets, size, path):
    udp = udp_socket()
    server = socket.create_server(("", PORT))
    server.settimeout(SECONDS)
    ready(path)
    seen, total = set(), 0
    tcp, got = server.accept()[0], b""
    while chunk := tcp.recv(1 << 16):
        got += chunk
    udp.settimeout(1)
    try:
        while True:
            seen.add(udp.recv(2048))
            total += 1
    except socket.timeout:
        pass
    right = len(got) if got == stream(size) else 0
    print(total, right)
    return 0 if total == len(seen) == packets and right == size else 1


def send(packets, size, address):
    """Packet after packet from another CPU, so that each has its window."""
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    cpus = sorted(os.sched_getaffinity(0))
    for n in range(packets):
        os.sched_setaffinity(0, {cpus[n % len(cpus)]})
        udp.sendto(f"Packet {n} of tenant1, nobody else's business.".encode(), (address, PORT))
        time.sleep(0.001)
    os.sched_setaffinity(0, cpus)
    with socket.create_connection((address, PORT), SECONDS) as tcp:
        tcp.sendall(stream(size))
    return 0


def count(path):
    udp, n = udp_socket(), 0
    signal.signal(signal.SIGTERM, lambda *_: udp.close() or finish(n))
    ready(path)
    while True:
        udp.recv(2048)
        n += 1


def finish(n):
    print(n, flush=True)
    os._exit(0)


if __name__ == "__main__":
    if sys.argv[1] == "count":
        count(sys.argv[2])
    run = {"receive": receive, "send": send}[sys.argv[1]]
    sys.exit(run(int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]))
