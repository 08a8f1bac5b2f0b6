#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""
VPE and ESP packets taken apart and put together, by nothing that the module uses:
see Documentation/protocol.rst.

	sent FAMILY KEY SRC DST SPI [OPTION...]
	sent-esp FAMILY KEY SRC DST SPI FIRST
	inject KIND FAMILY KEY SRC DST SPI [NUMBER]

are commands read from standard input, one a line (loading the cipher takes
longer than all else), each answered by a line "ok" or "failed: REASON". Runs in
the namespace of the sending hypervisor, whose wire is eth0. KEY is AES-GCM's and
the layout spi-first on protocol 50; chacha:KEY, ares:KEY, udp:KEY and these
together say otherwise; esp:KEY is ESP's, with salt, esn: with extended sequence
numbers, transport: in that mode. SRC and DST are outer addresses. Inner addresses are those
of lib.sh.
"""
import ipaddress
import json
import os
import re
import socket
import struct
import subprocess
import sys
import time

from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

INNER = {4: ("192.168.1.1", "192.168.2.1"), 6: ("fd00:1::1", "fd00:2::1")}
UDP_PORT = 4500
ETH = {4: 0x0800, 6: 0x86dd}
SLOW = "yes" in (os.environ.get("KSFT_MACHINE_SLOW"), os.environ.get("KSFT_QUICK")) or \
    os.environ.get("VPE_KERNEL") == "debug"


CPUS = os.sched_getaffinity(0)


class Failed(Exception):
    """What a packet on the wire should not be."""


def expect(what, got, want):
    if got != want:
        raise Failed(f"{what}: {got}, should be {want}")


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def ip_header(family, src, dst, proto, length, tos=0, df=False, ident=0,
              ttl=64, frag=0):
    """Without what follows it, which has length bytes."""
    src = ipaddress.ip_address(src).packed
    dst = ipaddress.ip_address(dst).packed
    if family == 6:
        return struct.pack("!IHBB", 6 << 28 | tos << 20, length, proto,
                           ttl) + src + dst
    head = struct.pack("!BBHHHBBH", 0x45, tos, 20 + length, ident,
                       (0x4000 if df else 0) | frag, ttl, proto, 0) + src + dst
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:]


def ip_fragment(family, src, dst, proto, piece, at, more, ident):
    """The fragment with what is from byte at on, and whether more follows."""
    if family == 4:
        return ip_header(4, src, dst, proto, len(piece), ident=ident,
                         frag=at // 8 | (0x2000 if more else 0)) + piece
    head = struct.pack("!BxHI", proto, at | more, ident)
    return ip_header(6, src, dst, 44, len(head + piece)) + head + piece


def udp(src, dst, port, payload, sport=None):
    """A UDP packet without IP header, from and to one port, or from another."""
    packet = struct.pack("!HHHH", sport or port, port, 8 + len(payload), 0) + payload
    pseudo = ipaddress.ip_address(src).packed + \
        ipaddress.ip_address(dst).packed + struct.pack("!II", len(packet), 17)
    check = checksum(pseudo + packet) or 0xffff
    return packet[:6] + struct.pack("!H", check) + packet[8:]


def inner_udp(family, payload, **header):
    """A UDP packet (port 9) between the inner addresses."""
    packet = udp(*INNER[family], 9, payload)
    return ip_header(family, *INNER[family], 17, len(packet), **header) + packet


class Sa:
    """One direction of a tunnel: key, SPI, outer addresses."""

    def __init__(self, family, key, src, dst, spi):
        self.family = int(family)
        *how, key = key.split(":")
        key = bytes.fromhex(key[2:])
        self.esp, self.esn = "esp" in how, "esn" in how
        self.transport = "transport" in how
        if self.esp:
            key, self.salt = key[:-4], key[-4:]
        cipher = ChaCha20Poly1305 if "chacha" in how else AESGCM
        self.aead = cipher(key)
        self.ares = "ares" in how
        self.udp = 8 if "udp" in how else 0	# bytes
        self.sports = {}			# seen, by window
        self.src, self.dst = src, dst
        self.spi = int(spi, 0)

    def seal(self, seq, plain, window=0, sender=None):
        """A packet without outer header; in transport mode, of UDP."""
        if self.esp:
            return self.seal_esp(seq, plain)
        if sender is None:
            sender = 17 if self.transport else 0
        iv = struct.pack("<HHQ", sender, window, seq)
        sealed = self.aead.encrypt(iv, plain, None)
        head = iv + struct.pack("<I", self.spi) if self.ares else \
            struct.pack("!I", self.spi) + iv
        return head + sealed[-16:] + sealed[:-16]

    def open(self, packet):
        """(sender, window, seq, plaintext) of a VPE packet."""
        if self.ares:
            iv, (spi,) = packet[:12], struct.unpack_from("<I", packet, 12)
        else:
            iv, (spi,) = packet[4:16], struct.unpack_from("!I", packet)
        expect("SPI", hex(spi), hex(self.spi))
        icv, sealed = packet[16:32], packet[32:]
        plain = self.aead.decrypt(iv, sealed + icv, None)
        return struct.unpack("<HHQ", iv) + (plain,)

    def esp_aad(self, seq):
        """RFC 4106, section 5"""
        if self.esn:
            return struct.pack("!IQ", self.spi, seq)
        return struct.pack("!II", self.spi, seq)

    def seal_esp(self, seq, plain, next_header=None, padding=None, pad_len=None):
        """An ESP packet (RFC 4303, figure 2), padded as it should be or not."""
        if next_header is None and self.transport:
            next_header = 17
        elif next_header is None:
            next_header = 41 if plain and plain[0] >> 4 == 6 else 4
        if padding is None:
            padding = bytes(range(1, 1 + -(len(plain) + 2) % 4))
        if pad_len is None:
            pad_len = len(padding)
        iv = os.urandom(8)
        sealed = self.aead.encrypt(self.salt + iv, plain + padding +
                                   bytes([pad_len, next_header]), self.esp_aad(seq))
        return struct.pack("!II", self.spi, seq & 0xffffffff) + iv + sealed

    def open_esp(self, packet, seq):
        """(IV, plaintext, next header) of the ESP packet that has this number."""
        spi, low = struct.unpack_from("!II", packet)
        expect("SPI", hex(spi), hex(self.spi))
        expect("sequence number", low, seq & 0xffffffff)
        text = self.aead.decrypt(self.salt + packet[8:16], packet[16:],
                                 self.esp_aad(seq))
        expect("length of the encrypted", len(text) % 4, 0)
        pad_len, next_header = text[-2:]
        padding = text[len(text) - 2 - pad_len:-2]
        expect("length of the padding", pad_len, -(len(text) - pad_len) % 4)
        expect("padding", padding.hex(), bytes(range(1, 1 + pad_len)).hex())
        return struct.unpack_from("!Q", packet, 8)[0], text[:len(text) - 2 - pad_len], \
            next_header

    def outer(self, vpe, proto=50, **header):
        if self.udp and proto == 50:
            vpe = udp(self.src, self.dst, UDP_PORT, vpe, 50000 + len(vpe) % 1000)
            proto = 17
        return ip_header(self.family, self.src, self.dst, proto, len(vpe),
                         **header) + vpe


class Wire:
    """eth0 of this namespace, outgoing packets only."""

    def __init__(self, family):
        self.family = family
        self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW,
                                  socket.htons(0x0003))
        self.sock.bind(("eth0", 0x0003))
        self.sock.settimeout(60 if SLOW else 20)

    def __iter__(self):
        while True:
            frame, addr = self.sock.recvfrom(65536)
            if addr[2] == socket.PACKET_OUTGOING and addr[1] == ETH[self.family]:
                yield frame[14:]

    def next_vpe(self, wanted):
        """The next outgoing packet of that protocol, from its IP header on."""
        for packet in self:
            proto = packet[9] if self.family == 4 else packet[6]
            if proto == wanted:
                return packet
        return None

    def send(self, packets, scattered=False):
        """To hv2, from all CPUs in turn if scattered; gives it time, as its
        backlog is bounded."""
        mac = bytes.fromhex("020000000002" "020000000001") + \
            struct.pack("!H", ETH[self.family])
        for number, packet in enumerate(packets):
            if scattered:
                os.sched_setaffinity(0, [sorted(CPUS)[number % len(CPUS)]])
            self.sock.send(mac + packet)
            if number % 64 == 63:
                time.sleep(0.02)


##############################################################################
# What the module sends

def send_raw(family, packet):
    """The kernel adds nothing but an IPv4 checksum."""
    if family == 4:
        sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    else:
        sock = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)
    with sock:
        sock.sendto(packet, (INNER[family][1], 0))


def check_outer4(packet, sa, inner, options):
    tos, length, ident, frag, ttl = struct.unpack_from("!xBHHHB", packet)
    want_df = inner["df"]
    expect("outer version and header length", hex(packet[0]), "0x45")
    expect("outer length", length, 20 + sa.udp + 32 + inner["len"])
    expect("outer flags and offset", hex(frag), "0x4000" if want_df else "0x0")
    if want_df:
        expect("ID of a packet with DF", ident, 0)
    expect("outer TTL", ttl, 64)
    expect("outer header checksum", checksum(packet[:20]), 0)
    expect("outer source", str(ipaddress.ip_address(packet[12:16])), sa.src)
    expect("outer destination", str(ipaddress.ip_address(packet[16:20])), sa.dst)
    check_tos(tos, inner["tos"], options)
    return packet[20:], None if want_df else ident


def check_outer6(packet, sa, inner, options):
    first, length, nexthdr, hops = struct.unpack_from("!IHBB", packet)
    expect("outer version", first >> 28, 6)
    expect("outer length", length, sa.udp + 32 + inner["len"])
    expect("outer next header", nexthdr, 17 if sa.udp else 50)
    expect("outer hop limit", hops, 64)
    expect("outer source", str(ipaddress.ip_address(packet[8:24])), sa.src)
    expect("outer destination", str(ipaddress.ip_address(packet[24:40])), sa.dst)
    check_tos(first >> 20 & 0xff, inner["tos"], options)
    return packet[40:], None


def check_udp(packet, sa):
    """The source port of a packet without IP header, and the packet without that
    of UDP. RFC 3948: no checksum in IPv4."""
    sport, dport, length, check = struct.unpack_from("!HHHH", packet)
    expect("UDP destination port", dport, UDP_PORT)
    expect("UDP length", length, len(packet))
    expect("dynamic UDP source port", sport >= 49152, True)
    if sa.family == 4:
        expect("UDP checksum", check, 0)
    else:
        expect("UDP packet with checksum", packet.hex(),
               udp(sa.src, sa.dst, UDP_PORT, packet[8:], sport).hex())
    return sport, packet[8:]


def show_of(sa, *what):
    """What ip -j xfrm vpe shows of an SA."""
    return json.loads(subprocess.run(
        ["ip", "-j", "xfrm", "vpe", *what, "spi", hex(sa.spi)], check=True,
        stdout=subprocess.PIPE, stdin=subprocess.DEVNULL).stdout)


def check_ports(sa):
    """Each window has one port, which is the one that is shown."""
    shown = {w["window-id"]: w.get("port") for w in show_of(sa, "window", "show")
             if w["direction"] == "tx"}
    for window, sports in sa.sports.items():
        expect(f"source ports of window {window}", sports, {shown[window]})
    expect("equal ports", len(set(shown.values())), len(shown))


def check_tos(tos, inner, options):
    """DSCP and ECN as RFC 6040's compatibility mode and xfrm's flags have it."""
    ecn = inner & 3
    if ecn == 3:
        ecn = 2
    dscp = inner & 0xfc
    if "dont-encap-dscp" in options:
        dscp = 0
    if "noecn" in options:
        ecn = 0
    expect(f"outer DS field for an inner {inner:#x}", hex(tos), hex(dscp | ecn))


def possible_cpus():
    with open("/sys/devices/system/cpu/possible", encoding="ascii") as possible:
        return int(re.split("[-,]", possible.read())[-1]) + 1


def sent(sa, options):
    """Sends inner packets of all kinds and looks at the outer ones."""
    wire = Wire(sa.family)
    cpus = sorted(CPUS)
    last, idents, first = {}, [], None
    # Windows of a CPU; of layout ares in UDP none is 0
    lanes = show_of(sa, "show")[0]["lanes"] // possible_cpus() if sa.udp else 1
    first_lane = 1 if sa.udp and sa.ares else 0
    began = time.time_ns()
    pad = sum(int(o.removeprefix("pad=")) for o in options if o.startswith("pad="))
    kinds = [(f, tos, df, size) for f in (4, 6) for tos in (0, 0xb9, 0x03, 0x28)
             for df in (False, True) for size in (0, 1, 700, 1330)]
    if SLOW:
        kinds = kinds[::5]
    for number, (family, tos, df, size) in enumerate(kinds):
        cpu = cpus[number // 2 % len(cpus)]
        os.sched_setaffinity(0, [cpu])
        header = {"tos": tos}
        if family == 4:
            header.update(df=df, ident=1 + number)
        packet = inner_udp(family, os.urandom(size), **header)
        send_raw(family, packet)

        # an IPv6 packet of up to 1280 bytes without padding may be fragmented
        inner = {"family": family, "tos": tos, "len": max(len(packet), pad),
                 "df": df and family == 4 or family == 6 and len(packet) > 1280}
        check = check_outer4 if sa.family == 4 else check_outer6
        vpe, ident = check(wire.next_vpe(17 if sa.udp else 50), sa, inner, options)
        sport = 0
        if sa.udp:
            sport, vpe = check_udp(vpe, sa)
        sender, window, seq, plain = sa.open(vpe)
        if sa.udp:
            sa.sports.setdefault(window, set()).add(sport)
        expect("inner packet", plain.hex(), packet.ljust(pad, b"\0").hex())
        expect("Sender ID", sender, 0)
        expect("CPU of the window", (window - first_lane) // lanes, cpu)
        if window in last:
            expect("sequence in its window", seq, last[window] + 1)
        elif first is None:
            first = seq
            # The time, or what the clock would show if it had not been set
            # back since the module was loaded
            if "fresh" in options and not 0 <= seq - began < 3600 * 10**9:
                raise Failed(f"first number {seq}, should be above {began}")
        elif "fresh" in options:
            expect(f"first number of window {window}", seq, first)
        last[window] = seq
        if ident is not None:
            idents.append(ident)
    expect("windows of CPUs seen",
           sorted({(window - first_lane) // lanes for window in last}), cpus)
    if sa.udp:
        check_ports(sa)
    expect("equal IDs", len(idents) - len(set(idents)), 0)
    if "fresh" in options:
        expect("first-seq in ip xfrm vpe show", show_of(sa, "show")[0]["first-seq"], first)


def transport_packet(sa, number):
    """(IP header with options or extension headers, where its next protocol stands,
    the protocol, payload) of a packet between the hosts."""
    payload = os.urandom(number * 37 % 1200)
    proto = (17, 6, 1 if sa.family == 4 else 58, 47, 132, 253)[number % 6]
    extra = number // 6 % 3	# nothing, a little, more
    if proto == 17:
        payload = udp(sa.src, sa.dst, 9, payload)
    if sa.family == 4:
        options = (b"", b"\x94\x04\0\0", b"\1" * 40)[extra]
        head = ip_header(4, sa.src, sa.dst, proto, len(options) + len(payload), tos=number,
                         ident=1 + number, df=number % 2 == 0)
        head = bytes([0x45 + len(options) // 4]) + head[1:10] + b"\0\0" + head[12:] + options
        return head[:10] + struct.pack("!H", checksum(head)) + head[12:], 9, proto, payload
    # hop-by-hop with a router alert; that and destination options
    options = (b"", bytes([proto, 0]) + b"\5\2\0\0\1\0",
               b"\x3c\0\5\2\0\0\1\0" + bytes([proto, 0]) + b"\1\4\0\0\0\0")[extra]
    head = ip_header(6, sa.src, sa.dst, 0 if options else proto, len(options) + len(payload),
                     tos=number) + options
    return head, (6, 40, 48)[extra], proto, payload


def sent_transport(sa):
    """Sends packets of all kinds from host to host and looks at what is on the wire:
    the IP header stays, but for protocol, length and checksum."""
    wire, last = Wire(sa.family), {}
    kind = socket.AF_INET if sa.family == 4 else socket.AF_INET6
    with socket.socket(kind, socket.SOCK_RAW, socket.IPPROTO_RAW) as sock:
        for number in range(18 if SLOW else 54):
            os.sched_setaffinity(0, [sorted(CPUS)[number // 2 % len(CPUS)]])
            head, at, proto, payload = transport_packet(sa, number)
            sock.sendto(head + payload, (sa.dst, 0))
            outer = 17 if sa.udp else 50
            packet = wire.next_vpe(outer if at in (6, 9) else 0)
            should = bytearray(head)
            should[at] = outer
            if sa.family == 4:
                struct.pack_into("!H", should, 2, len(head) + sa.udp + 32 + len(payload))
                struct.pack_into("!H", should, 10, 0)
                struct.pack_into("!H", should, 10, checksum(bytes(should)))
            else:
                struct.pack_into("!H", should, 4,
                                 len(head) - 40 + sa.udp + 32 + len(payload))
            expect("IP header", packet[:len(head)].hex(), should.hex())
            vpe = packet[len(head):]
            if sa.udp:
                vpe = check_udp(vpe, sa)[1]
            sender, window, seq, plain = sa.open(vpe)
            expect("next header", sender, proto)
            expect("what is inside", plain.hex(), payload.hex())
            expect("sequence in its window", seq, last.get(window, seq - 1) + 1)
            last[window] = seq
    os.sched_setaffinity(0, CPUS)


def flow_packet(sa, number):
    """A packet to send: (from the IP header on, what of it ESP encrypts, the next
    header, the UDP source port that it asks for or 0). Some are VXLAN, GENEVE or
    GUE."""
    family = sa.family if sa.transport else 4 + 2 * (number // 3 % 2)
    ends = (sa.src, sa.dst) if sa.transport else INNER[family]
    dport = (9, 4789, 8472, 6081, 6080, 4790)[number % 6]
    sport = 1024 + number * 977 % 64000
    packet = udp(*ends, dport, os.urandom(number * 61 % 1300), sport)
    whole = ip_header(family, *ends, 17, len(packet), ident=1 + number,
                      df=number % 2 == 0) + packet
    wanted = sport if dport in (4789, 8472, 6081, 6080) else 0
    if sa.transport:
        return whole, packet, 17, wanted
    return whole, whole, 4 if family == 4 else 41, wanted


def outer_esp(sa, packet):
    """(source port or 0, flow label, ESP) of a packet."""
    if sa.family == 4:
        expect("outer header checksum", checksum(packet[:20]), 0)
        label, head = 0, 20
        proto, length = packet[9], struct.unpack_from("!H", packet, 2)[0]
    else:
        label, head = struct.unpack_from("!I", packet)[0] & 0xfffff, 40
        proto, length = packet[6], 40 + struct.unpack_from("!H", packet, 4)[0]
    expect("outer length", length, len(packet))
    expect("outer protocol", proto, 17 if sa.udp else 50)
    if not sa.udp:
        return 0, label, packet[head:]
    sport, dport, length, check = struct.unpack_from("!HHHH", packet, head)
    expect("UDP destination port", dport, UDP_PORT)
    expect("UDP length", length, len(packet) - head)
    if sa.family == 6:
        expect("UDP packet with checksum", packet[head:].hex(),
               udp(sa.src, sa.dst, UDP_PORT, packet[head + 8:], sport).hex())
    else:
        expect("UDP checksum", check, 0)
    return sport, label, packet[head + 8:]


def sent_esp(sa, first):
    """Sends packets of many flows by all CPUs in turn and looks at what is on the
    wire: numbers from first on, IVs, padding, ports, labels."""
    wire = Wire(sa.family)
    cpus = sorted(CPUS)
    ports, labels, masks = {}, {}, set()
    sock = {family: socket.socket(*kind, socket.IPPROTO_RAW) for family, kind in
            ((4, (socket.AF_INET, socket.SOCK_RAW)), (6, (socket.AF_INET6, socket.SOCK_RAW)))}
    for n in range(40 if SLOW else 120):
        os.sched_setaffinity(0, [cpus[n % len(cpus)]])
        # each flow twice
        whole, plain, proto, wanted = flow_packet(sa, n // 2)
        family = whole[0] >> 4
        sock[family].sendto(whole, (sa.dst if sa.transport else INNER[family][1], 0))
        sport, label, esp = outer_esp(sa, wire.next_vpe(17 if sa.udp else 50))
        seq = first + n
        iv, got, next_header = sa.open_esp(esp, seq)
        # what was sent, the UDP checksum included: a raw socket changes neither
        expect("what is inside", got.hex(), plain.hex())
        expect("next header", next_header, proto)
        masks.add(iv ^ seq)
        if wanted and sa.udp:
            expect("source port of an NVO3 packet", sport, wanted)
        elif sa.udp:
            expect("dynamic UDP source port", sport >= 49152, True)
        ports.setdefault(n // 2, set()).add(sport)
        labels.setdefault(n // 2, set()).add(label)
    os.sched_setaffinity(0, CPUS)
    expect("IV XOR sequence number, values", len(masks), 1)
    if masks == {0}:
        raise Failed("the IV is the sequence number")
    for what, seen in (("port", ports), ("label", labels)):
        expect(f"flows that changed their {what}",
               [flow for flow, values in seen.items() if len(values) != 1], [])
        values = {value for pair in seen.values() for value in pair}
        if what == "port" and sa.udp or what == "label" and sa.family == 6:
            expect(f"enough values of {what}", len(values) > 0.9 * len(seen), True)


##############################################################################
# What it receives

ESP_NUMBERS = [0]


def numbers():
    """A sequence number later than those of calls before; of ESP 32 bits."""
    if ESP_NUMBERS[0]:
        ESP_NUMBERS[0] += 100000
        return ESP_NUMBERS[0]
    return time.time_ns()


def inside(sa, payload=b"x", family=4):
    """What is in a good packet."""
    if sa.transport:
        return udp(sa.src, sa.dst, 9, payload)
    return inner_udp(family, payload)


def good(sa, number):
    """As many good packets."""
    seq = numbers()
    return [sa.outer(sa.seal(seq + i, inside(sa, b"good", 4 + 2 * (i % 2)), window=7))
            for i in range(number)]


def padded(sa, number):
    """Padding after the inner packet, zeros and others."""
    seq = numbers()
    packets = []
    for i in range(number):
        pad = os.urandom(i * 37 % 700) if i % 2 else bytes(i * 37 % 700)
        packets.append(sa.outer(sa.seal(
            seq + i, inner_udp(4 + 2 * (i // 2 % 2), b"padded %03d" % i) + pad,
            window=8)))
    return packets


def fill(sa, number):
    """Fill packets of all sizes, then the same once more."""
    seq = numbers()
    packets = [sa.outer(sa.seal(seq + i, bytes([i & 15]) + os.urandom(i * 11), window=9,
                                sender=59 if sa.transport else 0))
               for i in range(number)]
    return packets + packets


def empty(sa, number):
    seq = numbers()
    return [sa.outer(sa.seal(seq + i, b"", window=10)) for i in range(number)]


def nibble(sa, _):
    """All first nibbles but 0, 4 and 6."""
    seq = numbers()
    return [sa.outer(sa.seal(seq + i, bytes([i << 4]) + inner_udp(4, b"x")[1:],
                             window=11)) for i in range(16) if i not in (0, 4, 6)]


def headless(sa, _):
    """Shorter than the inner header: 19 lengths of IPv4, 39 of IPv6."""
    seq = numbers()
    packets = []
    for family, size in ((4, 20), (6, 40)):
        for length in range(1, size):
            plain = inner_udp(family, b"")[:length]
            packets.append(sa.outer(sa.seal(seq + len(packets), plain, window=12)))
    return packets


def truncated(sa, _):
    """One packet, truncated at every length below its own."""
    whole = sa.seal(numbers(), inside(sa, b"12345678"), window=13)
    return [sa.outer(whole[:i]) for i in range(len(whole))]


def flipped(sa, number):
    """One packet with each single bit flipped; number: every which of them."""
    whole = sa.seal(numbers(), inside(sa, b"12345678"), window=14)
    packets = []
    for bit in range(0, len(whole) * 8, number):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        packets.append(sa.outer(bytes(damaged)))
    return packets


def sender(sa, number):
    """Sender IDs other than 0, in transport mode others than UDP's, authentic."""
    seq = numbers()
    return [sa.outer(sa.seal(seq + i, inside(sa), window=15,
                             sender=0x100 << i % 8 | 17 if sa.transport else 1 << i % 16))
            for i in range(number)]


