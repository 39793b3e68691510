import numpy as np
import pytest
from derivatives import central
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import labels, networks_with_images

from minigrad import MLP
from minigrad.margin import Margin


class Stranger:
    """Somebody else's model: no MLP, only what an attack may ask for."""

    def __init__(self, net):
        self.logits, self.jacobian = net.logits, net.jacobian
        if net.threshold:
            self.threshold = net.threshold


@st.composite
def cases(draw, **options):
    """`(net, x, y, target)`, with any labels and half of the time a target."""
    net, x = draw(networks_with_images(**options))
    y = draw(labels(net, len(x)))
    shift = draw(st.one_of(st.none(), st.integers(1, max(net.sizes[-1], 2) - 1)))
    return net, x, y, None if shift is None else (y + shift) % max(net.sizes[-1], 2)


def by_the_book(net, x, y, target):
    """The definition, one image at a time."""
    for N, label, goal in zip(net.logits(x), y, [None] * len(x) if target is None else target, strict=True):
        if len(N) == 1:
            yield (N[0] - net.threshold) * (1 if label == 0 else -1)
        elif goal is None:
            yield max(N[j] - N[label] for j in range(len(N)) if j != label)
        else:
            yield min(N[goal] - N[j] for j in range(len(N)) if j != goal)


@given(cases())
def test_value_is_the_definition(case):
    net, x, y, target = case
    m = Margin.from_labels(net, x, y, target).value(x)
    np.testing.assert_allclose(m, list(by_the_book(net, x, y, target)), rtol=0, atol=1e-13)


@given(cases())
def test_positive_means_the_prediction_is_what_the_attacker_wants(case):
    net, x, y, target = case
    m, predicted = Margin.from_labels(net, x, y, target).value(x), net.predict(x)
    clear = m != 0
    assert np.array_equal((m > 0)[clear], (predicted != y if target is None else predicted == target)[clear])


@given(cases())
def test_gradient_is_the_derivative_of_the_value(case):
    net, x, y, target = case
    gaps = np.diff(np.sort(net.logits(x)), axis=1)
    assume((gaps > 1e-3).all())  # where two classes tie, the best rival has a kink of its own
    margin = Margin.from_labels(net, x, y, target)
    m, g = margin.value_and_gradient(x)
    assert np.array_equal(m, margin.value(x))
    for i in range(len(x)):
        one = margin.take(np.array([i]))
        numeric = central(lambda p, one=one: one.value(p[None])[0], x[i])
        np.testing.assert_allclose(g[i], numeric, rtol=0, atol=1e-8)


@given(cases())
def test_a_strangers_model_gives_the_same(case):
    net, x, y, target = case
    own, foreign = Margin.from_labels(net, x, y, target), Margin.from_labels(Stranger(net), x, y, target)
    assert np.array_equal(own.value(x), foreign.value(x))
    for a, b in zip(own.value_and_gradient(x), foreign.value_and_gradient(x), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-13)


def test_signs_with_a_threshold():
    net = MLP.from_arrays([([[2.0]], [0.0])], threshold=0.5)
    x = np.array([[0.75], [0.75]])  # N = 1.5: a one, by 1
    m, g = Margin.from_labels(net, x, [0, 1]).value_and_gradient(x)
    assert m.tolist() == [1, -1] and g.tolist() == [[2], [-2]]


def test_ties_are_zero():
    edge = MLP.from_arrays([([[2.0]], [0.0])], threshold=0.5)
    x = np.array([[0.25], [0.25]])
    assert Margin.from_labels(edge, x, [0, 1]).value(x).tolist() == [0, 0]
    three = MLP.from_arrays([([[1.0, 1.0, 0.0]], [0.0, 0.0, 0.0])])  # classes 0 and 1 always tie
    assert Margin.from_labels(three, x, [0, 1]).value(x).tolist() == [0, 0]
    assert Margin.from_labels(three, x, [2, 2], [0, 1]).value(x).tolist() == [0, 0]


@given(cases(logits=st.integers(1, 4)))
def test_rows_keep_each_image_with_its_label(case):
    net, x, y, target = case
    margin = Margin.from_labels(net, x, y, target)
    index = np.arange(len(x))[::-1]
    np.testing.assert_allclose(margin.take(index).value(x[index]), margin.value(x)[index], rtol=0, atol=1e-13)


@given(cases(logits=st.integers(1, 4)))
def test_the_best_duel_is_the_margin(case):
    net, x, y, target = case
    margin = Margin.from_labels(net, x, y, target)
    index, duel = margin.against(x)
    k = net.sizes[-1]
    assert len(index) == len(x) * (k - 1 if k > 2 and target is None else 1)
    m = duel.value(x[index])
    best = [m[index == i].max() for i in range(len(x))]
    np.testing.assert_allclose(best, margin.value(x), rtol=0, atol=1e-13)


