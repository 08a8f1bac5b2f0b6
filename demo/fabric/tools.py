#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""What the fabric's script cannot do itself.

tools.py socket READY-FILE		ESP-in-UDP for the kernel, as an IKE daemon has it
tools.py clear-hash FILE		a tc program that makes skbs forget their hash,
					pinned to FILE
tools.py ports CAPTURE SADDR KEY...	of ESP-in-UDP packets: compares outer source ports
					with the decrypted inner ones
"""
import ctypes
import os
import platform
import signal
import socket
import struct
import sys
from ipaddress import ip_address

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from measured import packets

UDP_ENCAP, UDP_NO_CHECK6_RX, UDP_ENCAP_ESPINUDP = 100, 102, 2
SYS_BPF = {"x86_64": 321, "aarch64": 280, "s390x": 351}[platform.machine()]
BPF_PROG_LOAD, BPF_OBJ_PIN, BPF_PROG_TYPE_SCHED_CLS = 5, 6, 3
BPF_FUNC_SET_HASH_INVALID = 41


def encap_socket(path):
    for family in socket.AF_INET, socket.AF_INET6:
        s = socket.socket(family, socket.SOCK_DGRAM)
        if family == socket.AF_INET6:
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            s.setsockopt(socket.IPPROTO_UDP, UDP_NO_CHECK6_RX, 1)
        s.bind(("", 4500))
        s.setsockopt(socket.IPPROTO_UDP, UDP_ENCAP, UDP_ENCAP_ESPINUDP)
        s.detach()
    open(path, "w", encoding="ascii").close()
    signal.pause()


def bpf(command, attr):
    buffer = ctypes.create_string_buffer(attr.ljust(128, b"\0"), 128)
    libc = ctypes.CDLL(None, use_errno=True)
    fd = libc.syscall(SYS_BPF, command, buffer, 128)
    if fd < 0:
        raise OSError(ctypes.get_errno(), f"bpf command {command}")
    return fd


def clear_hash(path):
    """call set_hash_invalid; r0 = TC_ACT_OK; exit"""
    code = ctypes.create_string_buffer(
        struct.pack("=BBhiBBhiBBhi", 0x85, 0, 0, BPF_FUNC_SET_HASH_INVALID,
                    0xb7, 0, 0, 0, 0x95, 0, 0, 0))
    name, pin = ctypes.create_string_buffer(b"GPL"), ctypes.create_string_buffer(path.encode())
    prog = bpf(BPF_PROG_LOAD, struct.pack("=IIQQ", BPF_PROG_TYPE_SCHED_CLS, 3,
                                          ctypes.addressof(code), ctypes.addressof(name)))
    bpf(BPF_OBJ_PIN, struct.pack("=QI", ctypes.addressof(pin), prog))


def udp_packets(path):
    """(source address, UDP header and payload) of a capture"""
    for _, packet in packets(path):
        if packet[0] >> 4 == 4:
            yield packet[12:16], packet[20:]
        else:
            yield packet[8:24], packet[40:]


def ports(path, *keys):
    """The first block of the plaintext begins with the inner UDP header. It takes
    the key stream of RFC 4106 alone; whether a packet is genuine is for the receiver
    to tell."""
    # here, because it takes seconds on an emulated CPU
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.algorithms import AES
    from cryptography.hazmat.primitives.ciphers.modes import ECB
    seen = same = 0
    for n in range(0, len(keys), 2):
        source, key = ip_address(keys[n]).packed, bytes.fromhex(keys[n + 1][2:])
        sent = [udp for address, udp in udp_packets(path) if address == source]
        counters = b"".join(key[-4:] + udp[16:24] + b"\0\0\0\2" for udp in sent)
        stream = Cipher(AES(key[:-4]), ECB()).encryptor().update(counters)
        seen += len(sent)
        same += sum(udp[24] ^ stream[16 * i] == udp[0] and
                    udp[25] ^ stream[16 * i + 1] == udp[1] for i, udp in enumerate(sent))
    print(same, seen)


if __name__ == "__main__":
    run = {"socket": encap_socket, "clear-hash": clear_hash, "ports": ports}[sys.argv[1]]
    run(*sys.argv[2:])
