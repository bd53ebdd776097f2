"""Time over objects, both logarithmic, as an SVG that reads well on light and dark pages."""

import math
from collections.abc import Iterator, Mapping, Sequence

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 760, 440, 64, 170, 24, 48
COLOURS = ("#2563eb", "#d97706", "#059669", "#dc2626", "#7c3aed", "#0891b2", "#64748b")
Points = Sequence[tuple[float, float]]


def svg(lines: Mapping[str, Points], *, x_name: str, y_name: str) -> str:
    """One polyline for each name: (x, y), both above 0."""
    xs = [x for points in lines.values() for x, _ in points]
    ys = [y for points in lines.values() for _, y in points]
    x_range, y_range = _decades(xs), _decades(ys)

    def place(x: float, y: float) -> tuple[float, float]:
        across = (math.log10(x) - x_range[0]) / (x_range[1] - x_range[0])
        up = (math.log10(y) - y_range[0]) / (y_range[1] - y_range[0])
        return (
            LEFT + across * (WIDTH - LEFT - RIGHT),
            HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM),
        )

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"',
        f'  aria-label="{y_name} over {x_name}" font-family="system-ui, sans-serif" font-size="12">',
        "<style>",
        "text{fill:#475569}.grid{stroke:#94a3b8;stroke-opacity:.35}",
        "@media(prefers-color-scheme:dark){text{fill:#cbd5e1}}",
        "</style>",
        *_grid(x_range, y_range, place),
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">{x_name}</text>',
        f'<text x="14" y="{TOP - 8}">{y_name}</text>',
    ]
    for (name, points), colour in zip(lines.items(), COLOURS * len(lines), strict=False):
        parts += _line(name, [place(x, y) for x, y in sorted(points)], colour)
    return "\n".join([*parts, "</svg>", ""])


def _decades(values: Sequence[float]) -> tuple[int, int]:
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return low, max(high, low + 1)


def _grid(x_range: tuple[int, int], y_range: tuple[int, int], place: object) -> Iterator[str]:
    assert callable(place)
    for power in range(x_range[0], x_range[1] + 1):
        x, bottom = place(10**power, 10 ** y_range[0])
        yield f'<line class="grid" x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{bottom:.1f}"/>'
        yield f'<text x="{x:.1f}" y="{bottom + 16:.1f}" text-anchor="middle">{_number(10**power)}</text>'
    for power in range(y_range[0], y_range[1] + 1):
        left, y = place(10 ** x_range[0], 10**power)
        yield f'<line class="grid" x1="{left:.1f}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}"/>'
        yield f'<text x="{left - 8:.1f}" y="{y + 4:.1f}" text-anchor="end">{_number(10**power)} s</text>'


def _line(name: str, points: Points, colour: str) -> Iterator[str]:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    yield f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{path}"/>'
    yield from (f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points)
    x, y = points[-1]
    yield f'<text x="{x + 8:.1f}" y="{y + 4:.1f}" style="fill:{colour}">{name}</text>'


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1 else f"{value:g}"
