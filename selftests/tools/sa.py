#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Adds a VPE SA by hand, for what no ip can ask for.

sa.py [OPTION...] SRC DST SPI KEY      an SA, reqid 1
  --pcpu CPU                           of one CPU (XFRMA_SA_PCPU); needs --dir
  --dir in|out                         for one direction (XFRMA_SA_DIR)
  --sender ID                          of a group (VPE_SA_FLAG_GROUP)
  --mode transport|tunnel|ro|iptfs     not in tunnel mode
  --classic                            stock ESP: not flagged, KEY has a salt
sa.py --starve SRC DST SPI KEY         again and again: the first time the first
                                       memory allocation fails, then the second
                                       ... until none fails (needs fault
                                       injection)

An error is told as ip does. With --starve each must be for lack of memory, and
leave the key free; prints how often which error came.
"""
import argparse
import collections
import errno
import os
import socket
import struct
import sys

NETLINK_XFRM = 6
SOL_NETLINK, NETLINK_CAP_ACK, NETLINK_EXT_ACK = 270, 10, 11
NLMSG_ERROR, NLM_F_CAPPED, NLM_F_ACK_TLVS, NLMSGERR_ATTR_MSG = 2, 0x100, 0x200, 1
NLM_F_REQUEST, NLM_F_ACK = 1, 4
XFRM_MSG_NEWSA, XFRM_MSG_DELSA = 0x10, 0x11
XFRMA_ALG_AEAD, XFRMA_SA_EXTRA_FLAGS, XFRMA_SA_DIR, XFRMA_SA_PCPU = 18, 24, 33, 35
DIRECTIONS = {"in": 1, "out": 2}
MODES = {"transport": 0, "tunnel": 1, "ro": 2, "iptfs": 5}
VPE_SA_FLAG_VPE, VPE_SA_FLAG_GROUP, VPE_SA_SENDER_SHIFT = 0x80000000, 0x20000000, 8
MEMORY = errno.ENOMEM, errno.ENOBUFS, errno.EFAULT


def family(text):
    return socket.AF_INET6 if ":" in text else socket.AF_INET


def address(text):
    return socket.inet_pton(family(text), text).ljust(16, b"\0")


def attribute(kind, data):
    pad = -len(data) % 4
    return struct.pack("=HH", 4 + len(data), kind) + data + bytes(pad)


def message(kind, body):
    return struct.pack("=IHHII", 16 + len(body), kind,
                       NLM_F_REQUEST | NLM_F_ACK, 1, 0) + body


def new_sa(options):
    selector = struct.pack("=32xHHHHHBBB3xiI", 0, 0, 0, 0, family(options.dst),
                           0, 0, 0, 0, 0)
    sa_id = struct.pack("=16sIB3x", address(options.dst), socket.htonl(options.spi),
                        socket.IPPROTO_ESP)
    unlimited = b"\xff" * 32 + bytes(32)
    rest = struct.pack("=16s64s32x12xIIHBBB7x", address(options.src), unlimited, 0, 1,
                       family(options.dst), MODES[options.mode], 0, 0)
    aead = struct.pack("=64sII", b"rfc4106(gcm(aes))", 8 * len(options.key), 128)
    body = selector + sa_id + rest + attribute(XFRMA_ALG_AEAD, aead + options.key)
    flags = VPE_SA_FLAG_VPE
    if options.sender is not None:
        flags |= VPE_SA_FLAG_GROUP | options.sender << VPE_SA_SENDER_SHIFT
    if not options.classic:
        body += attribute(XFRMA_SA_EXTRA_FLAGS, struct.pack("=I", flags))
    if options.dir:
        body += attribute(XFRMA_SA_DIR, struct.pack("=B", DIRECTIONS[options.dir]))
    if options.pcpu is not None:
        body += attribute(XFRMA_SA_PCPU, struct.pack("=I", options.pcpu))
    return message(XFRM_MSG_NEWSA, body)


def del_sa(options):
    return message(XFRM_MSG_DELSA, struct.pack("=16sIHBx", address(options.dst),
                                               socket.htonl(options.spi),
                                               family(options.dst), socket.IPPROTO_ESP))


def answer(sock):
    """(errno, sentence of the kernel); ENOBUFS: there was no memory for the answer"""
    try:
        data = sock.recv(4096)
    except OSError as e:
        return e.errno, ""
    length, kind, flags, _, _, error = struct.unpack_from("=IHHIIi", data)
    assert kind == NLMSG_ERROR
    at = 36 if flags & NLM_F_CAPPED or not error else 20 + struct.unpack_from("=I", data, 20)[0]
    while flags & NLM_F_ACK_TLVS and at + 4 <= length:
        size, kind = struct.unpack_from("=HH", data, at)
        if kind == NLMSGERR_ATTR_MSG:
            return -error, data[at + 4:at + size].rstrip(b"\0").decode()
        at += size + 3 & ~3
    return -error, ""


def ask(sock, request, nth=None):
    """(errno, sentence, whether the nth allocation was reached, and failed)"""
    if nth is None:
        sock.send(request)
        return *answer(sock), False
    faults = os.open("/proc/thread-self/fail-nth", os.O_RDWR)
    os.write(faults, b"%d" % nth)
    try:
        sock.send(request)
        sent = 0
    except OSError as e:
        sent = e.errno
    failed = False
    try:  # one of these calls may be the next to fail itself
        failed = os.pread(faults, 16, 0).strip() == b"0"
        os.write(faults, b"0")
    except OSError:
        pass
    os.close(faults)
    return *((sent, "") if sent else answer(sock)), failed


def starve(sock, options):
    said, nth, failed = collections.Counter(), 0, True
    while failed:
        nth += 1
        error, sentence, failed = ask(sock, new_sa(options), nth)
        if error and (error not in MEMORY or not failed):
            sys.exit(f"allocation {nth}: {os.strerror(error)}; {sentence}")
        if error or failed:
            said[sentence or (os.strerror(error) if error else "accepted")] += 1
        expected = {errno.ESRCH if error else 0}
        if error == errno.ENOBUFS:  # it was the answer that found no memory
            expected.add(0)
        error, sentence, _ = ask(sock, del_sa(options))
        if error not in expected:
            sys.exit(f"allocation {nth}, deleting: {os.strerror(error)}; {sentence}")
    for sentence, times in said.items():
        print(f"{times} {sentence}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--pcpu", type=int)
    parser.add_argument("--dir", choices=DIRECTIONS)
    parser.add_argument("--mode", choices=MODES, default="tunnel")
    parser.add_argument("--sender", type=int)
    parser.add_argument("--classic", action="store_true")
    parser.add_argument("--starve", action="store_true")
    parser.add_argument("src")
    parser.add_argument("dst")
    parser.add_argument("spi", type=lambda text: int(text, 0))
    parser.add_argument("key", type=lambda text: bytes.fromhex(text.removeprefix("0x")))
    options = parser.parse_args()
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_XFRM) as sock:
        sock.bind((0, 0))
        sock.setsockopt(SOL_NETLINK, NETLINK_CAP_ACK, 1)
        sock.setsockopt(SOL_NETLINK, NETLINK_EXT_ACK, 1)
        if options.starve:
            starve(sock, options)
            return
        error, sentence, _ = ask(sock, new_sa(options))
        if error:
            sys.exit(f"Error: {sentence or os.strerror(error)}.")


if __name__ == "__main__":
    main()
