#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""What a fabric's load is to be expected to be: Documentation/fabric.rst.

model.py		the document's tables
model.py FABRIC.JSON	what "make demo-fabric" has measured, beside the model

A fabric hashes what a switch sees of a packet - addresses, protocol, ports - to
one of its paths. All packets that look the same to it go the same way: those of
one flow, or with VPE in UDP those of one lane, which is one window with one
source port. The hash is taken to be fair: each path equally probable for each.
"""
import collections
import itertools
import json
import random
import sys

SEED = 5		# any will do, but the document is to be reproducible
DRAWS = 200
LANES = 1024		# of an SA, by default
LANE_TX = 8		# bytes: its counter
WINDOW_RX = 72		# bytes, besides its bits: struct vpe_window
INDEX_RX = 576 / 64	# bytes, to find it: a node of the kernel's xarray has 64 slots


def max_mean(loads):
    """How much more than the mean the fullest has: 1 is an even load."""
    return max(loads) * len(loads) / sum(loads)


def jain(loads):
    """Jain's index of fairness: 1 is an even load, 1/n all on one of n."""
    return sum(loads) ** 2 / (len(loads) * sum(n * n for n in loads))


def spread(weights, paths, rng):
    """The paths' loads after a draw of the hash."""
    loads = [0] * paths
    for path, weight in zip(rng.choices(range(paths), k=len(weights)), weights):
        loads[path] += weight
    return loads


def quantiles(values):
    """5 %, median, 95 %"""
    values = sorted(values)
    return tuple(values[round(q * (len(values) - 1))] for q in (0.05, 0.5, 0.95))


def draws(weights, paths, number=DRAWS, seed=SEED):
    """Quantiles of max/mean over so many draws of the hash."""
    rng = random.Random(seed)
    return quantiles(max_mean(spread(weights, paths, rng)) for _ in range(number))


def lane_weights(flows, lanes, rng):
    """Flows of each lane in use; lanes 0: each flow has a port of its own."""
    if not lanes:
        return [1] * flows
    return list(collections.Counter(rng.choices(range(lanes), k=flows)).values())


def expected(flows, lanes, paths, number=DRAWS):
    """As draws(), of flows that all send alike over so many lanes, drawn as well."""
    rng = random.Random(f"{SEED} {flows} {lanes} {paths}")
    return quantiles(max_mean(spread(lane_weights(flows, lanes, rng), paths, rng))
                     for _ in range(number))


def lanes_used(flows, lanes):
    return lanes * (1 - (1 - 1 / lanes) ** flows)


def table(head, rows):
    """A simple table of reStructuredText."""
    widths = [max(map(len, column)) for column in zip(head, *rows)]
    line = "  ".join("=" * width for width in widths)
    print(line)
    for n, row in enumerate([head] + rows):
        print("  ".join(cell.rjust(width) for cell, width in zip(row, widths)).rstrip())
        if n == 0:
            print(line)
    print(line + "\n")


def thousands(number):
    return f"{number:,.0f}".replace(",", " ")


def size(number):
    """Bytes, for people."""
    for unit in "B", "KiB", "MiB":
        if number < 1024 or unit == "MiB":
            break
        number /= 1024
    return f"{number:.{0 if number >= 10 or unit == 'B' else 1}f} {unit}"


def paths_table():
    paths = 16, 32, 64, 128, 256, 512
    rows = []
    for flows, lanes in itertools.product((300, 2000, 20000), (0, 1, 64, LANES, 4096, 8192)):
        if flows > 300 or lanes <= LANES:
            rows.append([thousands(flows), thousands(lanes) if lanes else "each"] +
                        ["%.2f" % expected(flows, lanes, p, 100)[1] for p in paths])
    table(["flows", "lanes"] + [f"{p} paths" for p in paths], rows)


def window_memory(packets):
    """Bytes: whole cache lines, in the kernel's next larger slab."""
    lines = -(-(WINDOW_RX + packets // 8) // 64)
    slab = 192 if lines == 3 else 64 << (lines - 1).bit_length()
    return slab + INDEX_RX


def memory_table():
    rows = []
    for lanes, flows in itertools.product((2, 64, LANES, 4096, 8192), (300, 2000, 20000)):
        used = lanes_used(flows, lanes)
        rows.append([thousands(lanes), thousands(flows), size(lanes * LANE_TX), thousands(used)] +
                    [size(used * window_memory(packets)) for packets in (64, 1024, 4096)])
    table(["lanes", "flows", "sender", "windows", "of 64", "of 1024", "of 4096"], rows)


def measured_table(path):
    """What the fabric has measured, beside what flows and lanes alone let expect."""
    with open(path, encoding="utf-8") as f:
        run = json.load(f)
    rows, flows, outside = [], run["flows"], 0
    for entry in run["protocols"]:
        if entry["id"] not in ("plain", "esp-entropy", "vpe") or "refused" in entry:
            continue
        lanes = LANES if entry["id"] == "vpe" else 0
        for what, loads, sas in (("uplinks", entry["uplinks"], 2),
                                 ("RX queues", entry["queues"], 2),
                                 ("bond of hv1", entry["bonds"][0], 1),
                                 ("bond of hv2", entry["bonds"][1], 1)):
            low, middle, high = expected(flows * sas // 2, lanes * sas, len(loads))
            outside += not low <= max_mean(loads) <= high
            rows.append([entry["name"], what, str(len(loads)), f"{max_mean(loads):.2f}",
                         f"{middle:.2f}", f"{low:.2f}-{high:.2f}"])
    table(["protocol", "", "paths", "measured", "model", "5-95 %"], rows)
    print(f"{outside} of {len(rows)} outside.")
    for entry in run["protocols"]:
        if entry["id"] == "vpe" and "refused" not in entry:
            print(f"VPE used {entry['look_alikes']} windows, the model "
                  f"{2 * lanes_used(flows / 2, LANES):.0f}.")


def main(*measured):
    if measured:
        measured_table(*measured)
    else:
        paths_table()
        memory_table()


if __name__ == "__main__":
    main(*sys.argv[1:])
