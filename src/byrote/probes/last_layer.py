"""What an attacker who holds the weights sees in the last layer: how it departs from layers fitted to other examples.

A network's last layer is a linear softmax model of the network's own features. The features of two networks have
nothing to do with each other, so the layers to compare with are fitted to the features of the network under attack.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from byrote.errors import BadInput
from byrote.evidence.kinds.last_layer import LAST_LAYER
from byrote.probes.contract import EndProbe
from byrote.probes.registry import probe
from byrote.probes.signals import signals
from byrote.recipes.algorithm import Algorithm

#: Examples that go through the network together.
BATCH = 256
#: Penalties on squared weights that are tried, from strong to weak, of features scaled to a mean square norm of 1.
PENALTIES = tuple(10.0**-exponent for exponent in range(1, 9))
MOST_ITERATIONS = 100


@probe
class LastLayerProbe(EndProbe):
    """How the last layer departs from proxies, and the norm of its gradient.

    Examples are divided at random into two halves, whoever was trained on them; the proxy for an example is fitted to
    the other half's features and labels. On digits that takes longer than training does.
    """

    name = "last_layer"
    kinds = (LAST_LAYER,)

    def check(self, algorithm: Algorithm, network: nn.Module, inputs: Tensor, targets: Tensor) -> None:
        """Refuse a network that does not end in a linear layer."""
        features_of(network.eval(), inputs)

    def read(self, network: nn.Module, inputs: Tensor, targets: Tensor, seed: int) -> dict[str, np.ndarray]:
        """`displacement`, `log_odds_displacement` and `gradient_norm`."""
        features, logits = features_of(network, inputs)
        first = torch.from_numpy(np.random.default_rng([seed, 5]).permutation(len(inputs)) % 2 == 0)
        proxy = proxy_logits(features, targets, first.to(inputs.device), logits.shape[1])
        off = F.one_hot(targets, logits.shape[1]) - logits.softmax(-1)
        columns = {
            "displacement": _centred_own(logits, targets) - _centred_own(proxy, targets),
            "log_odds_displacement": signals(logits, targets).log_odds - signals(proxy, targets).log_odds,
            "gradient_norm": off.norm(dim=-1) * (features.square().sum(-1) + 1).sqrt(),
        }
        return {name: values.float().cpu().numpy() for name, values in columns.items()}


def last_layer(network: nn.Module, inputs: Tensor, probe: str = "last_layer") -> nn.Linear:
    """The linear layer whose outputs are the network's logits; `probe` is who asks.

    Raises:
        BadInput: there is none.
    """
    seen: list[tuple[nn.Linear, Tensor]] = []
    hooks = [
        module.register_forward_hook(lambda layer, _, outputs: seen.append((layer, outputs)))
        for module in network.modules()
        if isinstance(module, nn.Linear)
    ]
    with torch.no_grad():
        logits = network(inputs)
    for hook in hooks:
        hook.remove()
    for layer, outputs in reversed(seen):
        same_shape = outputs.dim() == 2 and outputs.shape == logits.shape
        if same_shape and torch.allclose(outputs, logits, rtol=0, atol=0, equal_nan=True):  # nan once it diverged
            return layer
    raise BadInput(
        f"The probe {probe!r} needs a network whose logits come straight out of a linear layer; "
        f"{type(network).__name__} is none.",
        hint="end it with nn.Linear(…), or audit without this probe.",
    )


def features_of(network: nn.Module, inputs: Tensor) -> tuple[Tensor, Tensor]:
    """What goes into the last layer, `[example, feature]`, and what comes out of it, `[example, class]`."""
    layer = last_layer(network, inputs[:1])
    went_in: list[Tensor] = []
    hook = layer.register_forward_pre_hook(lambda _, given: went_in.append(given[0]))
    with torch.no_grad():
        logits = torch.cat([network(batch) for batch in torch.split(inputs, BATCH)])
    hook.remove()
    return torch.cat(went_in), logits


def proxy_logits(features: Tensor, targets: Tensor, first: Tensor, classes: int) -> Tensor:
    """Logits `[example, class]` of layers fitted to the half of the examples that each example is not in.

    The penalty is the one with which the halves predict each other best, the bias penalised as the rest.
    """
    scale = features.double().square().sum(-1).mean().sqrt().clamp_min(1e-30)
    rows = torch.cat([features.double() / scale, torch.ones_like(features[:, :1], dtype=torch.float64)], 1)
    layers = [torch.zeros(classes, rows.shape[1], dtype=torch.float64, device=rows.device) for _ in range(2)]
    best, least = rows @ layers[0].T, torch.inf
    for penalty in PENALTIES:
        logits = torch.empty_like(best)
        for side, layer in enumerate(layers):
            fitted_to = first if side else ~first
            layers[side] = _fitted(rows[fitted_to], targets[fitted_to], layer, penalty)
            logits[~fitted_to] = rows[~fitted_to] @ layers[side].T
        loss = float(F.cross_entropy(logits, targets))
        if not loss < least:
            break
        best, least = logits, loss
    return best


def _fitted(rows: Tensor, targets: Tensor, start: Tensor, penalty: float) -> Tensor:
    """The minimum of mean cross-entropy + penalty / 2 * squared weights, `[class, row]`."""
    weights = start.clone().requires_grad_()
    optimizer = torch.optim.LBFGS([weights], max_iter=MOST_ITERATIONS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = F.cross_entropy(rows @ weights.T, targets) + penalty / 2 * weights.square().sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    return weights.detach()


def _centred_own(logits: Tensor, targets: Tensor) -> Tensor:
    return logits.gather(1, targets[:, None]).squeeze(1) - logits.mean(1)
