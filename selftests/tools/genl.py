#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The generic netlink family "vpe", spoken by hand: as many requests in one process
as a test likes, right ones and wrong ones. Names and numbers are those of the header
for user space."""
import os
import re
import socket
import struct

from sa import NETLINK_CAP_ACK, NETLINK_EXT_ACK, NLMSG_ERROR, NLM_F_ACK, NLM_F_REQUEST, \
    SOL_NETLINK, answer, attribute

NETLINK_GENERIC, NLMSG_DONE, NLM_F_DUMP = 16, 3, 0x300
GENL_ID_CTRL, CTRL_CMD_GETFAMILY = 16, 3
CTRL_ATTR_FAMILY_ID, CTRL_ATTR_FAMILY_NAME = 1, 2
XFRM_VPE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../xfrm_vpe")


def constants():
    """{name without VPE_: number} of all enumerations"""
    with open(os.path.join(XFRM_VPE, "uapi/linux/vpe.h"), encoding="ascii") as header:
        text = re.sub(r"/\*.*?\*/", "", header.read(), flags=re.S)
    numbers = {}
    for body in re.findall(r"enum \w*\s*{(.*?)}", text, re.S):
        number = -1
        for name, value in re.findall(r"^\tVPE_(\w+)(?: = (\d+))?,", body, re.M):
            number = int(value) if value else number + 1
            numbers[name] = number
    return numbers


NUMBERS = constants()


def attr(name, data):
    """An attribute by name (NETNS_LANES) or number, of bytes."""
    return attribute(NUMBERS["A_" + name] if isinstance(name, str) else name, data)


def u16(number):
    return struct.pack("=H", number)


def be16(number):
    return struct.pack("!H", number)


def u32(number):
    return struct.pack("=I", number)


def be32(number):
    return struct.pack("!I", number)


def u64(number):
    return struct.pack("=Q", number)


def attributes(data):
    """[(number, bytes)]"""
    found, at = [], 0
    while at + 4 <= len(data):
        size, kind = struct.unpack_from("=HH", data, at)
        found.append((kind & 0x3fff, data[at + 4:at + size]))
        at += size + 3 & ~3
    return found


class Vpe:
    """A socket to the family, in the namespace and with the rights that its maker
    has now."""

    def __init__(self):
        self.sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_GENERIC)
        self.sock.bind((0, 0))
        self.sock.setsockopt(SOL_NETLINK, NETLINK_CAP_ACK, 1)
        self.sock.setsockopt(SOL_NETLINK, NETLINK_EXT_ACK, 1)
        self.family = GENL_ID_CTRL
        self.sock.send(self.message(CTRL_CMD_GETFAMILY,
                                    attribute(CTRL_ATTR_FAMILY_NAME, b"vpe\0")))
        told = dict(attributes(self.sock.recv(1 << 16)[20:]))
        self.family, = struct.unpack("=H", told[CTRL_ATTR_FAMILY_ID])

    def message(self, command, body, flags=0, seq=0):
        """command: a name (NETNS_SET) or a number"""
        if isinstance(command, str):
            command = NUMBERS["CMD_" + command]
        return struct.pack("=IHHIIBBH", 20 + len(body), self.family,
                           NLM_F_REQUEST | flags, seq, 0, command, 1, 0) + body

    def ask(self, command, body):
        """(errno, sentence) of what is no dump and has no reply"""
        self.sock.send(self.message(command, body, NLM_F_ACK))
        return answer(self.sock)

    def ask_many(self, command, bodies):
        """[(errno, sentence)] of those that were refused; few enough for one buffer"""
        last = len(bodies) - 1
        self.sock.send(b"".join(self.message(command, body, NLM_F_ACK * (seq == last), seq)
                                for seq, body in enumerate(bodies)))
        refused, seq = [], -1
        while seq != last:
            seq, = struct.unpack_from("=8xI", self.sock.recv(16, socket.MSG_PEEK))
            error, sentence = answer(self.sock)
            if error:
                refused.append((error, sentence))
        return refused

    def dump(self, command, body=b""):
        """[{number: bytes}], one for each message"""
        self.sock.send(self.message(command, body, NLM_F_DUMP))
        found = []
        while True:
            data, at = self.sock.recv(1 << 16), 0
            while at < len(data):
                size, kind = struct.unpack_from("=IH", data, at)
                if kind == NLMSG_DONE:
                    return found
                if kind == NLMSG_ERROR:
                    error, = struct.unpack_from("=i", data, at + 16)
                    raise OSError(-error, os.strerror(-error))
                found.append(dict(attributes(data[at + 20:at + size])))
                at += size + 3 & ~3

    def get(self, command, body=b""):
        """{number: bytes} of the one reply"""
        self.sock.send(self.message(command, body))
        data = self.sock.recv(1 << 16)
        size, kind = struct.unpack_from("=IH", data)
        if kind == NLMSG_ERROR:
            error, = struct.unpack_from("=i", data, 16)
            raise OSError(-error, os.strerror(-error))
        return dict(attributes(data[20:size]))
