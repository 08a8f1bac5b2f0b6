#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What the family "vpe" lets be written, as a table.

writes.py TEST, in a network namespace that has the SAs of writes.sh:

  complete            the table knows all commands and attributes that write
  accepted            each right value: it changes what it names, and nothing else
  refused             each wrong request: an error and a sentence, and nothing changed
  mixed               a wrong setting beside a right one, before it and after it:
                      refused, and nothing changed
  unprivileged        nobody in particular may write
  userns              the root of a user namespace may not write here; in a network
                      namespace of its own it may, but what is the host's: bounds and
                      CPUs; nothing changes here
  borrowed            nor that by a socket of such a namespace that the host's
                      administrator writes to
"""
import ctypes
import errno
import os
import re
import socket
import struct
import sys

import sa as xfrm
from genl import NUMBERS, XFRM_VPE, Vpe, attr, attributes, be16, be32, u16, u32, u64

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
NLA_F_NESTED = 0x8000
SPI, GROUP_SPI, ESP_SPI, OUR_SENDER = 0x1001, 0x2001, 0x3001, 5
DST, GROUP = "10.0.0.2", "239.1.1.1"
PORT, TAKEN_PORT, SOCKET_PORT = 4500, 4501, 4502

# The kernel's own sentences
LENGTH = "invalid attribute length"
RANGE = "integer out of range"
SIZE = "binary attribute size out of range"
POLICY = "Attribute failed policy validation"
UNKNOWN = "Unknown attribute type"
UNSUPPORTED = "Unsupported attribute"
NESTED = "NLA_F_NESTED not expected"
TRAILING = "bytes leftover after parsing attributes"
# and ours
OUT_OF_RANGE = "VPE: the value is out of range"
HOST = "VPE: only the host's administrator sets bounds of windows, and chooses CPUs"
NO_CPUS = "VPE: this is no list of CPUs, as 0-3,8"
NO_WINDOW = "VPE: the request names no window or no number"
NO_SA = "VPE: there is no such SA of VPE or ESP with entropy"
NO_PORT = "VPE: the request names no port"
PORTS = "VPE: these are not UDP ports, or more than 8"


def dscp(*classes):
    return bytes(classes).ljust(64, b"\0")


# Of each setting: right values, and wrong ones with what is said of them
SETTINGS = {
    "RX_WINDOWS_MAX": ([u32(1), u32(70000), u32(0x7fffffff)],
                       [(u32(0), OUT_OF_RANGE), (u32(0x80000000), OUT_OF_RANGE),
                        (u32(0xffffffff), OUT_OF_RANGE)]),
    "SA_RX_WINDOWS_MAX": ([u32(1), u32(0x7fffffff)],
                          [(u32(0), OUT_OF_RANGE), (u32(0x80000000), OUT_OF_RANGE)]),
    "SENDER_RX_WINDOWS_MAX": ([u32(1), u32(0x7fffffff)],
                              [(u32(0), OUT_OF_RANGE), (u32(0x80000000), OUT_OF_RANGE)]),
    "LANES": ([u32(1), u32(8192)],
              [(u32(0), OUT_OF_RANGE), (u32(8193), OUT_OF_RANGE),
               (u32(0xffffffff), OUT_OF_RANGE)]),
    "UDP_CSUM": ([b"\1"], [(b"\2", RANGE), (b"\xff", RANGE)]),
    "UDP6_ZERO_CSUM_TX": ([b"\1"], [(b"\2", RANGE), (b"\xff", RANGE)]),
    "NVO3_PORTS": ([b"", be16(4789), be16(1) * 8],
                   [(be16(0), PORTS), (be16(4789) + be16(0), PORTS), (b"\1", PORTS),
                    (be16(4789) + b"\1", PORTS), (be16(4789) * 9, PORTS),
                    (be16(4789) * 16000, PORTS)]),
    "CLASS_MAP": ([dscp(1), dscp(*range(8))],
                  [(dscp(8), "VPE: classes are 0 to 7"), (bytes(63) + b"\x80",
                   "VPE: classes are 0 to 7"), (b"", SIZE), (bytes(63), SIZE),
                   (bytes(65), SIZE)]),
    "CLASS_SOURCE": ([u32(1)], [(u32(2), RANGE), (u32(0xffffffff), RANGE)]),
    "STEER_CPUS": ([b"0\0", b"\0"],
                   [(b"", POLICY), (b"0", POLICY), (b"0," * 600 + b"\0", POLICY),
                    (b"x\0", NO_CPUS), (b"0-\0", NO_CPUS), (b"1-0\0", NO_CPUS),
                    (b"4000\0", "VPE: the host has no such CPU")]),
    "FLOW_REKEY": ([u32(1), u32(86400)], [(u32(86401), RANGE), (u32(0xffffffff), RANGE)]),
}
HOSTS = "RX_WINDOWS_MAX", "SA_RX_WINDOWS_MAX", "SENDER_RX_WINDOWS_MAX", "STEER_CPUS"
ANY_LENGTH = "NVO3_PORTS", "CLASS_MAP", "STEER_CPUS"


def lengths(name, data):
    """Of a number: too short, too long. A flag has none."""
    sizes = {0, len(data) - 1, len(data) + 1, 2 * len(data)} if data else ()
    return [(name, data[:size].ljust(size, b"\0"), LENGTH) for size in sizes]


def settings_refused():
    """[(attribute, data, sentence)]"""
    wrong = [(f"NETNS_{name}", data, sentence)
             for name, (_, refused) in SETTINGS.items() for data, sentence in refused]
    for name, (right, _) in SETTINGS.items():
        if name not in ANY_LENGTH:
            wrong += lengths(f"NETNS_{name}", right[0])
        wrong.append((NUMBERS[f"A_NETNS_{name}"] | NLA_F_NESTED, right[0], NESTED))
    # What is only told, and what there is not
    written = {NUMBERS[f"A_NETNS_{name}"] for name in SETTINGS}
    last = max(written)
    wrong += [(number, u32(1), UNSUPPORTED)
              for number in range(1, last) if number not in written]
    wrong += [(number, data, UNKNOWN)
              for number in (last + 1, last + 2, 1000, 0x3fff) for data in (b"", u32(1))]
    return wrong


def window(**named):
    """A request to set a window; None leaves an attribute out."""
    values = {"FAMILY": u16(socket.AF_INET), "DST": socket.inet_pton(socket.AF_INET, DST),
              "SPI": be32(SPI), "SENDER_ID": u16(0), "WINDOW_ID": u16(3), "SEQ": u64(100)}
    values.update(named)
    return b"".join(attr(f"WINDOW_{name}", data)
                    for name, data in values.items() if data is not None)


def group_window(sender, **named):
    return window(DST=socket.inet_pton(socket.AF_INET, GROUP), SPI=be32(GROUP_SPI),
                  SENDER_ID=sender, **named)


def clock(**named):
    """A request to clock the SA of the group, so slowly that nothing is sent before it
    is undone."""
    values = {"FAMILY": u16(socket.AF_INET), "DST": socket.inet_pton(socket.AF_INET, GROUP),
              "SPI": be32(GROUP_SPI), "CLOCK_RATE": u32(1), "CLOCK_SIZE": u32(100)}
    values.update(named)
    return b"".join(attr(f"SA_{name}", data) for name, data in values.items()
                    if data is not None)


def other_clock(spi, **named):
    return clock(DST=socket.inet_pton(socket.AF_INET, DST), SPI=be32(spi), **named)


def port(number):
    return attr("LISTEN_PORT", be16(number))


ZERO_CSUM = attr("LISTEN_UDP6_ZERO_CSUM_RX", b"")
OWN = "VPE: packets with our own Sender ID are never accepted"
SENDER = "VPE: the Sender ID of a window is 0 outside of groups, and only there"
ESP = "VPE: the window of ESP is set by its SA's replay state"


def wrong_attributes(prefix, good, numbers):
    """Wrong attributes beside good ones; numbers: {name: right data}"""
    requests = [(good + attr(name, data), sentence) for given, right in numbers.items()
                for name, data, sentence in lengths(f"{prefix}_{given}", right)]
    requests += [(good + attr(NUMBERS[f"A_{prefix}_{given}"] | NLA_F_NESTED, right), NESTED)
                 for given, right in numbers.items()]
    last = max(NUMBERS[f"A_{prefix}_{given}"] for given in numbers)
    requests += [(good + attr(number, u32(1)), UNKNOWN) for number in (last + 1, 1000)]
    requests += [(attr(last + 1, b"") + good, UNKNOWN), (good + b"\0\0\0", TRAILING),
                 (good + attr(f"{prefix}_PAD", b""), UNSUPPORTED)]
    return requests


CLOCK = {"FAMILY": u16(2), "SPI": be32(GROUP_SPI), "MARK": u32(0), "CLOCK_RATE": u32(1),
         "CLOCK_SIZE": u32(100)}
CLOCK_OFF = "CLOCK_SET", clock(CLOCK_RATE=u32(0), CLOCK_SIZE=None)
NO_RATE = "VPE: the request names no rate"
RATE = "VPE: too many packets a second for the lanes of one CPU"
CLOCK_SIZE = "VPE: no packet can have that size"
PATH = "VPE: the path does not take packets of that size"
WINDOW = {"FAMILY": u16(2), "SPI": be32(SPI), "SENDER_ID": u16(0), "WINDOW_ID": u16(3),
          "SEQ": u64(100)}

# Of each command: right requests (with one to undo it, or not), and wrong ones
COMMANDS = {
    "NETNS_SET": (
        [(attr(f"NETNS_{name}", data), None)
         for name, (right, _) in SETTINGS.items() for data in right],
        [(attr(name, data), sentence) for name, data, sentence in settings_refused()] +
        [(b"", "VPE: the request names nothing to set"),
         (attr("NETNS_LANES", u32(7)) + b"\0", TRAILING)]),
    "LISTEN_NEW": (
        [(port(PORT), ("LISTEN_DEL", port(PORT))),
         (port(PORT) + ZERO_CSUM, ("LISTEN_DEL", port(PORT))),
         (port(65535), ("LISTEN_DEL", port(65535)))],
        [(b"", NO_PORT), (ZERO_CSUM, NO_PORT), (port(0), RANGE),
         (port(TAKEN_PORT), "VPE: that port is listened on already"),
         (port(TAKEN_PORT) + ZERO_CSUM, "VPE: that port is listened on already"),
         (port(SOCKET_PORT), "VPE: another socket has that port"),
         (port(PORT) + attr("LISTEN_UDP6_ZERO_CSUM_RX", b"\1"), POLICY),
         (port(PORT) + attr("LISTEN_KEEPALIVE", u64(1)), UNKNOWN)] +
        wrong_attributes("LISTEN", port(PORT), {"PORT": be16(PORT),
                                                "UDP6_ZERO_CSUM_RX": b""})),
    "LISTEN_DEL": (
        [(port(TAKEN_PORT), ("LISTEN_NEW", port(TAKEN_PORT)))],
        [(b"", NO_PORT), (port(0), RANGE),
         (port(PORT), "VPE: nothing of ours listens on that port"),
         (port(SOCKET_PORT), "VPE: nothing of ours listens on that port"),
         (port(TAKEN_PORT) + ZERO_CSUM, UNKNOWN)] +
        wrong_attributes("LISTEN", port(TAKEN_PORT), {"PORT": be16(TAKEN_PORT)})),
    "WINDOW_SET": (
        [(window(), None), (window(SEQ=u64(101)), None),
         (window(WINDOW_ID=u16(65535), SEQ=u64(0)), None),
         (window(WINDOW_ID=u16(65534), SEQ=u64(2**64 - 1)), None),
         (window(FAMILY=None, DST=None, SENDER_ID=None, WINDOW_ID=u16(9)), None),
         (group_window(u16(6)), None), (group_window(u16(65535)), None)],
        [(b"", NO_WINDOW), (window(WINDOW_ID=None), NO_WINDOW),
         (window(SEQ=None), NO_WINDOW), (window(SPI=None), "VPE: the request names no SPI"),
         (window(SPI=be32(SPI + 1)), NO_SA), (window(FAMILY=u16(10)), NO_SA),
         (window(FAMILY=u16(0)), NO_SA),
         (window(DST=socket.inet_pton(socket.AF_INET, "10.0.0.3")), NO_SA),
         (window(DST=bytes(5)), NO_SA), (window(DST=bytes(16)), NO_SA),
         (window(DST=b""), SIZE), (window(DST=bytes(3)), SIZE),
         (window(SENDER_ID=u16(6)), SENDER), (group_window(None), SENDER),
         (group_window(u16(0)), SENDER), (group_window(u16(OUR_SENDER)), OWN),
         (window(SPI=be32(ESP_SPI)), ESP),
         (window() + attr("WINDOW_DIRECTION", u32(1)), UNSUPPORTED)] +
        wrong_attributes("WINDOW", window(), WINDOW)),
    "CLOCK_SET": (
        [(clock(), CLOCK_OFF), (clock(CLOCK_SIZE=u32(1448)), CLOCK_OFF),
         (clock(FAMILY=None, DST=None, MARK=u32(0)), CLOCK_OFF)],
        [(b"", NO_RATE), (clock(CLOCK_RATE=None), NO_RATE),
         (clock(SPI=None), "VPE: the request names no SPI"),
         (clock(SPI=be32(GROUP_SPI + 1)), NO_SA), (clock(FAMILY=u16(10)), NO_SA),
         (clock(MARK=u32(1)), NO_SA), (clock(DST=bytes(5)), NO_SA),
         (clock(DST=b""), SIZE), (clock(CLOCK_RATE=u32(1000001)), RATE),
         (clock(CLOCK_RATE=u32(0xffffffff)), RATE), (clock(CLOCK_SIZE=None), CLOCK_SIZE),
         (clock(CLOCK_SIZE=u32(63)), CLOCK_SIZE), (clock(CLOCK_SIZE=u32(65484)), CLOCK_SIZE),
         (clock(CLOCK_SIZE=u32(0xffffffff)), CLOCK_SIZE),
         (other_clock(ESP_SPI), "VPE: a clock is for VPE in tunnel mode"),
         (clock(CLOCK_SIZE=u32(1449)), PATH), (clock(CLOCK_SIZE=u32(65483)), PATH),
         (other_clock(SPI, CLOCK_SIZE=u32(1449)), PATH),
         (clock() + attr("SA_CLASSES", u32(1)), UNSUPPORTED)] +
        wrong_attributes("SA", clock(), CLOCK)),
}
# Of which set a command's attributes are, if that has another name
SETS = {"CLOCK": "SA"}
# Only told; of windows all of it, as what a right request does to it is looked at
TOLD = {
    "NETNS": ["STATS", "DROPS", "PAD"],
    "LISTEN": ["PAD", "KEEPALIVE", "MARKER", "SHORT", "NOMEM"],
    "SA": ["PAD", "STATS", "DROPS", "LATE_ACCEPTED", "LATE_REFUSED"],
    "WINDOW": ["PAD"],
}


def without(prefix, told):
    """[(number, bytes)] but what only counts"""
    hidden = {NUMBERS[f"A_{prefix}_{name}"] for name in TOLD[prefix]}
    return tuple(sorted((f"{prefix} {number}", data) for number, data in told.items()
                        if number not in hidden))


def state(vpe):
    """All that writes could change."""
    found = {without("NETNS", vpe.get("NETNS_GET"))}
    for prefix in "LISTEN", "SA", "WINDOW":
        found |= {without(prefix, told) for told in vpe.dump(f"{prefix}_GET")}
    return found


FAILURES = []
TOLD_MAX = 20


def wrong(text):
    FAILURES.append(text)
    if len(FAILURES) <= TOLD_MAX:
        print(text[:500])


def must_refuse(vpe, command, body, error, sentence):
    """error: None, any"""
    got, said = vpe.ask(command, body)
    if not got or error not in (None, got) or sentence is not None and said != sentence:
        wrong(f"{command} {body.hex()}: {os.strerror(got) if got else 'accepted'}, '{said}', "
              f"not '{sentence}'")


def must_accept(vpe, command, body):
    error, sentence = vpe.ask(command, body)
    if error:
        wrong(f"{command} {body.hex()}: {os.strerror(error)}, '{sentence}'")


def must_be(text, now, before):
    if now == before:
        return
    gone, come = ({pair for entry in entries for pair in entry}
                  for entries in (before - now, now - before))
    wrong(f"{text}: gone: {sorted(gone - come)}; come: {sorted(come - gone)}")


def complete():
    """By the generated code; what the specification has more is missing here."""
    with open(os.path.join(XFRM_VPE, "netlink-gen.c"), encoding="ascii") as file:
        text = file.read()
    writing = re.findall(r"= VPE_CMD_(\w+),(?:(?!\},\n).)*?\.flags", text, re.S)
    if sorted(writing) != sorted(COMMANDS):
        wrong(f"commands that write: {writing}; of the table: {list(COMMANDS)}")
    for command in set(writing) & set(COMMANDS):
        policy, = re.findall(rf"vpe_{command.lower()}_nl_policy\[[^]]*\] = {{(.*?)\n}};",
                             text, re.S)
        named = {NUMBERS[name] for name in re.findall(r"\[VPE_(\w+)\]", policy)}
        tried = {number for body, _ in COMMANDS[command][0] for number, _ in attributes(body)}
        prefix = command.split("_", maxsplit=1)[0]
        names = [name for name, number in NUMBERS.items()
                 if name.startswith(f"A_{SETS.get(prefix, prefix)}_") and
                 number in named - tried]
        if names:
            wrong(f"{command}: the table has no right value of {' '.join(names)}")
    print(f"{len(writing)} commands")


def restore(vpe, before):
    """All settings, as netns-get told them"""
    body = b"".join(attr(f"NETNS_{name}", before[NUMBERS[f"A_NETNS_{name}"]])
                    for name in SETTINGS)
    must_accept(vpe, "NETNS_SET", body)


def accepted_setting(vpe, name, data, before):
    number = NUMBERS[f"A_NETNS_{name}"]
    must_accept(vpe, "NETNS_SET", attr(f"NETNS_{name}", data))
    now = vpe.get("NETNS_GET")
    if now[number] != data:
        wrong(f"{name} {data.hex()}: is {now[number].hex()}")
    for other in SETTINGS:
        at = NUMBERS[f"A_NETNS_{other}"]
        if at != number and now[at] != before[at]:
            wrong(f"{name} {data.hex()} changed {other}: {now[at].hex()}")
    restore(vpe, before)


def accepted():
    vpe = Vpe()
    before, whole = vpe.get("NETNS_GET"), state(vpe)
    number = 0
    for name, (right, _) in SETTINGS.items():
        for data in right:
            accepted_setting(vpe, name, data, before)
            number += 1
    # Counters of new classes stay
    hidden = {f"SA {NUMBERS['A_SA_CLASSES']}"}
    plain = [{tuple(pair for pair in entry if pair[0] not in hidden) for entry in entries}
             for entries in (state(vpe), whole)]
    must_be("all settings, there and back", *plain)
    for command, (right, _) in COMMANDS.items():
        for body, undo in right if command != "NETNS_SET" else []:
            whole = state(vpe)
            must_accept(vpe, command, body)
            if state(vpe) == whole:
                wrong(f"{command} {body.hex()}: changes nothing")
            if undo:
                must_accept(vpe, *undo)
                must_be(f"{command} {body.hex()} and back", state(vpe), whole)
            number += 1
    # There is no way back.
    whole = state(vpe)
    for seq in 0, 1, 99, 100, 101:
        must_accept(vpe, "WINDOW_SET", window(SEQ=u64(seq)))
    must_be("numbers closed before", state(vpe), whole)
    print(f"{number} right requests")


def refused():
    vpe = Vpe()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("0.0.0.0", SOCKET_PORT))
        before, number = state(vpe), 0
        for command, (_, requests) in COMMANDS.items():
            for body, sentence in requests:
                must_refuse(vpe, command, body, None, sentence)
                must_be(f"{command} {body.hex()}", state(vpe), before)
                number += 1
        # A number that is no command
        for command in 0, NUMBERS["CMD_EVENT"], NUMBERS["CMD_EVENT"] + 1, 255:
            must_refuse(vpe, command, b"", errno.EOPNOTSUPP, None)
        # The bound of windows, which are there already
        must_accept(vpe, "NETNS_SET", attr("NETNS_SA_RX_WINDOWS_MAX", u32(1)))
        bounded = state(vpe)
        for body in window(WINDOW_ID=u16(1000)), group_window(u16(1000)):
            must_refuse(vpe, "WINDOW_SET", body, errno.ENOSPC,
                        "VPE: the bound of receive windows is reached")
            must_be("a window over the bound", state(vpe), bounded)
        must_accept(vpe, "NETNS_SET", attr("NETNS_SA_RX_WINDOWS_MAX", u32(65536)))
        must_be("the bound, and back", state(vpe), before)
    print(f"{number} wrong requests")


def mixed():
    vpe = Vpe()
    before, number = state(vpe), 0
    for name, (right, _) in SETTINGS.items():
        for other, data, sentence in settings_refused():
            if other == f"NETNS_{name}" or len(data) > 100:
                continue
            pair = attr(f"NETNS_{name}", right[0]), attr(other, data)
            for body in pair[0] + pair[1], pair[1] + pair[0]:
                must_refuse(vpe, "NETNS_SET", body, None, sentence)
                number += 1
            must_be(f"{name} {right[0].hex()} beside {other} {data.hex()}", state(vpe), before)
    print(f"{number} requests with a right setting and a wrong one")


def in_child(function, *args):
    """In a process of its own, so that what it gives up is not lost here."""
    sys.stdout.flush()
    pid = os.fork()
    if not pid:
        try:
            function(*args)
        except BaseException as exception:	# pylint: disable=broad-except
            wrong(f"{type(exception).__name__} {exception}")
        sys.stdout.flush()
        os._exit(bool(FAILURES))
    if os.waitpid(pid, 0)[1]:
        FAILURES.append("child")


def new_sa(key):
    return xfrm.new_sa(xfrm.argparse.Namespace(
        src="10.0.0.1", dst=DST, spi=SPI, key=key, mode="tunnel", sender=None,
        classic=False, dir=None, pcpu=None))


def xfrm_ask(request):
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, xfrm.NETLINK_XFRM) as sock:
        sock.bind((0, 0))
        sock.setsockopt(xfrm.SOL_NETLINK, xfrm.NETLINK_CAP_ACK, 1)
        sock.setsockopt(xfrm.SOL_NETLINK, xfrm.NETLINK_EXT_ACK, 1)
        sock.send(request)
        return xfrm.answer(sock)


def nobody_writes(*sockets):
    for vpe in sockets or [Vpe()]:
        for command, (right, _) in COMMANDS.items():
            for body, _ in right:
                must_refuse(vpe, command, body, errno.EPERM, None)
    error, _ = xfrm_ask(new_sa(os.urandom(16)))
    if error != errno.EPERM:
        wrong(f"XFRM_MSG_NEWSA: {os.strerror(error)}")


def unprivileged():
    vpe = Vpe()
    before = state(vpe)

    def drop():
        os.setgroups([])
        os.setresgid(65534, 65534, 65534)
        os.setresuid(65534, 65534, 65534)
        # Its own socket, and one that root opened
        nobody_writes(Vpe(), vpe)
        must_be("what it sees", state(Vpe()), before)

    in_child(drop)
    must_be("without rights", state(vpe), before)


def unshare(flags):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(flags):
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def own_namespace():
    unshare(CLONE_NEWUSER | CLONE_NEWNET)
    vpe = Vpe()
    error, said = xfrm_ask(new_sa(os.urandom(16)))
    if error:
        wrong(f"XFRM_MSG_NEWSA: {os.strerror(error)}, '{said}'")
    for name, (right, _) in SETTINGS.items():
        before = state(vpe)
        for data in right:
            body = attr(f"NETNS_{name}", data)
            if name not in HOSTS:
                must_accept(vpe, "NETNS_SET", body)
                continue
            for request in body, body + attr("NETNS_LANES", u32(7)), \
                    attr("NETNS_LANES", u32(7)) + body:
                must_refuse(vpe, "NETNS_SET", request, errno.EPERM, HOST)
            must_be(name, state(vpe), before)
    must_accept(vpe, "LISTEN_NEW", port(TAKEN_PORT))
    must_accept(vpe, "LISTEN_DEL", port(TAKEN_PORT))
    must_accept(vpe, "LISTEN_NEW", port(PORT))
    must_accept(vpe, "WINDOW_SET", window(WINDOW_ID=u16(77)))
    if len(vpe.dump("WINDOW_GET")) != 1 or len(vpe.dump("SA_GET")) != 1:
        wrong("what it wrote is not there")


def no_namespace():
    """Root of a user namespace, in the network namespace of the host's"""
    host = Vpe()
    unshare(CLONE_NEWUSER)
    nobody_writes(Vpe(), host)


