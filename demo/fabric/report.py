#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0
"""What the fabric's counters say.

report.py line DIR	a line about one measurement; exit status 3 if its load is not
			one that a fair hash gives 9 times in 10, 1 with a sentence if
			the measurement is worth nothing
report.py all DIR	the table of all of them, and DIR/fabric.json, DIR/fabric.svg;
			exit status 1 if something is not as it should be
"""
import collections
import json
import os
import struct
import sys
from ipaddress import ip_address

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import chart
import model
from measured import numbers, print_checks, print_folded, read, stop_if, window_drops

UPLINKS, PER_SPINE, BOND, QUEUES = 16, 4, 4, 8
FAIR = "plain", "esp-entropy", "vpe"	# enough look-alikes for quantiles
WORSE = 1.15		# than plain VXLAN's max/mean VPE's may be
# in the order of the table: directory, name, what it is, whose
PROTOCOLS = [("plain", "plain", "VXLAN, GENEVE, GUE", "plain"),
             ("esp", "stock ESP", "transport mode", "stock"),
             ("esp-udp", "stock ESP in UDP", "ports 4500", "stock"),
             ("esp-cpu", "stock ESP, SA per CPU", "RFC 9611", "stock"),
             ("esp-entropy", "ESP with entropy", "the inner source port", "ours"),
             ("vpe", "VPE in UDP", "a source port per window", "ours")]
# A NIC's hash (Toeplitz), with the key that most come with
RSS_KEY = bytes.fromhex("6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b4"
                        "77cb2da38030f20c6a42b73bbeac01fa")


def elements(*path):
    """(key, packets) of a set that nft has counted in."""
    for item in json.loads(read(*path))["nftables"]:
        for element in item.get("set", {}).get("elem", []):
            key = element["elem"]["val"]
            yield (tuple(key["concat"]) if isinstance(key, dict) else key,
                   element["elem"]["counter"]["packets"])


def wire(directory):
    """{(uplink, source, ports or SPI): packets} that leaf 1 has forwarded"""
    return {key: packets for name in ("by_port", "by_spi")
            for key, packets in elements(directory, name)}


def by(index, packets_of):
    """Packets summed up by a part of their keys."""
    sums = collections.Counter()
    for key, packets in packets_of.items():
        sums[index(key)] += packets
    return sums


def uplink_loads(seen):
    loads = by(lambda key: int(key[0].removeprefix("up")), seen)
    return [loads[n + 1] for n in range(UPLINKS)]


def look_alikes(seen):
    """Packets by all that the leaf hashes: an SPI stands where ports would."""
    return by(lambda key: key[1:], seen)


def bond_loads(directory):
    """Packets by link, of hv1 and of hv2"""
    def links(name):
        hosts = read(directory, name).strip().splitlines()
        return [{link["ifname"]: link["stats64"]["tx"]["packets"] for link in json.loads(host)}
                for host in hosts]
    return [[after[name] - before[name] for name in sorted(after)] for before, after in
            zip(links("bonds-before"), links("bonds-after"))]


