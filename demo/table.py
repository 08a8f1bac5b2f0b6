#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Tables of the demo, from what "ip xfrm vpe" tells.

table.py before SPI			hv2's counters of an SA, for later
table.py arrived BEFORE SPI SENT	exit status 0 when SENT packets were refused
table.py replay BEFORE SPI SENT DELIVERED
table.py totals SPI12 SPI21
"""
import json
import subprocess
import sys


def ask(hv, *words):
    out = subprocess.run(["ip", "-n", hv, "-j", "-s", "xfrm", "vpe", *words],
                         check=True, capture_output=True, text=True).stdout
    return json.loads(out or "[]")


def counters(hv, spi):
    sa = [sa for sa in ask(hv, "show") if sa["spi"] == int(spi, 0)][0]
    return {**sa["stats"], **sa["drops"]}


def growth(path, spi):
    with open(path, encoding="ascii") as f:
        before = json.load(f)
    now = counters("hv2", spi)
    return {name: now[name] - before[name] for name in now}


def before(spi):
    print(json.dumps(counters("hv2", spi)))
    return 0


def arrived(path, spi, sent):
    grown = growth(path, spi)
    return 0 if sum(grown[n] for n in grown if n in drops(grown)) >= int(sent) else 1


def drops(names):
    return [n for n in names if n.startswith("rx-") and
            n not in ("rx-packets", "rx-bytes", "rx-async", "rx-elsewhere", "rx-fill",
                  "rx-core", "rx-moved", "rx-steered")]


def replay(path, spi, sent, delivered):
    grown, sent, delivered = growth(path, spi), int(sent), int(delivered)
    refused = grown["rx-replay"] + grown["rx-old"] + grown["rx-behind"]
    for text, number in (("sent again", sent),
                         ("refused: seen before (rx-replay)", grown["rx-replay"]),
                         ("refused: behind the window", grown["rx-old"] + grown["rx-behind"]),
                         ("accepted by hv2", grown["rx-packets"]),
                         ("came to tenant2", delivered)):
        print(f"  {text:<40} {number:>8}")
    return 0 if refused == sent and not grown["rx-packets"] and not delivered else 1


def totals(spi12, spi21):
    print(f"  {'':<14} {'sent':>8} {'received':>10} {'replays refused':>17} "
          f"{'other drops':>13}")
    bad = 0
    for name, tx, rx, spi in (("hv1 to hv2", "hv1", "hv2", spi12),
                              ("hv2 to hv1", "hv2", "hv1", spi21)):
        sent, got = counters(tx, spi), counters(rx, spi)
        refused = got["rx-replay"] + got["rx-old"] + got["rx-behind"]
        other = sum(got[n] for n in drops(got)) - refused
        other += sum(v for n, v in sent.items() if n.startswith("tx-") and n in
                     ("tx-state", "tx-size", "tx-claim", "tx-sequence", "tx-segment",
                      "tx-nomem", "tx-crypto"))
        print(f"  {name:<14} {sent['tx-packets']:>8} {got['rx-packets']:>10} "
              f"{refused:>17} {other:>13}")
        bad |= other or sent["tx-packets"] != got["rx-packets"]
    return 1 if windows(spi12, spi21) or bad else 0


def windows(spi12, spi21):
    """Windows in use: what the sender counted, what the receiver accepted."""
    print("\n  Windows in use (each has its own sequence and replay window):\n")
    print(f"  {'':<12} {'window':>6} {'of CPU':>7} {'sent':>7} {'received':>9} "
          f"{'refused':>8} {'last sequence':>20}")
    missing = 0
    for name, tx, rx, spi in (("hv1 to hv2", "hv1", "hv2", spi12),
                              ("hv2 to hv1", "hv2", "hv1", spi21)):
        received = {w["window-id"]: w for w in ask(rx, "window", "show", "spi", spi, "rx")}
        for w in ask(tx, "window", "show", "spi", spi, "tx"):
            got = received.get(w["window-id"])
            if not got:
                missing = 1
                continue
            print(f"  {name:<12} {w['window-id']:>6} {w['cpu']:>7} {w['packets']:>7} "
                  f"{got['packets']:>9} {got['replayed'] + got['old']:>8} {got['seq']:>20}")
    return missing


if __name__ == "__main__":
    run = {"before": before, "arrived": arrived, "replay": replay, "totals": totals}
    sys.exit(run[sys.argv[1]](*sys.argv[2:]))
