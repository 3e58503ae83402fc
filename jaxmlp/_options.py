"""What XLA is asked for when it compiles the training of a small network."""

from functools import cache
from typing import Any

import jax
import jax.numpy as jnp


_ON_A_CPU: dict[str, Any] = {
    "xla_cpu_experimental_ynn_fusion_type": "",  # no library calls for products and sums that are smaller than a call
    "xla_cpu_prefer_vector_width": 512,  # where the processor has such registers; 256 otherwise
    "xla_cpu_copy_insertion_use_region_analysis": True,  # fewer copies of what a loop carries from step to step
}


def small_network_options() -> dict[str, Any]:
    """Compiler options under which a program that trains small networks runs faster on a CPU.

    They belong to one program, and nothing is read from or left in the environment:

        train = jax.jit(partial(fit, ...), compiler_options=small_network_options())

    A 2-10-10-10-1 network, or a population of 2-2-1 networks, takes about two thirds of the time; networks with layers
    of more than some hundred units are better off without them, and the 2-2-1 network alone does not care.

    Returns:
      The options that the present XLA knows, for `jax.jit`; an empty dict where JAX does not compute on a CPU.

    Example:
      >>> from functools import partial
      >>> import jax
      >>> import jaxmlp
      >>> import optax
      >>> params = jaxmlp.init_params(jax.random.key(0), (2, 1))
      >>> train = partial(jaxmlp.fit, loss_and_grads=jaxmlp.loss_and_grads, optimizer=optax.sgd(1.0), steps=100)
      >>> train = jax.jit(train, compiler_options=jaxmlp.small_network_options())
      >>> state, losses = train(params, jaxmlp.gate("or"))
    """
    return dict(_known()) if jax.default_backend() == "cpu" else {}


@cache
def _known() -> dict[str, Any]:
    """Found out by compiling a number: XLA refuses a program with an option that it does not know."""
    if _compiles(_ON_A_CPU):
        return _ON_A_CPU
    return {name: value for name, value in _ON_A_CPU.items() if _compiles({name: value})}


def _compiles(options: dict[str, Any]) -> bool:
    identity = jax.jit(lambda number: number, compiler_options=options)
    try:
        identity.lower(jax.ShapeDtypeStruct((), jnp.float32)).compile()
    except jax.errors.JaxRuntimeError:  # "No such compile option", or a value that it no longer takes
        return False
    return True