@given(cases(logits=st.integers(3, 4), hidden=st.just(0)))
def test_a_duel_is_against_one_rival_whatever_the_others_do(case):
    net, x, y, _ = case
    index, duel = Margin.from_labels(net, x, y).against(x)
    duel = duel.take(np.arange(len(index)))
    m, g = duel.value_and_gradient(x[index])
    N, W = net.logits(x), net.dense[0].W
    rivals = [(i, j) for i in range(len(x)) for j in range(net.sizes[-1]) if j != y[i]]
    assert sorted(zip(index, duel.target, strict=True)) == rivals
    for i, j, m_r, g_r in zip(index, duel.target, m, g, strict=True):
        assert m_r == pytest.approx(N[i, j] - N[i, y[i]], abs=1e-13)
        assert np.array_equal(g_r, W[:, j] - W[:, y[i]])


def test_evaluations_are_counted_once_for_margin_and_rows_together():
    net = MLP.init([3, 4, 3], rng=0)
    x = np.full((5, 3), 0.5)
    margin = Margin.from_labels(net, x, np.zeros(5))
    margin.value(x)
    margin.take(np.arange(2)).value_and_gradient(x[:2])
    index, duel = margin.against(x)
    duel.value(x[index])
    assert (margin.count.forward, margin.count.jacobian) == (5 + 2 + 1 + 10, 2)  # 1: how many logits there are


def test_two_margins_do_not_share_a_count():
    net, x = MLP.init([3, 1], rng=0), np.zeros((1, 3))
    one, two = Margin.from_labels(net, x, [0]), Margin.from_labels(net, x, [0])
    one.value(x)
    assert two.count.forward == 0


@pytest.mark.parametrize("k", [2, 3])
def test_a_strangers_threshold_is_for_one_logit_alone(k):
    model = MLP.init([3, k], rng=0)
    object.__setattr__(model, "threshold", 0.5)
    with pytest.raises(ValueError, match=f"expected threshold 0 of a model with {k} logits, got 0.5"):
        Margin.from_labels(model, np.zeros((1, 3)), [0])


def test_target_may_be_one_class_for_all():
    net, x = MLP.init([3, 4], rng=0), np.full((2, 3), 0.5)
    one, many = (Margin.from_labels(net, x, [0, 1], target) for target in (2, [2, 2]))
    assert np.array_equal(one.value(x), many.value(x))


@pytest.mark.parametrize(
    ("logits", "jacobian", "message"),
    [
        (lambda x: np.full((len(x), 2), np.nan), None, "expected finite logits"),
        (lambda x: np.zeros((len(x), 0)), None, r"expected the model's logits to be \(n, k\)"),
        (lambda x: np.zeros((1, 3)), None, r"logits to be finite, of shape \(2, 3\), got an array \(1, 3\)"),
        (lambda x: np.zeros((len(x), 3)), lambda x: np.zeros((len(x), 1, 4)), r"\(2, 3, 4\), got an array \(2, 1, 4\)"),
        (lambda x: np.zeros((len(x), 2)), lambda x: np.full((len(x), 2, 4), np.nan), "expected the model's jacobian"),
    ],
)
def test_a_strangers_model_that_answers_nonsense_is_told_so(logits, jacobian, message):
    methods = {"logits": staticmethod(logits), "jacobian": staticmethod(jacobian or (lambda x: None))}
    model = type("Model", (), methods)()
    x = np.full((2, 4), 0.5)
    with pytest.raises(ValueError, match=message):
        Margin.from_labels(model, x, [0, 0]).value_and_gradient(x)


@given(cases(logits=st.integers(1, 4)))
def test_the_loss_margin_climbs_the_cross_entropy(case):
    """Same value; its gradient is a positive multiple of that of log(sum exp N) - N_y, or of its fall at a target."""
    net, x, y, target = case
    own = Margin.from_labels(net, x, y, target)
    by_loss = own.by_loss()
    m, c = by_loss.value_and_gradient(x)
    assert np.array_equal(m, own.value(x))
    if net.sizes[-1] <= 2:
        assert np.array_equal(c, own.value_and_gradient(x)[1])
        return

    def loss(v, i):
        N = net.logits(v[None])[0]
        L = np.log(np.exp(N - N.max()).sum()) + N.max()
        return L - N[y[i]] if target is None else N[target[i]] - L

    for i in range(len(x)):
        N = net.logits(x[i : i + 1])[0]
        p = np.exp(N - N.max()) / np.exp(N - N.max()).sum()
        numeric = central(lambda v, i=i: loss(v, i), x[i])
        np.testing.assert_allclose((1 - p[y[i] if target is None else target[i]]) * c[i], numeric, rtol=0, atol=1e-8)
        taken = by_loss.take(np.array([i])).value_and_gradient(x[i : i + 1])[1][0]
        np.testing.assert_allclose(taken, c[i], rtol=0, atol=1e-13)


def test_the_loss_margin_of_a_certain_network_has_a_slope():
    """p_y rounds to 1, and the plain gradient of the loss to 0: the direction is still that of the best rival."""
    net = MLP.from_arrays([(1000 * np.eye(3), [0.0, 0.0, 0.0])])
    x = np.array([[1.0, 0.5, 0.0]])
    _, g = Margin.from_labels(net, x, [0]).by_loss().value_and_gradient(x)
    np.testing.assert_allclose(g, [[-1000.0, 1000.0, 0.0]], rtol=0, atol=1e-9)