def checksums(sa, number):
    """UDP packets whose checksum NAT would have made wrong (RFC 3948, 3.1.2)."""
    seq = numbers()
    return [sa.outer(sa.seal(seq + i, udp("192.0.2.1" if sa.family == 4 else "2001:db8::1",
                                          sa.dst, 9, b"nat"), window=21))
            for i in range(number)]


def window(sa, number):
    """A good packet of Sender ID << 16 | Window ID."""
    return [sa.outer(sa.seal(numbers(), inside(sa, b"%d" % number), window=number & 0xffff,
                             sender=number >> 16 or None))]


def spi(sa, number):
    """An SPI that no SA has."""
    sa.spi ^= 0x5a5a0000
    return good(sa, number)


def replayed(sa, number):
    """One good packet, and as many copies."""
    packet = sa.outer(sa.seal(numbers(), inside(sa), window=16))
    return [packet] * (1 + number)


def old(sa, number):
    """A good one, the oldest that its window takes, and then older ones."""
    seq = numbers()
    return [sa.outer(sa.seal(seq - back, inside(sa), window=17))
            for back in [0, 1023] + [1024 + i * i * i for i in range(number)]]


def huge(sa, _):
    """The largest packets there can be, in fragments: a good one, which is
    padded, and one that is not authentic."""
    room = 65535 - (20 if sa.family == 4 else 0) - 32
    plain = inner_udp(4, b"huge") + bytes(room)
    seq = numbers()
    whole = sa.seal(seq, plain[:room], window=18)
    damaged = bytearray(sa.seal(seq + 1, plain[:room], window=18))
    damaged[-1] ^= 1
    return fragments(sa, whole, 1) + fragments(sa, bytes(damaged), 2)


