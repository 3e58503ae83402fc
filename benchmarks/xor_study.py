"""Which of 100,000 random starts of a 2-2-1 network learn XOR, and how long they wait before they do.

Full-batch gradient descent with a sigmoid output and binary cross-entropy, for three hidden activations, four
learning rates and five sizes of the normal start (weights and biases). A start has learned XOR when all four outputs
are on the right side of 1/2 after the last step, and it has left the plateau at the first step at which its loss is
below 0.95 ln 2.

On the plateau every output is 1/2 and the loss is ln 2. XOR is x1 + x2 - 2 x1 x2, and of a small start only the term
in x1 x2 can lower the loss: its coefficient in the logit is v f''(b) w1 w2, summed over the hidden units, and f'' of a
sigmoid or of tanh is itself in proportion to a small b. So the slope that leads away is a product of three small
numbers, and a start that is smaller by a factor waits longer by about its square, whatever the rate: wait times rate
is the same for all rates. A relu has its kink instead of an f'': its term is v w, and it waits for the logarithm only.

Those that never learn end where two of the four examples are right and the other two undecided, at ln 2 / 2; or, of
relus, where both units are 0 for all four.

    python benchmarks/xor_study.py                 100,080 starts of 10,000 steps: 10^9 gradient steps
    python benchmarks/xor_study.py --smoke         a hundredth of them
"""

import math
import os
import sys
import time
from functools import partial
from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import optax
import script
from jax.sharding import NamedSharding, PartitionSpec

import jaxmlp


ACTIVATIONS = (jaxmlp.sigmoid, jaxmlp.tanh, jaxmlp.relu)
RATES = (0.1, 0.3, 1.0, 3.0)
SIZES = (0.03, 0.1, 0.3, 1.0, 3.0)


def main() -> int:
    parser = script.parser(__doc__)
    parser.add_argument("--starts", type=int, default=1668, help="for each activation, rate and size")
    parser.add_argument("--steps", type=int, default=10_000)
    options = parser.parse_args()
    starts, steps = (16, 1000) if options.smoke else (options.starts, options.steps)
    started = time.perf_counter()
    rows = [row for activation in ACTIVATIONS for row in study(activation, starts, steps)]
    seconds = time.perf_counter() - started
    count = starts * len(ACTIVATIONS) * len(RATES) * len(SIZES)
    devices = f"{len(jax.devices())} device(s)"
    print(f"{count:,} starts, {steps:,} steps each, in {seconds:.1f} s on {devices}, compilation included\n")
    print("| activation | rate | size | learned | median wait, steps | wait · rate | end at |")
    print("|---|---:|---:|---:|---:|---:|---|")
    for activation, rate, size, learned, wait, end in rows:
        waited = f"{wait:.0f} | {wait * rate:.0f}" if math.isfinite(wait) else f"over {steps} | "
        print(f"| {activation} | {rate} | {size} | {learned:.1%} | {waited} | {end} |")
    names = ("activation", "rate", "size", "learned", "median wait", "end")
    figures = [dict(zip(names, row, strict=True)) | {"median wait": script.finite(row[4])} for row in rows]
    script.write(options.json, {"starts": count, "steps": steps, "seconds": seconds, "rows": figures})
    return 0


def study(activation, starts: int, steps: int):
    """One row for each rate and size."""
    batch = jaxmlp.gate("xor")
    loss_and_grads = partial(jaxmlp.loss_and_grads, hidden=activation)

    def one(key, rate, size):
        params = jaxmlp.init_params(key, (2, 2, 1), init="normal")
        params = jax.tree.map(lambda leaf: size * leaf, params)
        state, losses = jaxmlp.fit(params, batch, loss_and_grads=loss_and_grads, optimizer=optax.sgd(rate), steps=steps)
        right = (jaxmlp.predict(state.params, batch[0], hidden=activation) > 0.5) == (batch[1] > 0.5)
        left = losses < 0.95 * math.log(2)
        return right.all(), jnp.where(left.any(), jnp.argmax(left), steps), losses[-1]

    settings = list(product(RATES, SIZES))
    rates, sizes = (jnp.repeat(jnp.asarray(values), starts) for values in zip(*settings, strict=True))
    keys = jax.random.split(jax.random.key(0), len(rates))
    on_each = PartitionSpec("starts")
    mesh = jax.make_mesh((len(jax.devices()),), ("starts",))
    everyone = jax.shard_map(jaxmlp.population(one), mesh=mesh, in_specs=on_each, out_specs=on_each, check_vma=False)
    everyone = jax.jit(everyone, compiler_options=jaxmlp.small_network_options())
    args = jax.device_put((keys, rates, sizes), NamedSharding(mesh, on_each))
    learned, wait, last = (np.asarray(result).reshape(len(settings), starts) for result in everyone(*args))
    for (rate, size), right, waited, loss in zip(settings, learned, wait, last, strict=True):
        median = np.median(np.where(waited < steps, waited, np.inf))
        yield activation.name, rate, size, float(right.mean()), median, where_they_end(loss[~right])


def where_they_end(losses: np.ndarray) -> str:
    """The losses at which those that did not learn came to rest, in units of ln 2, and the share of each."""
    if not len(losses):
        return ""
    units = np.round(losses / math.log(2), 1)
    values, counts = np.unique(units, return_counts=True)
    commonest = sorted(zip(counts, values, strict=True), reverse=True)[:2]
    return ", ".join(f"{value:.1f} ln 2 ({count / len(losses):.0%})" for count, value in commonest)


if __name__ == "__main__":
    jax.config.update("jax_num_cpu_devices", len(os.sched_getaffinity(0)))
    sys.exit(main())
