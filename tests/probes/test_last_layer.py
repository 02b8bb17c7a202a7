import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import stats
from scipy.optimize import minimize
from scipy.special import logsumexp
from torch import nn

from byrote.errors import BadInput
from byrote.probes.last_layer import PENALTIES, LastLayerProbe, features_of, proxy_logits
from byrote.stats.ranking import auroc
from engine.toys import RECIPES, bound, data


def slow_proxy(features, targets, first, classes) -> np.ndarray:
    """Penalised softmax regression by SciPy on each half, one penalty after another, the best by the other half."""
    rows = np.c_[features / np.sqrt((features**2).sum(1).mean()), np.ones(len(features))]
    found = []
    for penalty in PENALTIES:
        logits = np.empty((len(rows), classes))
        for side in (True, False):
            x, y = rows[first == side], targets[first == side]

            def loss(w, x=x, y=y, penalty=penalty):
                w = w.reshape(classes, -1)
                z = x @ w.T
                p = np.exp(z - logsumexp(z, axis=1, keepdims=True))
                gradient = (p - np.eye(classes)[y]).T @ x / len(x) + penalty * w
                value = (logsumexp(z, axis=1) - z[np.arange(len(y)), y]).mean() + penalty / 2 * (w**2).sum()
                return value, gradient.ravel()

            start = np.zeros(classes * rows.shape[1])
            best = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 5000, "ftol": 1e-14})
            logits[first != side] = rows[first != side] @ best.x.reshape(classes, -1).T
        found.append(((logsumexp(logits, axis=1) - logits[np.arange(len(targets)), targets]).mean(), logits))
        if len(found) > 1 and found[-1][0] >= found[-2][0]:
            return found[-2][1]
    return found[-1][1]


def gaussian_classes(rng, examples, width, classes, apart):
    """Features around centres that lie about `apart` from each other, unit variance, and labels."""
    targets = rng.permutation(np.arange(examples) % classes)
    centres = rng.normal(size=(classes, width)) * apart / np.sqrt(2 * width)
    return centres[targets] + rng.normal(size=(examples, width)), targets


def by_means(inputs, targets, classes) -> nn.Linear:
    """The linear layer that is best if classes scatter around the means of these examples with unit variance."""
    means = np.stack([inputs[targets == k].mean(0) for k in range(classes)])
    layer = nn.Linear(inputs.shape[1], classes)
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(means))
        layer.bias.copy_(torch.from_numpy(-(means**2).sum(1) / 2))
    return layer


def test_agrees_with_the_slow_fit():
    features, targets = gaussian_classes(np.random.default_rng(0), 120, 6, 3, apart=2.0)
    first = np.random.default_rng(1).permutation(120) % 2 == 0
    found = proxy_logits(torch.from_numpy(features), torch.from_numpy(targets), torch.from_numpy(first), 3)
    np.testing.assert_allclose(found, slow_proxy(features, targets, first, 3), atol=2e-3)


def test_columns_are_what_they_say():
    rng = np.random.default_rng(2)
    features, targets = gaussian_classes(rng, 80, 5, 3, apart=2.0)
    inputs, labels = torch.from_numpy(features).float(), torch.from_numpy(targets)
    layer = by_means(features[:40], targets[:40], 3)
    found = LastLayerProbe().read(layer, inputs, labels, seed=7)
    first = np.random.default_rng([7, 5]).permutation(80) % 2 == 0
    proxy = slow_proxy(features, targets, first, 3)
    z = features @ layer.weight.detach().numpy().T + layer.bias.detach().numpy()
    for i in range(80):
        y, rest = targets[i], [k for k in range(3) if k != targets[i]]
        moved = (z[i, y] - z[i].mean()) - (proxy[i, y] - proxy[i].mean())
        odds = (z[i, y] - logsumexp(z[i, rest])) - (proxy[i, y] - logsumexp(proxy[i, rest]))
        assert found["displacement"][i] == pytest.approx(moved, abs=5e-3)
        assert found["log_odds_displacement"][i] == pytest.approx(odds, abs=5e-3)
    loss = F.cross_entropy(layer(inputs[:1]), labels[:1])
    gradients = torch.autograd.grad(loss, list(layer.parameters()))
    assert found["gradient_norm"][0] == pytest.approx(float(torch.cat([g.flatten() for g in gradients]).norm()), 1e-4)
    assert {array.dtype for array in found.values()} == {np.dtype(np.float32)}


