#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""An XDP program of two instructions.

xdp.py generic|native INTERFACE pass|drop

Prints "attached", and when it gets SIGTERM "runs=N": how often the program ran.
There need be no compiler and no BPF library where this runs.
"""
import ctypes
import platform
import re
import signal
import socket
import struct
import sys

SYS_BPF = {"x86_64": 321, "aarch64": 280, "s390x": 351}[platform.machine()]
BPF_PROG_LOAD, BPF_LINK_CREATE, BPF_ENABLE_STATS = 5, 28, 32
BPF_PROG_TYPE_XDP, BPF_XDP = 6, 37
MODES = {"generic": 1 << 1, "native": 1 << 2}
VERDICTS = {"drop": 1, "pass": 2}

libc = ctypes.CDLL(None, use_errno=True)


def bpf(command, attr):
    buffer = ctypes.create_string_buffer(attr.ljust(128, b"\0"), 128)
    fd = libc.syscall(SYS_BPF, command, buffer, 128)
    if fd < 0:
        raise OSError(ctypes.get_errno(), f"bpf command {command}")
    return fd


def load(verdict):
    """r0 = verdict; exit"""
    code = ctypes.create_string_buffer(
        struct.pack("=BBhiBBhi", 0xb7, 0, 0, verdict, 0x95, 0, 0, 0))
    name = ctypes.create_string_buffer(b"GPL")
    return bpf(BPF_PROG_LOAD, struct.pack(
        "=IIQQ", BPF_PROG_TYPE_XDP, 2, ctypes.addressof(code),
        ctypes.addressof(name)))


def main(mode, interface, verdict):
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    bpf(BPF_ENABLE_STATS, struct.pack("=I", 0))
    prog = load(VERDICTS[verdict])
    bpf(BPF_LINK_CREATE, struct.pack("=IIII", prog, socket.if_nametoindex(interface),
                                     BPF_XDP, MODES[mode]))
    print("attached", flush=True)
    signal.sigwait([signal.SIGTERM])
    with open(f"/proc/self/fdinfo/{prog}", encoding="ascii") as info:
        print("runs=" + re.search(r"run_cnt:\s*(\d+)", info.read())[1])


if __name__ == "__main__":
    main(*sys.argv[1:])
