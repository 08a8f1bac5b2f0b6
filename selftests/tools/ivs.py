#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Did an IV repeat under a key?

ivs.py KEYS CAPTURE...

KEYS has a line "SPI KEY" for each SA there was; a key with salt is of ESP, whose
IV is what stands in the packet. Prints "packets=N keys=N
windows=N repeats=N unknown=N"; the exit status is 1 if any IV was seen twice
under a key, unless it is the same packet in two captures of one wire (which
should not be given), or if an SPI is not in KEYS.
"""
import struct
import sys


def packets(path):
    with open(path, "rb") as f:
        f.read(24)
        while head := f.read(16):
            frame = f.read(struct.unpack("=IIII", head)[2])
            if frame[12:14] == b"\x08\x00" and frame[23] == 50:
                # a later fragment has no header
                if struct.unpack_from(">H", frame, 20)[0] & 0x1fff == 0:
                    yield frame[14 + (frame[14] & 15) * 4:]
            elif frame[12:14] == b"\x86\xdd" and frame[20] == 50:
                yield frame[54:]


def numbers(key, packet):
    """What makes the IV: Sender ID, Window ID, number."""
    if len(key) in (2 + 2 * 20, 2 + 2 * 28, 2 + 2 * 36):
        return 0, 0, struct.unpack_from(">Q", packet, 8)[0]
    return struct.unpack_from("<HHQ", packet, 4)


def main(keys_path, captures):
    keys = {}
    with open(keys_path) as f:
        for line in f:
            spi, key = line.split()
            keys[int(spi, 0)] = key
    seen, windows, count, repeats, unknown = set(), set(), 0, 0, 0
    for capture in captures:
        for vpe in packets(capture):
            spi, = struct.unpack_from(">I", vpe)
            count += 1
            if spi not in keys:
                unknown += 1
                continue
            iv = keys[spi], *numbers(keys[spi], vpe)
            if iv in seen:
                repeats += 1
                if repeats <= 5:
                    print(f"repeated: spi {spi:#x} sender, window, number {iv[1:]}")
            seen.add(iv)
            windows.add(iv[:3])
    print(f"packets={count} keys={len({iv[0] for iv in seen})} "
          f"windows={len(windows)} repeats={repeats} unknown={unknown}")
    return repeats > 0 or unknown > 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
