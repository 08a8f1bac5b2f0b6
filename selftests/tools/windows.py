#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Receive windows by the thousand, in this namespace.

windows.py set DST SPI,... SENDER IDS [SENDERS]
                                   number 1 closed in windows IDS of that Sender ID,
                                   and of as many that follow in all; prints how
                                   many, and why others were refused
windows.py dump NAME=VALUE,...     how many messages the kernel sends when asked for
                                   windows of spi, sender-id, window-id, direction;
                                   a line for each argument, which may be empty
windows.py once FILE [SPI IDS LACKING]...
                                   "ip -j xfrm vpe window show" printed FILE: no window
                                   twice, and all IDS of these SPIs (Sender ID 0) but
                                   the LACKING; prints how many others

IDS are FIRST-LAST, FIRST-LAST/STEP, several separated by commas, or "no".
"""
import collections
import json
import socket
import sys

from genl import Vpe, attr, be32, u16, u32, u64

AT_ONCE = 64


def ids(text):
    numbers = []
    for span in text.split(",") if text != "no" else ():
        span, _, step = span.partition("/")
        first, _, last = span.partition("-")
        numbers += range(int(first), int(last) + 1, int(step or 1))
    return numbers


def make(dst, spis, sender, windows, senders="1"):
    sas = [attr("WINDOW_FAMILY", u16(socket.AF_INET)) +
           attr("WINDOW_DST", socket.inet_pton(socket.AF_INET, dst)) +
           attr("WINDOW_SPI", be32(int(spi, 0))) for spi in spis.split(",")]
    seq = attr("WINDOW_SEQ", u64(1))
    bodies = [sa + attr("WINDOW_SENDER_ID", u16(int(sender) + n)) +
              attr("WINDOW_WINDOW_ID", u16(window)) + seq
              for sa in sas for n in range(int(senders)) for window in ids(windows)]
    vpe, refused = Vpe(), []
    for at in range(0, len(bodies), AT_ONCE):
        refused += vpe.ask_many("WINDOW_SET", bodies[at:at + AT_ONCE])
    print(f"made={len(bodies) - len(refused)} refused={len(refused)}")
    for (_, sentence), times in collections.Counter(refused).items():
        print(f"{times} {sentence}")


FILTERS = {
    "spi": lambda n: attr("WINDOW_SPI", be32(n)),
    "direction": lambda n: attr("WINDOW_DIRECTION", u32(n)),
    "sender-id": lambda n: attr("WINDOW_SENDER_ID", u16(n)),
    "window-id": lambda n: attr("WINDOW_WINDOW_ID", u16(n)),
}


def dump(*requests):
    vpe = Vpe()
    for request in requests:
        words = [word.split("=") for word in request.split(",") if word]
        body = b"".join(FILTERS[name](int(value, 0)) for name, value in words)
        print(len(vpe.dump("WINDOW_GET", body)))


def once(path, *sas):
    with open(path, encoding="ascii") as file:
        shown = collections.Counter(
            (w["spi"], w["direction"], w["sender-id"], w["window-id"])
            for w in json.load(file))
    wanted = {(int(spi, 0), "rx", 0, window)
              for spi, windows, lacking in zip(*[iter(sas)] * 3)
              for window in set(ids(windows)) - set(ids(lacking))}
    twice = [window for window, times in shown.items() if times > 1]
    missed = sorted(wanted - shown.keys())
    print(f"lasting={len(wanted)} others={len(shown.keys() - wanted)} "
          f"twice={len(twice)} missed={len(missed)}")
    if twice or missed:
        sys.exit(f"twice: {twice[:5]}; missed: {missed[:5]}")


def main(action, *args):
    {"set": make, "dump": dump, "once": once}[action](*args)


if __name__ == "__main__":
    main(*sys.argv[1:])
