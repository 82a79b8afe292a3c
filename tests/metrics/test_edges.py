import numpy as np
import pytest
from metrics.references import drawn, spoiled

from sketchcli.metrics import texture

# skimage.feature.canny(grey / 255, sigma=1, low_threshold=.1, high_threshold=.2, mode="mirror") of
# scikit-image 0.26.0.
FACE = """
............................
.....##.....####.....##.....
....##................##....
....#..................#....
...#....................#...
...#....................#...
...#....................#...
...#....................#...
...#...................##...
....#........###.......#....
....##....###...########....
...###.###.............#....
.###...................####.
.........................#..
.###.....................##.
....#####...........#####...
.........###########........
...............#............
............................
............................
"""
# Of larger pictures: how many edges, and the sums of their rows, columns and of both's product.
SUMS = {
    (128, 128): ((1394, 112855, 97156, 7237844), (4495, 280745, 282213, 17448468)),
    (97, 131): ((1175, 68822, 91417, 4821463), (3549, 168776, 228079, 10801482)),
    (250, 200): ((3078, 574850, 332670, 59806270), (14345, 1757842, 1417797, 172504321)),
}


def grey(photo):
    return photo @ np.array([0.299, 0.587, 0.114])


def square(left, size=32):
    """A white picture with a black square."""
    picture = np.full((1, size, size, 3), 255, np.uint8)
    picture[:, 10:22, left : left + 12] = 0
    return picture


def test_the_edges_are_scikit_images():
    found = texture.edges(grey(drawn(20, 28)))
    assert ["".join(".#"[is_edge] for is_edge in row) for row in found.astype(int)] == FACE.split()


@pytest.mark.parametrize("size", SUMS, ids=str)
def test_the_edges_of_larger_pictures_are_scikit_images(size):
    real = drawn(*size)
    for photo, expected in zip((real, spoiled(real)), SUMS[size], strict=True):
        y, x = np.nonzero(texture.edges(grey(photo)))
        assert (len(y), y.sum(), x.sum(), (x * y).sum()) == expected


def test_a_weak_edge_counts_where_it_goes_on_from_a_strong_one():
    step = np.zeros((32, 32))
    step[:, 16:] = np.linspace(4, 30, 32)[:, None]  # a slope of 2 and of 15 levels a pixel
    found = texture.edges(step)[:, 14:18].any(axis=1)
    weak = np.zeros((32, 32))
    weak[:, 16:] = 9
    assert found[8:-2].all()
    assert not found[:4].any()
    assert not texture.edges(weak).any()


@pytest.mark.parametrize(("moved", "expected"), [(0, 1), (1, 1), (2, 0.5), (20, 0)])
def test_a_square_that_moved(moved, expected):
    found = texture.edge_agreement(square(4 + moved, 64), square(4, 64))[0]
    assert found == pytest.approx(expected, abs=0.2)
    assert (found == 1) == (moved <= 1)


def test_half_of_the_edges_are_a_recall_of_one_half():
    real = np.minimum(square(8, 64), square(40, 64))
    assert texture.edge_agreement(square(8, 64), real)[0] == pytest.approx(2 / 3)
    assert texture.edge_agreement(real, square(8, 64))[0] == pytest.approx(2 / 3)


def test_pictures_without_edges():
    flat = np.full((1, 32, 32, 3), 200, np.uint8)
    assert texture.edge_agreement(flat, flat - 100).tolist() == [1]
    assert texture.edge_agreement(flat, square(10)).tolist() == [0]
    assert texture.edge_agreement(square(10), flat).tolist() == [0]
