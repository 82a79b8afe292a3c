"""A face as strokes of a pen, on a paper of 1,024x1,024 px: first in lines, then shaded.

`drawing.py` draws it on the page of `sketch2img draw`. Nobody sat for it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

Place = tuple[float, float]


@dataclass(frozen=True)
class Stroke:
    """One stroke: its tool with width and darkness, and its points with a pressure each."""

    tool: str
    width: int
    darkness: float
    points: tuple[tuple[float, float, float], ...]

    @property
    def length(self) -> float:
        """The length in pixels of the paper."""
        return sum(math.dist(a[:2], b[:2]) for a, b in pairwise(self.points))


def curve(places: Sequence[Place], step: float = 9) -> list[Place]:
    """Return points at about equal distances on a smooth curve through the places."""
    ends = [places[0], *places, places[-1]]
    result = [places[0]]
    for a, b, c, d in zip(ends, ends[1:], ends[2:], ends[3:], strict=False):
        count = max(2, round(math.dist(b, c) / step))
        axes = list(zip(a, b, c, d, strict=True))
        result += [tuple(bend(*axis, i / count) for axis in axes) for i in range(1, count + 1)]
    return result


def bend(a: float, b: float, c: float, d: float, t: float) -> float:
    """Return the value at `t` between `b` and `c` on the spline of Catmull and Rom."""
    rise = t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
    return b + rise / 2


def stroke(*places: Place, width: int = 5, dark: float = 0.8, tool: str = "pencil") -> Stroke:
    """Return a stroke through the places; a pencil begins and ends a line with little pressure."""
    points = curve([(512 + 1.08 * (x - 512), min(1020, 1.08 * y - 59)) for x, y in places])
    last = len(points) - 1
    is_line = tool == "pencil" and last > 2
    force = [
        min(0.5, 0.125 + 2 * min(i, last - i) / last) if is_line else 0.5 for i in range(last + 1)
    ]
    return Stroke(tool, width, dark, tuple((*p, f) for p, f in zip(points, force, strict=True)))


def mirrored(one: Stroke) -> Stroke:
    """Return the stroke on the other side of the face, not quite the same, as by a hand."""
    points = (
        (1024 - x + 3 * math.sin(y / 37), y + 2 * math.sin(x / 23), f) for x, y, f in one.points
    )
    return Stroke(one.tool, one.width, one.darkness, tuple(points))


# The edges of the hair from the parting down: the outer ones, and those along the face.
OUTER_LEFT = (
    *((556, 168), (470, 148), (380, 170), (308, 232), (262, 322), (240, 440)),
    *((236, 560), (244, 660), (268, 742), (318, 790)),
)
INNER_LEFT = (
    *((556, 196), (500, 236), (432, 290), (370, 340), (326, 396), (306, 470)),
    *((303, 560), (318, 640), (350, 708), (400, 766)),
)
OUTER_RIGHT = (
    *((556, 168), (628, 154), (694, 184), (746, 246), (776, 330), (790, 440)),
    *((792, 560), (782, 660), (758, 742), (708, 790)),
)
INNER_RIGHT = (
    *((556, 196), (600, 232), (648, 284), (682, 336), (708, 400), (720, 470)),
    *((721, 560), (706, 640), (674, 708), (624, 766)),
)


def strand(outer: Sequence[Place], inner: Sequence[Place], share: float) -> list[Place]:
    """Return a strand of hair between two edges."""
    return [
        (a + (c - a) * share + 3 * math.sin(9 * share + b / 60), b + (d - b) * share)
        for (a, b), (c, d) in zip(outer, inner, strict=True)
    ]


def hair(shares: Sequence[float], **pen: float) -> list[Stroke]:
    """Return strands on both sides."""
    sides = ((OUTER_LEFT, INNER_LEFT), (OUTER_RIGHT, INNER_RIGHT))
    return [stroke(*strand(*side, share), **pen) for side in sides for share in shares]


def in_lines() -> list[Stroke]:
    """Return the face in lines."""
    face = stroke(
        *((304, 470), (306, 560), (322, 640), (354, 708), (406, 768), (464, 812), (512, 822)),
        *((560, 812), (618, 768), (670, 708), (702, 640), (718, 560), (720, 470)),
        width=5,
        dark=0.7,
    )
    arch = curve(((340, 464), (362, 446), (396, 438), (432, 442), (462, 450)), 11)
    brows = [
        stroke((x - 3, y + 8), (x + 6, y - 1), (x + 17, y - 6), width=6, dark=0.75) for x, y in arch
    ]
    eye = [
        stroke((352, 514), (372, 495), (404, 485), (434, 492), (460, 512), width=8, dark=0.95),
        stroke((360, 518), (384, 529), (410, 532), (436, 526), (456, 515), width=3, dark=0.5),
        stroke((352, 492), (376, 473), (406, 465), (438, 472), (462, 492), width=3, dark=0.4),
        stroke((387, 492), (385, 510), (394, 525), (408, 530), (422, 525), (431, 510), (429, 493)),
        stroke((406, 506), (410, 508), width=20, dark=0.95),
        stroke((393, 498), (392, 510), (398, 520), width=8, dark=0.6),
        stroke((424, 498), (424, 510), (418, 520), width=8, dark=0.6),
    ]
    nose = [
        stroke((466, 612), (456, 630), (460, 647), (475, 649), width=4, dark=0.5),
        stroke((478, 651), (488, 644), (500, 650), width=6, dark=0.85),
    ]
    middle = [
        stroke((488, 560), (484, 590), (476, 608), width=3, dark=0.25),
        stroke((498, 657), (512, 662), (526, 657), width=4, dark=0.5),
        stroke(
            *((436, 710), (446, 714), (476, 714), (498, 716), (512, 719), (526, 716)),
            *((548, 714), (578, 714), (588, 710)),
            width=5,
            dark=0.9,
        ),
        stroke(
            *((444, 712), (474, 701), (498, 694), (512, 698), (526, 694), (550, 701), (580, 712)),
            width=3,
            dark=0.5,
        ),
        stroke((460, 728), (486, 745), (512, 749), (538, 745), (564, 728), width=3, dark=0.45),
        stroke((486, 768), (512, 773), (538, 768), width=4, dark=0.3),
    ]
    body = [
        stroke((412, 784), (416, 840), (408, 884), (384, 906), width=5, dark=0.65),
        stroke((384, 906), (296, 936), (186, 964), (106, 996), (80, 1020), width=5, dark=0.75),
        stroke((392, 898), (430, 960), (472, 1004), (494, 1022), width=5, dark=0.75),
        stroke((372, 910), (370, 956), (394, 996), (418, 1022), width=4, dark=0.7),
    ]
    sides = [*brows, *eye, *nose, *body]
    edges = hair((0, 1), width=6, dark=0.85)
    strands = hair((0.15, 0.3, 0.5, 0.7, 0.85), width=4, dark=0.7)
    return [face, *edges, *strands, *sides, *map(mirrored, sides), *middle]


def soft(*places: Place, width: int, dark: float) -> Stroke:
    """Return a stroke of the shading brush."""
    return stroke(*places, width=width, dark=dark, tool="shade")


def shading() -> list[Stroke]:
    """Return the strokes that shade it."""
    mass = hair((0.2, 0.4, 0.6, 0.8), tool="shade", width=48, dark=0.6)
    strands = hair([0.04 + 0.92 * i / 13 for i in range(14)], width=4, dark=0.9)
    sides = [
        soft((352, 486), (404, 472), (458, 484), width=26, dark=0.1),
        soft((308, 500), (314, 570), (330, 640), (362, 706), (412, 764), width=50, dark=0.05),
        soft((330, 620), (362, 690), (410, 750), width=80, dark=0.05),
        soft((420, 788), (464, 826), (512, 836), width=44, dark=0.2),
        soft((424, 810), (424, 890), width=50, dark=0.1),
        soft((352, 944), (270, 966), (190, 986), (100, 1024), width=44, dark=0.5),
        soft((384, 986), (280, 1000), (170, 1016), width=80, dark=0.6),
        soft((400, 1020), (280, 1026), (120, 1030), width=60, dark=0.6),
        soft((358, 930), (368, 970), (404, 1016), width=30, dark=0.5),
    ]
    middle = [
        soft((484, 500), (488, 550), (482, 610), width=30, dark=0.05),
        soft((476, 660), (512, 668), (548, 660), width=24, dark=0.1),
        soft((462, 707), (512, 708), (562, 707), width=18, dark=0.2),
        soft((474, 732), (512, 736), (550, 732), width=22, dark=0.1),
        soft((484, 766), (512, 770), (540, 766), width=26, dark=0.1),
    ]
    return [*mass, *strands, *sides, *map(mirrored, sides), *middle]
