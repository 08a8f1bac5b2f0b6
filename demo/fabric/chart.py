# SPDX-License-Identifier: GPL-2.0
"""The fabric's loads as a picture: a row for each protocol, a bar for each link."""
import svg
from svg import line, rect, text

WIDTH, LEFT, TOP, ROW, PLOT, FLAT = 1000, 24, 158, 102, 64, 58
MOST = 2		# times the mean: where bars are cut off
UNIT = PLOT / MOST	# pixels for the mean
# of each kind of link: first pixel, width, links, links that stand together, head
PANELS = {"uplinks": (262, 376, 16, 4, "16 uplinks of leaf 1"),
          "bond": (684, 100, 4, 4, "bond of hv1"),
          "queues": (830, 146, 8, 8, "8 RX queues")}


def places(panel):
    """(left edge, width) of each of its bars."""
    x, width, bars, group, _ = PANELS[panel]
    gap, between = 3, 12
    gaps = bars // group - 1
    bar = (width - gaps * between - (bars - 1 - gaps) * gap) / bars
    for n in range(bars):
        yield x + n * (bar + gap) + n // group * (between - gap), bar


def bars(panel, loads, bottom, kind, what):
    """Those that are too high are cut, and say how high they are."""
    mean = sum(loads) / len(loads)
    for n, ((x, width), load) in enumerate(zip(places(panel), loads)):
        height = min(load / mean, MOST) * UNIT
        if load:
            yield rect(x, bottom - height, width, max(height, 1), kind,
                       f"{what} {n + 1}: {load} packets, {load / mean:.2f} times the mean")
        if load / mean > MOST:
            y = bottom - PLOT + 9
            yield (f'<path class="cut" d="M{x - 1:.1f} {y + 3} l{width / 2 + 1:.1f} -5 '
                   f'l{width / 2 + 1:.1f} 5"/>')
            yield text(x + width / 2, bottom - PLOT - 5, f"{load / mean:.1f}", "small", "middle")


def frame(panel, bottom):
    x, width = PANELS[panel][:2]
    for times in range(1, MOST + 1):
        yield line(x - 4, bottom - times * UNIT, x + width + 4, bottom - times * UNIT, "grid")


def base(panel, bottom):
    x, width = PANELS[panel][:2]
    yield line(x - 4, bottom - UNIT, x + width + 4, bottom - UNIT, "mean")
    yield line(x - 4, bottom, x + width + 4, bottom, "axis")


def row(entry, top):
    """A protocol: its name, what it came to, its three panels."""
    bottom = top + PLOT
    yield text(LEFT, top + 16, entry["name"], "name")
    yield text(LEFT, top + 34, entry["what"], "muted", "small")
    if "refused" in entry:
        yield text(PANELS["uplinks"][0], top + 16, "not available: " + entry["refused"],
                   "muted", "small")
        return
    loads = {"uplinks": entry["uplinks"], "bond": entry["bonds"][0], "queues": entry["queues"]}
    used = sum(1 for load in loads["uplinks"] if load)
    yield text(LEFT, top + 54, f"{used} of {len(loads['uplinks'])} uplinks, the fullest "
               f"{entry['max_mean']:.2f}", "small")
    yield text(LEFT, top + 70, f"{entry['sent'] - entry['received']} packets lost, "
               f"{entry['reordered_flows']} flows reordered", "muted", "small")
    for times in range(MOST + 1):
        yield text(PANELS["uplinks"][0] - 10, bottom - times * UNIT + 4, str(times), "muted",
                   "small", "right")
    for panel, what in ("uplinks", "uplink"), ("bond", "link"), ("queues", "queue"):
        yield from frame(panel, bottom)
        if panel == "uplinks" and entry["kind"] != "stock":
            x, width = PANELS[panel][:2]
            low, _, high = (min(value, MOST) for value in entry["fair"])
            yield rect(x - 4, bottom - high * UNIT, width + 8, (high - low) * UNIT, "fair")
        yield from bars(panel, loads[panel], bottom, entry["kind"], what)
        yield from base(panel, bottom)


def legend(y):
    *marks, x = svg.kinds(LEFT, y)
    yield from marks
    yield line(x, y - 4, x + 22, y - 4, "mean")
    yield text(x + 28, y, "an even load", "small")
    yield rect(x + 128, y - 10, 22, 12, "fair")
    yield text(x + 156, y, "where the fullest uplink of a fair hash ends, 9 times in 10",
               "small")


def numbers(y):
    """Below the last row: which link is which."""
    for panel in PANELS:
        for n, (x, width) in enumerate(places(panel)):
            yield text(x + width / 2, y + 16, str(n + 1), "muted", "small", "middle")
    edges = list(places("uplinks"))
    for spine in range(4):
        left, right = edges[4 * spine][0], edges[4 * spine + 3][0] + edges[4 * spine + 3][1]
        yield text((left + right) / 2, y + 34, f"to spine {spine + 1}", "muted", "small", "middle")
    for panel, words in ("bond", "link"), ("queues", "queue"):
        x, width = PANELS[panel][:2]
        yield text(x + width / 2, y + 34, words, "muted", "small", "middle")


def draw(entries, subtitle):
    body, y = [], TOP
    for entry in entries:
        body += row(entry, y)
        y += FLAT if "refused" in entry else ROW
        if "refused" not in entry:
            last = y - ROW + PLOT
    height = max(last + 56, y)
    axis = (f'<text class="muted small middle" transform="translate({PANELS["uplinks"][0] - 32} '
            f'{TOP + PLOT / 2}) rotate(-90)">times the mean</text>')
    head = [text(LEFT, 40, "Which links an encrypted overlay fills", "title"),
            text(LEFT, 62, subtitle, "muted"), *legend(92)]
    head += [text(PANELS[p][0], TOP - 26, PANELS[p][4], "name") for p in PANELS]
    return svg.document(WIDTH, height, "Load of each link by protocol",
                        [*head, axis, *body, *numbers(last)])