def toeplitz(data):
    window, result = int.from_bytes(RSS_KEY, "big"), 0
    for n in range(8 * len(data)):
        if data[n // 8] & 0x80 >> n % 8:
            result ^= window >> 8 * len(RSS_KEY) - 32 - n & 0xffffffff
    return result


def queue_loads(seen, receiver):
    """Packets by RX queue, as a NIC of eight spreads what it sees."""
    target, loads = ip_address(receiver).packed, [0] * QUEUES
    for key, packets in seen.items():
        data = ip_address(key[1]).packed + target
        if len(key) > 3:
            data += struct.pack("!HH", *key[2:])
        loads[toeplitz(data) % 128 % QUEUES] += packets
    return loads


def measurement(directory):
    """All that is to be known of one."""
    m, seen = counts(directory), wire(directory)
    m["fair"] = model.draws(list(look_alikes(seen).values()), UPLINKS)
    m["queues"] = queue_loads(seen, read(directory, "..", "receiver").strip())
    return m


def counts(directory):
    """What takes no time to find out."""
    seen = wire(directory)
    sent = [numbers(directory, f"sent{n}") for n in (1, 2)]
    got = numbers(directory, "received")
    loads = uplink_loads(seen)
    return {"sent": sum(s["sent"] for s in sent), "unsent": sum(s["refused"] for s in sent),
            **got, "window_drops": window_drops(directory),
            "uplinks": loads, "max_mean": model.max_mean(loads), "jain": model.jain(loads),
            "look_alikes": len(look_alikes(seen)),
            "paths_of_each": max(by(lambda key: key[1:], {key: 1 for key in seen}).values()),
            "bonds": bond_loads(directory), "cpus": dict(elements(directory, "by_cpu"))}


def used(loads):
    return sum(1 for load in loads if load)


def is_fair(m):
    return m["fair"][0] <= m["max_mean"] <= m["fair"][2]


def line(directory):
    name = os.path.basename(directory.rstrip("/"))
    m = measurement(directory) if name in FAIR else counts(directory)
    stop_if("demo-fabric",
            [(m["unsent"], f"{m['unsent']} packets were refused to their senders."),
             (not sum(m["uplinks"]), "nothing came to the uplinks."),
             (name == "esp" and (m["paths_of_each"] > 1 or m["look_alikes"] != 2),
              "an SA of stock ESP takes more than one path, so this fabric looks at more "
              "than a switch sees, and nothing that it shows would mean anything.")])
    lost = m["sent"] - m["received"]
    uplinks = used(m["uplinks"])
    text = f"{m['received']:>6} packets by {uplinks:>2} uplink{'s' if uplinks > 1 else ''}"
    text += f", {lost} lost" if lost else ""
    text += f", flows reordered: {m['reordered_flows']}" if m["reordered_flows"] else ""
    print(text, flush=True)
    return 0 if name not in FAIR or is_fair(m) else 3


def entries(directory):
    """Everything about every protocol."""
    for name, title, what, kind in PROTOCOLS:
        entry = {"id": name, "name": title, "what": what, "kind": kind}
        refused = os.path.join(directory, name, "refused")
        if os.path.exists(refused):
            entry["refused"] = read(refused).strip().splitlines()[0].removeprefix("Error: ")
        else:
            entry |= measurement(os.path.join(directory, name))
            entry["tries"] = int(read(directory, name, "try"))
        for more in "moves", "wide":
            if os.path.isdir(os.path.join(directory, f"{name}-{more}")):
                entry[more] = measurement(os.path.join(directory, f"{name}-{more}"))
        if os.path.isdir(os.path.join(directory, name + "-ports")):
            same, seen = map(int, read(directory, name + "-ports", "ports").split())
            entry["ports"] = {"same": same, "seen": seen,
                              "sent": measurement(os.path.join(directory, name + "-ports"))["sent"]}
        yield entry


def ratio(loads):
    return f"{model.max_mean(loads):.2f}"


def load_table(measured):
    print("  Packets by link: links used, and how much more than the mean the fullest has\n")
    print(f"  {'':<22}{'16 uplinks':<30} {'bond of 4':<12}{'8 RX queues'}")
    print(f"  {'':<22}{'used  max/mean   fair   Jain':<30} {'used   max':<12}{'used   max'}")
    for e in measured:
        fair = f"{e['fair'][0]:.2f}-{e['fair'][2]:.2f}" if e["id"] in FAIR else "-"
        bond = max(e["bonds"], key=model.max_mean)
        print(f"  {e['name']:<22}{used(e['uplinks']):>4} {e['max_mean']:>6.2f}  {fair:>9}  "
              f"{e['jain']:>5.3f} {used(bond):>5}  {ratio(bond):>5}{used(e['queues']):>6}  "
              f"{ratio(e['queues']):>5}")
    print("\n  fair: what 9 of 10 fair hashes give these packets. Bond: the fuller of two,\n"
          "  xmit_hash_policy layer3+4. RX queues: as a NIC hashes them (Toeplitz).")


def order_table(measured):
    print(f"\n  {'':<24}{'packets':>8}{'lost to':>10}{'other':>8}{'flows':>12}{'CPUs of':>10}")
    print(f"  {'':<24}{'sent':>8}{'windows':>10}{'losses':>8}{'reordered':>12}{'receiver':>10}")
    for e in measured:
        for name, m in ((e["name"], e), ("  moved amid each burst", e.get("moves")),
                        ("  a window of 4096", e.get("wide"))):
            if m:
                print(f"  {name:<24}{m['sent']:>8}{m['window_drops']:>10}"
                      f"{m['sent'] - m['received'] - m['window_drops']:>8}"
                      f"{m['reordered_flows']:>12}{len(m['cpus']):>10}")
    print("\n  Windows: of 64 packets, of an SA or of each of VPE's lanes; flows stay on one\n"
          "  CPU: except in the lines that say so.")


def moves_cost(entry, moves):
    m = entry["moves"]
    return (f"{entry['name']}: {moves} moves of a flow to another CPU, amid bursts, put "
            f"{m['reordered']} of {m['received']} packets behind later ones of their flow" +
            (f", at most {m['farthest']} of them" if m["reordered"] else ""))


def checks(found):
    """(whether it is so, what) is to be seen"""
    esp, plain = found["esp"], found["plain"]
    yield esp["paths_of_each"] == 1, "an SA of stock ESP takes one path"
    for e in (e for e in found.values() if e["kind"] == "ours"):
        if "refused" in e:
            yield False, f"{e['name']}: {e['refused']}"
        else:
            yield from checks_of(e)
    if "ports" in found["esp-entropy"]:
        ports = found["esp-entropy"]["ports"]
        yield (ports["same"] == ports["seen"] == ports["sent"],
               f"ESP with entropy: {ports['same']} of {ports['sent']} packets, decrypted, have "
               "the inner source port outside")
    vpe = found["vpe"]
    if "fair" in vpe:
        times = vpe["fair"][1] / plain["fair"][1]
        yield times <= WORSE, (f"VPE's max/mean, median over {model.DRAWS} hashes: "
                               f"{vpe['fair'][1]:.2f}, {times:.2f} times plain's")
        yield (not vpe["window_drops"] and not vpe["moves"]["window_drops"],
               "VPE loses nothing to its windows, not of flows that move either")
    for name in FAIR:
        if "fair" in found[name]:
            e = found[name]
            tries = f", in try {e['tries']}" if e["tries"] > 1 else ""
            yield is_fair(e), (f"{e['name']}: {e['max_mean']:.2f} is within the model's "
                               f"{e['fair'][0]:.2f} to {e['fair'][2]:.2f}{tries}")


def checks_of(e):
    yield (used(e["uplinks"]) == UPLINKS and used(e["queues"]) == QUEUES and
           all(used(bond) == BOND for bond in e["bonds"]),
           f"{e['name']} uses all {UPLINKS} uplinks, {BOND} links of each bond, "
           f"{QUEUES} queues")
    yield not e["reordered_flows"], f"{e['name']} reorders no flow that stays on its CPU"
    yield (all(m["received"] + m["window_drops"] == m["sent"] and not m["duplicates"]
               for m in (e, e["moves"])),
           f"{e['name']}: each packet came once, but for those that a window dropped")


def report(directory):
    found = {e["id"]: e for e in entries(directory)}
    measured = [e for e in found.values() if "refused" not in e]
    flows, packets, burst, family = map(int, read(directory, "traffic").split())
    kernel, cpus = read(directory, "kernel").strip(), int(read(directory, "cpus"))
    load_table(measured)
    order_table(measured)
    print()
    for e in measured:
        if "moves" in e:
            print_folded("  ", moves_cost(e, flows * packets // burst))
    print()
    wrong = print_checks(checks(found))
    with open(os.path.join(directory, "fabric.json"), "w", encoding="utf-8") as f:
        json.dump({"kernel": kernel, "cpus": cpus, "family": family, "flows": flows,
                   "packets_per_flow": packets, "burst": burst,
                   "protocols": list(found.values())}, f, indent=1)
    with open(os.path.join(directory, "fabric.svg"), "w", encoding="utf-8") as f:
        f.write(chart.draw(found.values(), f"{flows:,} flows of two hypervisors to a third, "
                           f"{flows * packets:,} packets by each protocol over IPv{family}; "
                           f"Linux {kernel}"))
    return wrong


if __name__ == "__main__":
    sys.exit({"line": line, "all": report}[sys.argv[1]](*sys.argv[2:]))