def fragments(sa, vpe, ident):
    return [ip_fragment(sa.family, sa.src, sa.dst, 50, vpe[at:at + 1400], at,
                        at + 1400 < len(vpe), ident) for at in range(0, len(vpe), 1400)]


def scattered(sa, number):
    """Inner packets that come in three fragments each."""
    plain = []
    for i in range(number):
        family = 4 + 2 * (i % 2)
        datagram = udp(*INNER[family], 9, b"what comes in three fragments. ")
        for at in range(0, len(datagram), 16):
            piece, more = datagram[at:at + 16], at + 16 < len(datagram)
            plain.append(ip_fragment(family, *INNER[family], 17, piece, at,
                                     more, 1 + i))
    seq = numbers()
    return [sa.outer(sa.seal(seq + i, inner, window=20)) for i, inner in enumerate(plain)]


def esp_good(sa, number):
    seq = numbers()
    return [sa.outer(sa.seal_esp(seq + i, inside(sa, b"good"))) for i in range(number)]


def esp_padding(sa, _):
    """Padding that does not count up from 1, or that is longer than the packet; then
    more than is needed, which is good."""
    plain = inside(sa, b"more")
    seq = numbers()
    wrong = [(bytes(4), None), (b"\1\2\3\5", None), (b"\2\3\4\5", None),
             (b"", 255), (b"", len(plain) + 1), (b"\1\2\3\4", 255)]
    right = [bytes(range(1, 5 + 4 * i)) for i in (0, 1, 20, 62)]
    packets = [sa.seal_esp(seq + i, plain, None, *w) for i, w in enumerate(wrong)]
    packets += [sa.seal_esp(seq + 10 + i, plain, None, r) for i, r in enumerate(right)]
    return [sa.outer(packet) for packet in packets]


