"""A node pack without nodes: it makes this server's FLUX.1 small enough for a test.

InvokeAI takes the sizes of the FLUX.1 transformer and autoencoder from constants in `invokeai.backend.flux.util`, not
from the model file, so a small file would not load. Packs are imported while the server starts; this one lowers the
numbers there. The loader, the nodes, the denoise loop and the events stay InvokeAI's own.
"""

from invokeai.backend.flux import util
from invokeai.backend.flux.model import FluxParams
from invokeai.backend.flux.modules.autoencoder import AutoEncoderParams

TRANSFORMER = {
    "context_in_dim": 64,
    "hidden_size": 64,
    "num_heads": 2,
    "axes_dim": [8, 12, 12],
    "depth": 1,
    "depth_single_blocks": 2,
    "mlp_ratio": 2.0,
}
AUTOENCODER = {"ch": 32, "ch_mult": [1, 1, 1, 1], "num_res_blocks": 1}
FULL_TEXT_WIDTH = 4096


def parameter_sets():
    """Every FLUX parameter object of the module: releases differ in how the tables are named and nested."""
    for value in list(vars(util).values()):
        yield from value.values() if isinstance(value, dict) else [value]


def shrink() -> None:
    for parameters in parameter_sets():
        if isinstance(parameters, FluxParams) and parameters.context_in_dim == FULL_TEXT_WIDTH:
            sizes = TRANSFORMER
        elif isinstance(parameters, AutoEncoderParams):
            sizes = AUTOENCODER
        else:
            continue
        for name, size in sizes.items():
            setattr(parameters, name, size)


shrink()
