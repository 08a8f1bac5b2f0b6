#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0
"""What the bottleneck and its two ends have counted.

report.py line DIR TRY	a line about one measurement; exit status 3 if the queue was not
			filled, before the third try; ends with a sentence if that or
			another thing makes it worth nothing, or if windows dropped what
			they should not
report.py all DIR	DIR/qos.json of all of them, and what it says as tables and as
			DIR/qos.svg; exit status 1 if something is not as it should be
report.py show FILE	the tables of such a file
"""
import json
import math
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import chart
from measured import numbers, packets, print_checks, read, stop_if, xfrm_growth

WIDEST = 4096		# window that ESP may have
OVERTAKEN = 2 * WIDEST	# at least, or nothing is shown
TRIES = 3
FASTEST = 1000		# packets per second of the bottleneck
CLASSES = {"priority": ("p", 46), "bulk": ("b", 8)}	# letter, DSCP
# in the order of the tables: directory, name, what it is, whose
VARIANTS = [("plain", "plain UDP", "not encrypted", "plain"),
            ("esp-64", "ESP, window 64", "one SA", "stock"),
            ("esp-1024", "ESP, window 1024", "one SA", "stock"),
            ("esp-4096", "ESP, window 4096", "one SA, the widest window", "stock"),
            ("esp-classes", "ESP, SA per class", "windows of 64", "stock"),
            ("vpe", "VPE, window 64", "one SA, a window per class", "ours")]
LOSES = "esp-64", "esp-1024", "esp-4096"


def quantile(values, part):
    """The smallest value that so large a part of them does not exceed"""
    return sorted(values)[max(math.ceil(part * len(values)) - 1, 0)] if values else None


def delays(directory):
    """{class: milliseconds of each packet that came}"""
    found = {name: [] for name in CLASSES}
    names = {letter: name for name, (letter, _) in CLASSES.items()}
    for line in read(directory, "delays").splitlines():
        letter, micro = line.split()
        found[names[letter]].append(int(micro) / 1000)
    return found


def wire(directory):
    """[(seconds, letter of its class)] of what the bottleneck sent, in that order"""
    letters = {dscp: letter for letter, dscp in CLASSES.values()}
    return [(when, letters.get(packet[1] >> 2, "?"))
            for when, packet in packets(os.path.join(directory, "wire"))]


def bulk_before(letters):
    """Of each packet of the priority: how many of bulk are before it"""
    count, before = 0, []
    for letter in letters:
        if letter == "p":
            before.append(count)
        elif letter == "b":
            count += 1
    return before


def overtaken(order, seen):
    """By each packet of the priority: packets of bulk that were sent before it, and
    left the bottleneck after it. (The queues keep the order of a class.)"""
    return [sent - left for sent, left in zip(bulk_before(order), bulk_before(seen))]


def rate(seen):
    """Packets per second while bulk waited"""
    times = [when for when, letter in seen if letter == "b"]
    first, last = times[0], times[-1]
    return sum(first < when <= last for when, _ in seen) / (last - first)


def measurement(directory):
    sent, got, seen = numbers(directory, "sent"), numbers(directory, "received"), wire(directory)
    letters = [letter for _, letter in seen]
    stats = [xfrm_growth(directory, f"before-{hv}", f"after-{hv}") for hv in ("hv1", "hv2")]
    past = overtaken(read(directory, "order"), letters)
    windows = json.loads(read(directory, "windows") or "[]")
    m = {"sas": int(read(directory, "sas")), "vpe_windows": len(windows),
         "unsent": sent["refused"], "burst_ms": sent["burst_ms"],
         "wire": len(seen), "foreign": letters.count("?"),
         "queue_drops": sum(q["drops"] for q in json.loads(read(directory, "queues"))),
         "overtaken": max(past, default=0), "rate": round(rate(seen), 1) if seen else 0,
         "duplicates": got["duplicates"], "stray": got["foreign"],
         "window_drops": stats[1]["XfrmInStateSeqError"],
         "other_drops": sum(map(lambda s: sum(s.values()), stats)) -
         stats[1]["XfrmInStateSeqError"], "classes": {}}
    for name, values in delays(directory).items():
        m["classes"][name] = {
            "sent": sent[name], "received": got[name], "dropped": sent[name] - got[name],
            "delay_ms": {key: quantile(values, part) for key, part in
                         (("median", 0.5), ("p99", 0.99), ("most", 1))}}
    return m


def total(m, what):
    return sum(c[what] for c in m["classes"].values())


