# SPDX-License-Identifier: GPL-2.0
"""Just enough of io_uring to send memory by reference (IORING_OP_SEND_ZC)."""
import ctypes
import mmap
import os
import struct

SYS_IO_URING_SETUP, SYS_IO_URING_ENTER = 425, 426
IORING_ENTER_GETEVENTS = 1
IORING_FEAT_SINGLE_MMAP = 1
IORING_OFF_SQ_RING, IORING_OFF_SQES = 0, 0x10000000
IORING_OP_SEND_ZC = 47
IORING_CQE_F_MORE, IORING_CQE_F_NOTIF = 1 << 1, 1 << 3
ENTRIES = 64

libc = ctypes.CDLL(None, use_errno=True)


def syscall(*args):
    value = libc.syscall(*args)
    if value < 0:
        errno = ctypes.get_errno()
        raise OSError(errno, "io_uring: " + os.strerror(errno))
    return value


class Uring:
    """A ring that sends from one piece of memory (a mmap) to one socket."""

    def __init__(self, sock, pages):
        params = ctypes.create_string_buffer(120)
        self.fd = syscall(SYS_IO_URING_SETUP, ENTRIES, params)
        words = struct.unpack("=30I", params.raw)
        if not words[5] & IORING_FEAT_SINGLE_MMAP:
            raise OSError("io_uring: two rings")
        # struct io_sqring_offsets and struct io_cqring_offsets
        self.sq_tail, self.sq_mask, self.sq_array = words[11], words[12], words[16]
        self.cq_head, self.cq_tail, self.cq_mask, self.cqes = \
            words[20], words[21], words[22], words[25]
        self.ring = mmap.mmap(self.fd, max(self.sq_array + 4 * words[0],
                                           self.cqes + 16 * words[1]),
                              offset=IORING_OFF_SQ_RING)
        self.sqes = mmap.mmap(self.fd, 64 * words[0], offset=IORING_OFF_SQES)
        self.sock = sock.fileno()
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(pages))
        self.results, self.promised, self.told = [], 0, 0

    def word(self, at):
        return struct.unpack_from("=I", self.ring, at)[0]

    def set_word(self, at, value):
        struct.pack_into("=I", self.ring, at, value & 0xffffffff)

    def enter(self, submit):
        """Submits, waits until there is a completion and takes all there are."""
        syscall(SYS_IO_URING_ENTER, self.fd, submit, 1, IORING_ENTER_GETEVENTS, None, 0)
        head = self.word(self.cq_head)
        while head != self.word(self.cq_tail):
            at = self.cqes + 16 * (head & self.word(self.cq_mask))
            _, result, flags = struct.unpack_from("=QiI", self.ring, at)
            if flags & IORING_CQE_F_NOTIF:
                self.told += 1
            else:
                self.promised += bool(flags & IORING_CQE_F_MORE)
                self.results.append(result)
            head += 1
        self.set_word(self.cq_head, head)

    def send(self, at, end):
        """Bytes [at, end) of the memory; returns how many were sent."""
        tail = self.word(self.sq_tail)
        index = tail & self.word(self.sq_mask)
        struct.pack_into("=BBHiQQIIQ24x", self.sqes, 64 * index, IORING_OP_SEND_ZC, 0, 0,
                         self.sock, 0, self.address + at, end - at, 0, 0)
        self.set_word(self.sq_array + 4 * index, index)
        self.set_word(self.sq_tail, tail + 1)
        self.enter(1)
        while not self.results:
            self.enter(0)
        result = self.results.pop()
        if result < 0:
            raise OSError(-result, "IORING_OP_SEND_ZC: " + os.strerror(-result))
        return result

    def completions(self, number):
        """Until the kernel has told of number sends that it needs no memory of."""
        if self.promised != number:
            raise OSError(f"{self.promised} of {number} sends by reference")
        while self.told < number:
            self.enter(0)
        return self.told
