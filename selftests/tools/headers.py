#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Packets with all sorts of headers through a tunnel, in the topology of middle.sh.

headers.py TENANT1 MID TENANT2           names of namespaces

	ds OUTER INNER FILE [few]        all DS fields
	shapes OUTER INNER FILE          hop limits, fragments, options, protocols

are commands read from standard input, one a line, each answered by "ok NUMBER",
the number of packets that tenant 1 had tunnelled, or "failed: REASON". FILE gets
a line for each packet on the wire and each that reached tenant 2.

Packets come from tenant 1. What hypervisor 1 sends is taken from MID's side of
the wire, changed as the case may be, and given to hypervisor 2.
"""
import ctypes
import io
import ipaddress
import os
import select
import socket
import struct
import sys

TENANT = {4: ("192.168.1.2", "192.168.2.2"), 6: ("fd00:1::2", "fd00:2::2")}
ETH = {4: 0x0800, 6: 0x86dd}
TENANT1_GATEWAY = bytes.fromhex("020000000201")
HV2 = bytes.fromhex("020000000002")
CLONE_NEWNET = 0x40000000
SLOW = os.environ.get("KSFT_MACHINE_SLOW") == "yes" or \
    os.environ.get("VPE_KERNEL") == "debug"
WAIT = 60 if SLOW else 20
MARKER = b"the last one"


class Failed(Exception):
    """What should not be."""


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def checksummed(packet):
    """An IPv4 packet with another header checksum."""
    size = (packet[0] & 15) * 4
    head = packet[:10] + b"\0\0" + packet[12:size]
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + packet[size:]


def address(text):
    return ipaddress.ip_address(text).packed


def addresses(family):
    return b"".join(map(address, TENANT[family]))


def ip4(proto, payload, tos=0, ttl=64, frag=0, options=b""):
    options += bytes(-len(options) % 4)
    size = 20 + len(options)
    return checksummed(struct.pack(
        "!BBHHHBBH", 0x40 | size // 4, tos, size + len(payload), 7, frag, ttl,
        proto, 0) + addresses(4) + options + payload)


def ip6(nexthdr, payload, tos=0, ttl=64, flow=0):
    return struct.pack("!IHBB", 6 << 28 | tos << 20 | flow, len(payload),
                       nexthdr, ttl) + addresses(6) + payload


def ip(family, proto, payload, **header):
    return (ip4 if family == 4 else ip6)(proto, payload, **header)


def udp(payload):
    """Nobody looks at its checksum."""
    return struct.pack("!HHHH", 9, 9, 8 + len(payload), 0x1234) + payload


def extension(nexthdr, data):
    """An IPv6 extension header, padded."""
    return bytes([nexthdr, (2 + len(data)) // 8]) + data + \
        bytes(-(2 + len(data)) % 8)


def ds_field(packet):
    if packet[0] >> 4 == 4:
        return packet[1]
    return struct.unpack_from("!H", packet)[0] >> 4 & 0xff


def with_ds_field(packet, tos):
    if packet[0] >> 4 == 4:
        return checksummed(packet[:1] + bytes([tos]) + packet[2:])
    first, = struct.unpack_from("!H", packet)
    return struct.pack("!H", first & 0xf00f | tos << 4) + packet[2:]


def outer_words(packet, inner):
    """An outer header but for length, ID and checksum. DF with IPv6 inside is not
    to be compared: ESP means to clear it for packets of 1280 bytes at most, as VPE
    does, but never does so."""
    if packet[0] >> 4 == 4:
        first, tos, frag, ttl = struct.unpack_from("!BB4xHB", packet)
        words = f"ihl {first & 15} ds {tos:#04x} ttl {ttl} "
        words += f"frag {frag:#06x}" if inner == 4 else f"frag {frag & ~0x4000:#06x}"
        ends = packet[12:16], packet[16:20]
    else:
        first, ttl = struct.unpack_from("!I3xB", packet)
        words = f"ds {first >> 20 & 255:#04x} flow {first & 0xfffff:#07x} ttl {ttl}"
        ends = packet[8:24], packet[24:40]
    return words + " " + " > ".join(str(ipaddress.ip_address(a)) for a in ends)


def inner_words(packet):
    """A packet as hex digits; IPv4 timestamps depend on the time."""
    if packet[0] >> 4 == 4 and packet[0] > 0x45 and packet[20] == 68:
        step = 8 if packet[23] & 1 else 4
        masked = bytearray(packet)
        masked[10:12] = b"\0\0"
        for at in range(24 + step - 4, 20 + packet[21], step):
            masked[at:at + 4] = bytes(4)
        packet = masked
    return packet.hex()


def is_neighbour_talk(packet):
    """ICMPv6 of the link: solicitations and the like, MLD."""
    if packet[0] >> 4 != 6:
        return False
    return packet[6] == 58 and 133 <= packet[40] <= 137 or \
        packet[8:10] == b"\xfe\x80" or packet[24] == 0xff


class Port:
    """One interface of one namespace: packets of one family, without link header."""

    def __init__(self, namespace, device, family):
        fd = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
        if ctypes.CDLL(None).setns(fd, CLONE_NEWNET):
            raise Failed(f"setns {namespace}")
        os.close(fd)
        self.to = device, ETH[family], 0, 0
        self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
        self.sock.bind((device, ETH[family]))
        self.sock.settimeout(WAIT)

    def fileno(self):
        return self.sock.fileno()

    def send(self, packet, mac):
        self.sock.sendto(packet, self.to + (mac,))

    def receive(self):
        while True:
            packet = self.sock.recv(65536)
            if not is_neighbour_talk(packet):
                return packet

    def is_ready(self):
        """Is there a packet? Others are taken away."""
        while select.select([self.sock], [], [], 0)[0]:
            if not is_neighbour_talk(self.sock.recv(65536, socket.MSG_PEEK)):
                return True
            self.sock.recv(65536)
        return False


class Path:
    """From tenant 1 to tenant 2."""

    def __init__(self, names, outer, inner, out):
        tenant1, mid, tenant2 = names
        self.start = Port(tenant1, "eth0", inner)
        self.left = Port(mid, "left", outer)
        self.right = Port(mid, "right", outer)
        self.end = Port(tenant2, "eth0", inner)
        self.inner, self.out = inner, out
        self.tunnelled = 0

    def wire(self, change=None):
        """One packet from hypervisor to hypervisor, with another DS field."""
        packet = self.left.receive()
        proto = packet[9] if packet[0] >> 4 == 4 else packet[6]
        if proto != 50:
            raise Failed(f"on the wire: {packet.hex()}")
        self.tunnelled += 1
        print("sent", outer_words(packet, self.inner), file=self.out)
        if change is not None:
            packet = with_ds_field(packet, change)
            print("changed", outer_words(packet, self.inner), file=self.out)
        self.right.send(packet, HV2)

    def received(self, out):
        packet = self.end.receive()
        print("received", inner_words(packet), file=out)
        return packet

    def one(self, packet, change=None):
        """One that is certain to arrive."""
        self.start.send(packet, TENANT1_GATEWAY)
        self.wire(change)
        return self.received(self.out)

    def all(self, packets):
        """As many of them as are let through; the last one is. Told after all that
        was on the wire: a busy machine has several under way."""
        for packet in packets:
            self.start.send(packet, TENANT1_GATEWAY)
        last, arrived = b"", io.StringIO()
        while MARKER not in last:
            if not select.select([self.left, self.end], [], [], WAIT)[0]:
                raise Failed("the last packet did not arrive")
            if self.end.is_ready():
                last = self.received(arrived)
            elif self.left.is_ready():
                self.wire()
        self.out.write(arrived.getvalue())


def ds(path, inner, few):
    """Each ECN sent, each ECN and another DSCP on the way."""
    for dscp in (46,) if few else (0, 46):
        for ecn in range(4):
            tos = dscp << 2 | ecn
            packet = ip(inner, 17, udp(b"tos %02x" % tos), tos=tos)
            for change in None, 0x50, 0x51, 0x52, 0x53:
                print(f"inner {tos:#04x}", file=path.out)
                got = path.one(packet, change)
                print(f"then {ds_field(got):#04x}", file=path.out)


def shapes4():
    payload = udp(b"0123456789")
    record = bytes([1, 7, 19, 4]) + bytes(16)
    stamps = bytes([68, 12, 5, 0]) + bytes(8)
    addressed = bytes([68, 20, 5, 1]) + bytes(16)
    for options in (bytes(4), bytes([1] * 8), record, stamps, addressed,
                    bytes([148, 4, 0, 0]), bytes([0x9e, 4, 1, 2]),
                    bytes([130, 11]) + bytes(9), bytes([1] * 40)):
        yield ip4(17, payload, options=options)
    # source routes at their ends
    for kind in 131, 137:
        yield ip4(17, payload, options=bytes([kind, 7, 8]) + address(TENANT[4][0]))
    for frag in 0x4000, 0x2000, 0x2001, 0x6001, 0x0001, 0x1fff:
        yield ip4(17, payload + bytes(6), frag=frag)
        yield ip4(17, payload + bytes(6), frag=frag, options=record)


def shapes6():
    payload = udp(b"0123456789")
    pad = bytes([1, 4, 0, 0, 0, 0])
    alert = bytes([5, 2, 0, 0, 1, 0])
    skip, refuse = bytes([0x1e, 4, 1, 2, 3, 4]), bytes([0x9e, 4, 1, 2, 3, 4])
    for option in pad, alert, skip, refuse:
        yield ip6(0, extension(17, option) + payload)
        yield ip6(60, extension(17, option) + payload)
    yield ip6(0, extension(60, alert) + extension(17, bytes([1, 28]) + bytes(28)) +
              payload)
    for kind in 0, 2, 4:
        route = extension(17, bytes([kind, 0]) + bytes(20))
        yield ip6(43, route + payload)
        yield ip6(0, extension(43, pad) + route + payload)
    for place in 0, 1, 8, 9, 0xfff8:
        fragment = struct.pack("!BxHI", 17, place, 7) + payload + bytes(6)
        yield ip6(44, fragment)
        yield ip6(60, extension(44, pad) + fragment)
    yield ip6(59, b"")
    yield ip6(59, payload)
    for flow in 1, 0x12345, 0xfffff:
        yield ip6(17, payload, flow=flow, tos=0x2a)


def shapes(path, inner, _):
    packets = [ip(inner, 17, udp(b"ttl %3d" % ttl), ttl=ttl)
               for ttl in (0, 1, 2, 3, 64, 255)]
    # TCP, IPIP, GRE, ESP, AH, SCTP, IPComp, unknown, none
    packets += [ip(inner, proto, bytes(range(64)))
                for proto in (6, 4, 41, 47, 50, 51, 132, 108, 253)]
    packets += [ip(inner, 17, b""), ip(inner, 253, b""), ip(inner, 253, b"1")]
    packets += shapes4() if inner == 4 else shapes6()
    path.all(packets + [ip(inner, 17, udp(MARKER))])


def command(words, names):
    outer, inner = int(words[1]), int(words[2])
    with open(words[3], "w", encoding="ascii") as out:
        path = Path(names, outer, inner, out)
        {"ds": ds, "shapes": shapes}[words[0]](path, inner, words[4:])
    return path.tunnelled


def main():
    os.sched_setaffinity(0, [0])	# so that no packet overtakes another
    for line in sys.stdin:
        try:
            print("ok", command(line.split(), sys.argv[1:4]), flush=True)
        except Exception as exception:	# pylint: disable=broad-except
            print(f"failed: {type(exception).__name__} {exception}", flush=True)


if __name__ == "__main__":
    main()
