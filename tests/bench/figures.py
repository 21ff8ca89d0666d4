# SPDX-License-Identifier: MIT
"""Numbers, tables and plots, as tests/bench/report writes them."""
import json
import math
import statistics


class Spread:
    """The least, the middle and the greatest of some numbers."""

    def __init__(self, numbers):
        self.numbers = sorted(numbers)
        self.least, self.greatest = self.numbers[0], self.numbers[-1]
        self.middle = statistics.median(self.numbers)

    def __str__(self):
        if len(self.numbers) == 1:
            return f"**{digits(self.middle)}** (once)"
        return f"**{digits(self.middle)}** ({digits(self.least)} to {digits(self.greatest)})"


def digits(number):
    """Three digits that mean something, at most; no exponent."""
    if number == 0:
        return "0"
    decimals = max(0, 2 - math.floor(math.log10(abs(number))))
    return f"{number:,.{min(decimals, 3)}f}"


def seconds(milliseconds):
    return f"{digits(Spread(milliseconds).middle / 1000)} s"


def read(folder, name):
    path = folder / f"{name}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return lines + ["| " + " | ".join(row) + " |" for row in rows]


# --- plots: dots at the medians with a line from the least to the greatest, on a logarithmic scale ---

WIDTH, LEFT, RIGHT, ROW, TOP, FOOT = 860, 250, 40, 26, 48, 34
OURS, THEIRS, PLAIN = "#1b6e3c", "#b3541e", "#555555"


def plot(panels):
    """Each panel is a title and groups; a group is a heading and rows of label, spread and colour."""
    parts, top = [], 0
    for title, groups in panels:
        lines, height = plot_panel(title, groups)
        parts += [f'<g transform="translate(0 {top})">'] + lines + ["</g>"]
        top += height
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{top}" '
                      f'viewBox="0 0 {WIDTH} {top}" font-family="sans-serif" font-size="13">',
                      f'<rect width="{WIDTH}" height="{top}" fill="#ffffff"/>'] + parts + ["</svg>", ""])


def plot_panel(title, groups):
    spreads = [spread for _, rows in groups for _, spread, _ in rows]
    low = math.floor(math.log10(min(spread.least for spread in spreads)))
    high = math.ceil(math.log10(max(spread.greatest for spread in spreads)))
    height = TOP + ROW * (len(spreads) + len(groups)) + FOOT

    def x(number):
        return LEFT + (math.log10(number) - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    out = [f'<text x="16" y="24" font-size="15">{title}</text>']
    for power in range(low, high + 1):
        at = x(10 ** power)
        out.append(f'<line x1="{at:.1f}" y1="{TOP - 6}" x2="{at:.1f}" y2="{height - FOOT + 6}" '
                   f'stroke="{"#999999" if power == 0 else "#dddddd"}"/>')
        out.append(f'<text x="{at:.1f}" y="{height - 10}" text-anchor="middle" fill="{PLAIN}">{10 ** power:,g}</text>')
    y = TOP + ROW // 2
    for heading, rows in groups:
        out.append(f'<text x="16" y="{y + 4}" font-weight="bold">{heading}</text>')
        for label, spread, colour in rows:
            y += ROW
            out += plot_row(label, spread, colour, x, y)
        y += ROW
    return out, height


def plot_row(label, spread, colour, x, y):
    left, middle, right = x(spread.least), x(spread.middle), x(spread.greatest)
    anchor, at = ("end", left - 12) if right > WIDTH - RIGHT - 60 else ("start", right + 12)
    return [f'<text x="{LEFT - 12}" y="{y + 4}" text-anchor="end" fill="{colour}">{label}</text>',
            f'<line x1="{left:.1f}" y1="{y}" x2="{right:.1f}" y2="{y}" stroke="{colour}" stroke-width="3"/>',
            f'<circle cx="{middle:.1f}" cy="{y}" r="5" fill="{colour}"/>',
            f'<text x="{at:.1f}" y="{y + 4}" text-anchor="{anchor}" fill="{colour}" stroke="#ffffff" stroke-width="4" '
            f'paint-order="stroke">{digits(spread.middle)}</text>']