def userns():
    vpe = Vpe()
    before = state(vpe)
    in_child(own_namespace)
    must_be("from a namespace of its own", state(vpe), before)
    in_child(no_namespace)
    must_be("from this namespace", state(vpe), before)


def borrowed():
    ours, theirs = socket.socketpair()
    for end in ours, theirs:
        end.settimeout(30)

    def lend():
        unshare(CLONE_NEWUSER | CLONE_NEWNET)
        vpe = Vpe()
        before = state(vpe)
        socket.send_fds(theirs, [u16(vpe.family)], [vpe.sock.fileno()])
        theirs.recv(1)
        after = state(Vpe())
        lanes = ("NETNS %d" % NUMBERS["A_NETNS_LANES"],)
        must_be("bounds", {tuple(p for p in e if p[0] not in lanes) for e in after},
                {tuple(p for p in e if p[0] not in lanes) for e in before})

    def borrow():
        data, fds, _, _ = socket.recv_fds(ours, 2, 1)
        vpe = Vpe()
        vpe.sock, (vpe.family,) = socket.socket(fileno=fds[0]), struct.unpack("=H", data)
        for name in HOSTS:
            must_refuse(vpe, "NETNS_SET", attr(f"NETNS_{name}", SETTINGS[name][0][0]),
                        errno.EPERM, HOST)
        must_accept(vpe, "NETNS_SET", attr("NETNS_LANES", u32(16)))
        ours.send(b"x")

    sys.stdout.flush()
    pid = os.fork()
    if not pid:
        borrow()
        sys.stdout.flush()
        os._exit(bool(FAILURES))
    in_child(lend)
    if os.waitpid(pid, 0)[1]:
        FAILURES.append("child")


def main(test):
    tests = (complete, accepted, refused, mixed, unprivileged, userns, borrowed)
    {function.__name__: function for function in tests}[test]()
    if len(FAILURES) > TOLD_MAX:
        print(f"... {len(FAILURES)} in all")
    sys.exit(bool(FAILURES))


if __name__ == "__main__":
    main(*sys.argv[1:])
