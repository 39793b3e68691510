"""What is a tree, and what is none."""

import numpy as np
import pytest

from attacks.proofs.tree import LEAF, PIXEL, Tree


def test_trees_number_children_as_they_come():
    tree = Tree(2)
    assert tree.split(np.array([1, 0]), np.array([0, PIXEL]), np.array([3, 7])).tolist() == [2, 3, 4, 5]
    assert (tree.layer, tree.index, tree.child) == (
        [PIXEL, 0, LEAF, LEAF, LEAF, LEAF],
        [7, 3, 0, 0, 0, 0],
        [4, 2, 0, 0, 0, 0],
    )


GOOD = [[0, LEAF, LEAF], [0, 0, 0], [1, 0, 0]]


@pytest.mark.parametrize(
    ("roots", "rows", "message"),
    [
        (1, [[0, LEAF, LEAF], [0, 0, 0], [0, 0, 0]], "one child of an earlier node"),
        (1, [[0, LEAF, LEAF], [0, 0, 0], [2, 0, 0]], "one child of an earlier node"),
        (1, [[LEAF, LEAF, LEAF], [0, 0, 0], [0, 0, 0]], "one child of an earlier node"),
        (1, [[0, 0, LEAF, LEAF], [0, 0, 0, 0], [2, 2, 0, 0]], "one child of an earlier node"),
        (2, GOOD, "one child of an earlier node"),
        (0, GOOD, "out of range"),
        (4, GOOD, "out of range"),
        (1, [[-3, LEAF, LEAF], [0, 0, 0], [1, 0, 0]], "out of range"),
        (1, [[0, LEAF, LEAF], [-1, 0, 0], [1, 0, 0]], "out of range"),
        (1, np.array(GOOD, float), "out of range"),
        (1, [[LEAF, LEAF, 0], [0, 0, 0], [0, 0, 0]], "one child of an earlier node"),  # a node above its parent
    ],
)
def test_what_is_no_tree_is_refused(roots, rows, message):
    assert len(Tree.from_rows(1, np.array(GOOD))) == 3
    with pytest.raises(ValueError, match=message):
        Tree.from_rows(roots, np.asarray(rows))
