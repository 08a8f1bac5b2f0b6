# SPDX-License-Identifier: GPL-2.0
"""What the reports of the demonstrations have in common."""
import os
import re
import struct
import sys
import textwrap


def read(*path):
    with open(os.path.join(*path), encoding="utf-8") as f:
        return f.read()


def numbers(*path):
    """NAME=NUMBER words"""
    return {name: int(value) for name, value in re.findall(r"(\w+)=(\d+)", read(*path))}


def xfrm_growth(directory, before="xfrm-before", after="xfrm-after"):
    """{counter: growth} between two copies of /proc/net/xfrm_stat"""
    first, last = ({name: int(value) for name, value in
                    re.findall(r"(\w+)\s+(\d+)", read(directory, path))}
                   for path in (before, after))
    return {name: last[name] - first[name] for name in last}


def window_drops(directory):
    return xfrm_growth(directory)["XfrmInStateSeqError"]


def packets(path):
    """(seconds, packet without its Ethernet header) of a capture in classic pcap
    format"""
    with open(path, "rb") as f:
        data = f.read()
    pos = 24
    while pos + 16 <= len(data):
        seconds, micro, size = struct.unpack_from("=III", data, pos)
        yield seconds + micro / 1e6, data[pos + 30:pos + 16 + size]
        pos += 16 + size


def stop_if(demo, problems):
    """A measurement that these happened to is worth nothing."""
    for wrong, sentence in problems:
        if wrong:
            sys.exit(f"\n{demo}: {sentence}")


def print_folded(lead, words):
    print(textwrap.fill(words, 78, initial_indent=lead, subsequent_indent=" " * len(lead)))


def print_checks(checks):
    """(whether it is so, what) is to be seen; 1 if something is not so"""
    wrong = 0
    for so, what in checks:
        print_folded("  ok   " if so else "  NOT  ", what)
        wrong |= not so
    return int(wrong)
