# SPDX-License-Identifier: GPL-2.0
"""Drops and delays as a picture: a row for each variant, a bar for each class."""
import svg
from svg import line, rect, text

WIDTH, LEFT, TOP, ROW, BAR = 1000, 24, 158, 62, 15
DROPS, DELAY = (262, 316), (700, 220)	# first pixel, width
STEP = 21		# from bar to bar


def nice(most):
    """A round number not below it"""
    scale = 1
    while True:
        for factor in 1, 2, 5:
            if most <= factor * scale:
                return factor * scale
        scale *= 10


def axis(panel, most, top, bottom, unit):
    x, width = panel
    for quarter in range(5):
        at, value = x + width * quarter / 4, most * quarter / 4
        yield line(at, top, at, bottom, "grid" if quarter else "axis")
        yield text(at, bottom + 18, f"{value:,.4g}" if value < 1000 else f"{value:,.0f}",
                   "muted", "small", "middle")
    yield text(x + width / 2, bottom + 36, unit, "muted", "small", "middle")


def bar(panel, most, y, value, kind, words, hint):
    x, width = panel
    length = value / most * width
    if value:
        yield rect(x, y, max(length, 1), BAR, kind, hint)
    yield text(x + length + 7, y + BAR - 3.5, words, "small")


def drop_bars(entry, most, top):
    for n, name in enumerate(entry["classes"]):
        c, y = entry["classes"][name], top + n * STEP
        yield text(DROPS[0] - 10, y + BAR - 3.5, name, "muted", "small", "right")
        yield from bar(DROPS, most, y, c["dropped"], entry["kind"], f"{c['dropped']:,}",
                       f"{name}: {c['dropped']} of {c['sent']} packets dropped")


def delay_bars(entry, most, top):
    delay = entry["classes"]["priority"]["delay_ms"]
    for n, (key, name) in enumerate((("median", "median"), ("p99", "99 %"))):
        y = top + n * STEP
        yield text(DELAY[0] - 10, y + BAR - 3.5, name, "muted", "small", "right")
        if delay[key] is not None:
            yield from bar(DELAY, most, y, delay[key], entry["kind"], f"{delay[key]:,.1f}",
                           f"{name} of the priority's delay: {delay[key]:.2f} ms")


def row(entry, most, top):
    yield text(LEFT, top + 12, entry["name"], "name")
    yield text(LEFT, top + 31, entry["what"], "muted", "small")
    yield from drop_bars(entry, most["drops"], top)
    yield from delay_bars(entry, most["delay"], top)


def largest(variants):
    """Where the two axes end"""
    classes = [c for e in variants for c in e["classes"].values()]
    p99 = [e["classes"]["priority"]["delay_ms"]["p99"] or 0 for e in variants]
    return {"drops": max(c["sent"] for c in classes), "delay": nice(max(*p99, 1))}


def draw(data):
    variants = data["variants"]
    most = largest(variants)
    bottom = TOP + len(variants) * ROW - 10
    sent = {name: c["sent"] for name, c in variants[0]["classes"].items()}
    *marks, _ = svg.kinds(LEFT, 92)
    parts = [text(LEFT, 40, "What replay windows drop where a priority overtakes", "title"),
             text(LEFT, 62, f"{sent['bulk']:,} packets of bulk wait at a link of "
                  f"{data['link'].removesuffix('mbit')} Mbit/s, {sent['priority']:,} of a "
                  f"priority go first; Linux {data['kernel']}", "muted"), *marks,
             text(DROPS[0], TOP - 26, "Dropped as replays", "name"),
             text(DELAY[0], TOP - 26, "Delay of the priority", "name"),
             *axis(DROPS, most["drops"], TOP - 8, bottom, "packets"),
             *axis(DELAY, most["delay"], TOP - 8, bottom, "ms")]
    for n, entry in enumerate(variants):
        parts += row(entry, most, TOP + n * ROW)
    return svg.document(WIDTH, bottom + 54, "Replay drops by class, and delay of the priority",
                        parts)