@pytest.mark.slow
def test_the_attack_is_as_good_as_can_be_on_gaussian_features():
    """The layer knows the means of n members a class, the proxies those of all but exactly.

    Given the members' mean m, a member is N(m, 1 - 1/n) and anybody else N(mu, 1) in each of d dimensions, and of two
    classes only the difference of the weights is known: no test beats AUC Phi(sqrt(d / (4 n))).
    """
    rng, width, each, models = np.random.default_rng(3), 60, 24, 40
    scores, inside = [], []
    for model in range(models):
        features, targets = gaussian_classes(rng, 6000, width, 2, apart=1.5)
        member = np.zeros(6000, bool)
        for label in range(2):
            member[np.flatnonzero(targets == label)[:each]] = True
        layer = by_means(features[member], targets[member], 2)
        given = torch.from_numpy(features).float(), torch.from_numpy(targets)
        scores.append(LastLayerProbe().read(layer, *given, seed=model)["displacement"])
        inside.append(member)
    optimum = stats.norm.cdf(np.sqrt(width / (4 * each)))
    assert auroc(np.concatenate(scores), np.concatenate(inside)) == pytest.approx(optimum, abs=0.015)


def test_a_vector_common_to_all_classes_changes_nothing():
    features, targets = gaussian_classes(np.random.default_rng(4), 60, 4, 3, apart=2.0)
    inputs, labels = torch.from_numpy(features).float(), torch.from_numpy(targets)
    layer = by_means(features, targets, 3)
    before = LastLayerProbe().read(layer, inputs, labels, seed=0)
    with torch.no_grad():
        layer.weight += torch.tensor([3.0, -2.0, 1.0, 0.5])
        layer.bias += 5.0
    after = LastLayerProbe().read(layer, inputs, labels, seed=0)
    for name, array in before.items():
        np.testing.assert_allclose(after[name], array, atol=1e-4)


def test_halves_do_not_look_at_who_was_trained_on():
    """Labels of the examples in one's own half do not enter one's proxy once the penalty is fixed."""
    features, targets = gaussian_classes(np.random.default_rng(5), 60, 4, 3, apart=2.0)
    first = torch.arange(60) % 2 == 0
    before = proxy_logits(torch.from_numpy(features), torch.from_numpy(targets), first, 3)
    changed = targets.copy()
    changed[0] = (changed[0] + 1) % 3
    after = proxy_logits(torch.from_numpy(features), torch.from_numpy(changed), first, 3)
    torch.testing.assert_close(after[first], before[first])
    assert not torch.allclose(after[~first], before[~first])


@pytest.mark.parametrize("name", RECIPES)
def test_features_and_last_layer_make_the_logits(name):
    algorithm = bound(name)
    network = algorithm.build(0).eval()
    inputs = torch.from_numpy(data(RECIPES[name][0], examples=300).inputs)
    features, logits = features_of(network, inputs)
    last = [module for module in network.modules() if isinstance(module, nn.Linear)][-1]
    torch.testing.assert_close(last(features), logits)
    torch.testing.assert_close(network(inputs), logits, rtol=1e-4, atol=1e-5)
    LastLayerProbe().check(algorithm, network, inputs[:2], torch.tensor([0, 1]))


def test_the_last_layer_is_the_one_whose_outputs_are_the_logits():
    class Sideways(nn.Module):
        """Its linear layers run in another order than they stand in."""

        def __init__(self):
            super().__init__()
            self.head, self.body, self.spare = nn.Linear(4, 3), nn.Linear(6, 4), nn.Linear(3, 3)

        def forward(self, inputs):
            logits = self.head(self.body(inputs).relu())
            self.spare(logits)
            return logits

    network, inputs = Sideways(), torch.randn(5, 6)
    torch.testing.assert_close(features_of(network, inputs)[0], network.body(inputs).relu())


@pytest.mark.parametrize("ending", [nn.LogSoftmax(-1), nn.Tanh()], ids=lambda module: type(module).__name__)
def test_a_network_that_ends_otherwise_is_refused(ending):
    with pytest.raises(BadInput, match="logits come straight out of a linear layer; Sequential is none") as caught:
        LastLayerProbe().check(
            bound("mlp"), nn.Sequential(nn.Linear(6, 3), ending), torch.randn(2, 6), torch.tensor([0, 1])
        )
    assert "nn.Linear" in str(caught.value.hint)


def test_answers_that_are_not_finite_stay_so():
    layer = nn.Linear(4, 3)
    with torch.no_grad():
        layer.weight[0, 0] = torch.nan
    found = LastLayerProbe().read(layer, torch.randn(20, 4), torch.arange(20) % 3, seed=0)
    assert np.isnan(found["displacement"]).all()
