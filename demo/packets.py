#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Packets of the demo's wire: taken apart, or sent again.

packets.py show PLAIN-CAPTURE ESP-CAPTURE ESP-KEY VPE-CAPTURE VPE-KEY
packets.py replay CAPTURE INTERFACE SOURCE-ADDRESS

Knows nothing of this tree's code: the protocols as their specifications have
them, and AES-GCM as python3-cryptography has it.
"""
import socket
import struct
import sys

WANTED = b"Packet 7 of tenant1"


def frames(path):
    """Ethernet frames of a capture in classic pcap format."""
    with open(path, "rb") as f:
        data = f.read()
    pos = 24
    while pos + 16 <= len(data):
        size = struct.unpack_from("=I", data, pos + 8)[0]
        yield data[pos + 16:pos + 16 + size]
        pos += 16 + size


def field(name, value, raw=b"", note=""):
    """One line: name, value, the bytes as they are on the wire."""
    text = raw.hex(" ") if len(raw) <= 8 else raw[:8].hex(" ") + " .."
    print(f"    {name:<11} {value:<24} {text:<26} {note}".rstrip())


def ipv4(packet, where=""):
    size, proto = struct.unpack_from("!H", packet, 2)[0], packet[9]
    names = {17: "UDP", 50: "ESP or VPE", 1: "ICMP", 6: "TCP"}
    src, dst = socket.inet_ntoa(packet[12:16]), socket.inet_ntoa(packet[16:20])
    print(f"  {where}IPv4 {src} > {dst}, {size} bytes, "
          f"protocol {proto} ({names.get(proto, '?')})")
    return packet[20:size]


def vxlan(packet):
    """An IPv4 packet with VXLAN inside, layer after layer."""
    udp = ipv4(packet)
    field("UDP ports", "%d > %d" % struct.unpack_from("!HH", udp), udp[:4], "VXLAN")
    vni = int.from_bytes(udp[12:15], "big")
    field("VXLAN", f"network {vni}", udp[8:16])
    frame = udp[16:]
    field("Ethernet to", frame[:6].hex(":"), frame[:6])
    udp = ipv4(frame[14:], "in it: ")
    field("UDP ports", "%d > %d" % struct.unpack_from("!HH", udp), udp[:4])
    print(f"    payload     {udp[8:].decode('ascii', 'replace')!r}")


def show_plain(path, _):
    for frame in frames(path):
        if WANTED in frame:
            print("  -- plain: whoever sits at the wire reads along")
            vxlan(frame[14:])
            print()
            return 0
    return 1


def protected(path):
    """What follows the outer IPv4 header, of packets of protocol 50."""
    for frame in frames(path):
        if frame[12:14] == b"\x08\x00" and frame[23] == 50:
            yield frame[14:], frame[34:14 + struct.unpack_from("!H", frame, 16)[0]]


def show_esp(path, key):
    aead, salt = AESGCM(key[:-4]), key[-4:]
    for packet, esp in protected(path):
        try:
            inner = aead.decrypt(salt + esp[8:16], esp[16:], esp[:8])
        except InvalidTag:
            continue
        if WANTED not in inner:
            continue
        print("  -- ESP: one sequence for all CPUs, explicit IV, trailer")
        ipv4(packet)
        field("SPI", f"0x{esp[:4].hex()}", esp[:4])
        field("Sequence", str(int.from_bytes(esp[4:8], "big")), esp[4:8], "32 bits")
        field("IV", "", esp[8:16], "64 bits")
        field("ciphertext", f"{len(inner)} bytes", esp[16:-16])
        field("  of it", f"{inner[-2] + 2} bytes", inner[-2 - inner[-2]:], "ESP's trailer")
        field("ICV", "16 bytes", esp[-16:])
        print()
        return 0
    return 1


def show_vpe(path, key):
    aead = AESGCM(key)
    for packet, vpe in protected(path):
        try:
            inner = aead.decrypt(vpe[4:16], vpe[32:] + vpe[16:32], None)
        except InvalidTag:
            continue
        if WANTED not in inner:
            continue
        print("  -- VPE: each CPU has a window of its own, no IV beside it, no trailer")
        ipv4(packet)
        vpe_fields(vpe)
        print("  Decrypted by python3-cryptography, which knows nothing of this module:")
        vxlan(inner)
        return 0
    return 1


def vpe_fields(vpe):
    sender, window, sequence = struct.unpack_from("<HHQ", vpe, 4)
    field("SPI", f"0x{vpe[:4].hex()}", vpe[:4])
    field("Sender ID", str(sender), vpe[4:6], "\\")
    field("Window ID", str(window), vpe[6:8], " > the IV")
    field("Sequence", str(sequence), vpe[8:16], "/")
    field("ICV", "16 bytes", vpe[16:32])
    field("ciphertext", f"{len(vpe) - 32} bytes", vpe[32:], "inner packet")


def replay(path, interface, source):
    """Sends each packet of protocol 50 from SOURCE once more; prints how many."""
    wire, n = socket.socket(socket.AF_PACKET, socket.SOCK_RAW), 0
    wire.bind((interface, 0))
    for frame in frames(path):
        if frame[12:14] == b"\x08\x00" and frame[23] == 50 and \
           frame[26:30] == socket.inet_aton(source):
            wire.send(frame)
            n += 1
    print(n)
    return 0 if n else 1


def show(plain, esp, esp_key, vpe, vpe_key):
    # here, because it takes seconds on an emulated CPU and replay() has no use for it
    global AESGCM, InvalidTag
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    for run, path, key in ((show_plain, plain, ""), (show_esp, esp, esp_key),
                           (show_vpe, vpe, vpe_key)):
        if run(path, bytes.fromhex(key[2:])):
            print(f"demo: no such packet in {path}", file=sys.stderr)
            return 1
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit({"show": show, "replay": replay}[sys.argv[1]](*sys.argv[2:]))
