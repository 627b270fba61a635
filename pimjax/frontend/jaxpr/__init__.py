"""From a traced JAX function (a jaxpr) to the layers of a float model."""