def esp_protocols(sa, number):
    """In tunnel mode: next headers that are no IP, or the other one."""
    seq = numbers()
    return [sa.outer(sa.seal_esp(seq + i, inner_udp(4, b"x"), proto))
            for i, proto in enumerate([6, 17, 41, 50, 51, 94, 108, 0, 255, 1][:number])]


def esp_dummy(sa, number):
    """Next header 59: nothing is in it (RFC 4303, 2.6)."""
    seq = numbers()
    return [sa.outer(sa.seal_esp(seq + i, os.urandom(i * 13), 59)) for i in range(number)]


def esp_zero(sa, number):
    """Sequence number 0, which no packet has."""
    return [sa.outer(sa.seal_esp(0, inside(sa))) for _ in range(number)]


def esp_from(sa, number):
    """One packet with just this number."""
    return [sa.outer(sa.seal_esp(number, inside(sa, b"%016x" % number)))]


def in_udp(sa, number):
    """In UDP, port 4500."""
    seq = numbers()
    packets = []
    for i in range(number):
        vpe = sa.seal(seq + i, inner_udp(4, b"x"), window=19)
        packets.append(sa.outer(udp(sa.src, sa.dst, 4500, vpe), proto=17))
    return packets


KINDS = {function.__name__: function for function in
         (good, padded, fill, empty, nibble, headless, truncated, flipped,
          sender, checksums, window, spi, replayed, old, huge, scattered, in_udp, esp_good,
          esp_padding, esp_protocols, esp_dummy, esp_zero, esp_from)}


def command(words):
    if words[0] == "sent":
        sent(Sa(*words[1:6]), words[6:])
    elif words[0] == "sent-transport":
        sent_transport(Sa(*words[1:6]))
    elif words[0] == "sent-esp":
        sent_esp(Sa(*words[1:6]), int(words[6], 0))
    else:
        sa = Sa(*words[2:7])
        ESP_NUMBERS[0] = (ESP_NUMBERS[0] or 1000) if sa.esp else 0
        packets = KINDS[words[1]](sa, int(words[7], 0) if words[7:] else 1)
        Wire(sa.family).send(packets, words[1] == "scattered")
        os.sched_setaffinity(0, CPUS)


def main():
    for line in sys.stdin:
        try:
            command(line.split())
            print("ok", flush=True)
        except Exception as exception:	# pylint: disable=broad-except
            print(f"failed: {type(exception).__name__} {exception}", flush=True)


if __name__ == "__main__":
    main()