def line(directory, attempt):
    variant = os.path.basename(directory.rstrip("/"))
    name = {v[0]: v[1] for v in VARIANTS}[variant]
    m = measurement(directory)
    sent, dropped, lost = total(m, "sent"), m["window_drops"], total(m, "dropped")
    if m["overtaken"] < OVERTAKEN and int(attempt) < TRIES:
        print(f"only {m['overtaken']} packets overtaken: too slow", flush=True)
        return 3
    stop_if("demo-qos", [
        (m["unsent"], f"{m['unsent']} packets were refused to their sender."),
        (m["queue_drops"], f"the bottleneck's queues dropped {m['queue_drops']} packets."),
        (m["wire"] != sent or m["foreign"],
         f"the bottleneck sent {m['wire']} packets, {m['foreign']} of them of no class, "
         f"instead of {sent}."),
        (m["rate"] > FASTEST,
         f"the bottleneck let {m['rate']} packets a second pass, more than {FASTEST}."),
        (m["overtaken"] < OVERTAKEN,
         f"a packet of the priority overtook {m['overtaken']} packets at most, and at least "
         f"{OVERTAKEN} are wanted: the burst took {m['burst_ms']} ms, so this machine is too "
         "slow or too busy to fill the queue."),
        (m["other_drops"],
         f"IPsec dropped {m['other_drops']} packets for other reasons than a window."),
        (m["duplicates"] or m["stray"], "packets came twice, or from elsewhere."),
        (lost != dropped, f"{lost} packets did not come, but windows dropped {dropped}."),
        (variant in LOSES and not dropped,
         f"{name}: nothing was dropped, although {m['overtaken']} packets were overtaken."),
        (variant not in LOSES and dropped,
         f"{name}: {dropped} packets were dropped as replays, and none should be.")])
    print(f"{sent - lost:>6} of {sent} came, {dropped:>5} dropped as replays", flush=True)
    return 0


def entries(directory):
    for name, title, what, kind in VARIANTS:
        yield {"id": name, "name": title, "what": what, "kind": kind,
               **measurement(os.path.join(directory, name))}


def packet_table(variants):
    print("  Packets, and what was dropped as a replay\n")
    print(f"  {'':<19}{'':>4}{'priority (DSCP 46)':>22}{'bulk (DSCP 8)':>24}{'most':>9}")
    print(f"  {'':<19}{'SAs':>4}" + f"{'sent':>7}{'came':>6}{'dropped':>9}" +
          f"{'sent':>8}{'came':>7}{'dropped':>9}{'overtaken':>10}")
    for e in variants:
        p, b = e["classes"]["priority"], e["classes"]["bulk"]
        print(f"  {e['name']:<19}{e['sas']:>4}{p['sent']:>7}{p['received']:>6}{p['dropped']:>9}"
              f"{b['sent']:>8}{b['received']:>7}{b['dropped']:>9}{e['overtaken']:>10}")
    print("\n  Most overtaken: packets of bulk, by one packet of the priority. In one SA bulk\n"
          "  comes as many numbers late, or more.")


def ms(value):
    return "-" if value is None else f"{value:.1f}"


def delay_table(variants):
    print(f"\n  Delay in ms, from the sender's call to the receiver's\n\n"
          f"  {'':<19}{'priority':>18}{'bulk that came':>22}{'bottleneck,':>16}")
    print(f"  {'':<19}{'median':>9}{'p99':>9}{'median':>12}{'p99':>10}{'packets/s':>16}")
    for e in variants:
        p, b = (e["classes"][name]["delay_ms"] for name in CLASSES)
        print(f"  {e['name']:<19}{ms(p['median']):>9}{ms(p['p99']):>9}{ms(b['median']):>12}"
              f"{ms(b['p99']):>10}{e['rate']:>16.0f}")


def checks(variants):
    """(whether it is so, what) is to be seen"""
    found = {e["id"]: e for e in variants}
    least = min(e["overtaken"] for e in variants)
    fastest = max(e["rate"] for e in variants)
    yield (least >= OVERTAKEN, f"in each run the priority overtook {least} packets or more, "
           f"twice the widest window ({OVERTAKEN}) at least")
    yield fastest <= FASTEST, f"the bottleneck let {fastest:.0f} packets a second pass at most"
    yield (all(total(e, "received") + e["window_drops"] == total(e, "sent") and
               not e["duplicates"] for e in variants),
           "each packet came once, or was dropped by a window and counted there")
    for name in LOSES:
        e = found[name]
        yield (e["window_drops"] > 0,
               f"{e['name']}: {e['window_drops']} of {total(e, 'sent')} packets dropped")
    for name in "esp-classes", "vpe":
        e = found[name]
        sas = f"{e['sas']} SA{'s' if e['sas'] > 1 else ''}"
        yield not e["window_drops"], f"{e['name']}: none dropped, with {sas}"


def show(data):
    packet_table(data["variants"])
    delay_table(data["variants"])
    print()
    return print_checks(checks(data["variants"]))


def load(path):
    with open(path, encoding="utf-8") as f:
        return json.load(f)


def report(directory):
    bulk, bulk_rate, priority, seconds, size, link = read(directory, "traffic").split()
    path = os.path.join(directory, "qos.json")
    with open(path, "w", encoding="utf-8") as f:
        json.dump({"kernel": read(directory, "kernel").strip(), "bulk": int(bulk),
                   "bulk_per_second": int(bulk_rate), "priority_per_second": int(priority),
                   "seconds": int(seconds), "payload": int(size), "link": link,
                   "variants": list(entries(directory))}, f, indent=1)
    data = load(path)
    with open(os.path.join(directory, "qos.svg"), "w", encoding="utf-8") as f:
        f.write(chart.draw(data))
    return show(data)


if __name__ == "__main__":
    run = {"line": line, "all": report, "show": lambda path: show(load(path))}
    sys.exit(run[sys.argv[1]](*sys.argv[2:]))
