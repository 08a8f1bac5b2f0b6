# SPDX-License-Identifier: GPL-2.0
"""Pictures of the demonstrations: nothing but SVG, light or dark as the reader's
screen is.
"""
from html import escape

# whose bars they are; by class of the style below
KINDS = {"plain": "not encrypted", "stock": "the kernel's ESP", "ours": "this module"}

STYLE = """
text { font: 13px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; fill: #1d2430 }
.page { fill: #ffffff } .muted { fill: #5c6675 } .small { font-size: 11.5px }
.title { font-size: 20px; font-weight: 600 } .name { font-size: 14px; font-weight: 600 }
.right { text-anchor: end } .middle { text-anchor: middle }
.grid { stroke: #e3e7ec; stroke-width: 1 } .axis { stroke: #b4bcc8; stroke-width: 1 }
.mean { stroke: #1d2430; stroke-width: 1; stroke-dasharray: 4 3 }
.fair { fill: #1d2430; fill-opacity: 0.09 } .cut { stroke: #ffffff; stroke-width: 2.5; fill: none }
.plain { fill: #8993a1 } .stock { fill: #d97b29 } .ours { fill: #2a78d6 }
@media (prefers-color-scheme: dark) {
text { fill: #e7eaef } .page { fill: #15181d } .muted { fill: #9ba5b3 }
.grid { stroke: #2a3038 } .axis { stroke: #4b5563 } .mean { stroke: #e7eaef }
.fair { fill: #ffffff; fill-opacity: 0.13 } .cut { stroke: #15181d }
.plain { fill: #8f99a8 } .stock { fill: #e58f45 } .ours { fill: #4c96ee }
}
"""


def text(x, y, words, *classes):
    names = f' class="{" ".join(classes)}"' if classes else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{names}>{escape(words)}</text>'


def line(x1, y1, x2, y2, name):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{name}"/>'


def rect(x, y, width, height, name, hint=""):
    inner = f"<title>{escape(hint)}</title>" if hint else ""
    return (f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" '
            f'class="{name}">{inner}</rect>')


def kinds(x, y):
    """Their legend; the last element is where it ends."""
    for kind, words in KINDS.items():
        yield rect(x, y - 10, 12, 12, kind)
        yield text(x + 18, y, words, "small")
        x += 34 + 7 * len(words)
    yield x


def document(width, height, title, parts):
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img" aria-labelledby="t">',
        f'<title id="t">{escape(title)}</title>', f"<style>{STYLE}</style>",
        rect(0, 0, width, height, "page"), *parts, "</svg>", ""])
