"""A node pack without nodes: convolutions of bfloat16 are done in float32 and rounded once at the end.

InvokeAI loads the Wan autoencoder in bfloat16 on every device. A processor without AVX512-BF16 has no fast convolution for
it: one video of 5 frames takes half a minute there, and 2 s with this. The results are at least as exact.
"""

import functools

import torch
from torch.nn import functional


def in_float32(convolution):
    @functools.wraps(convolution)
    def convolve(input, weight, bias=None, *arguments, **options):
        if input.dtype is not torch.bfloat16:
            return convolution(input, weight, bias, *arguments, **options)
        bias = None if bias is None else bias.float()
        return convolution(input.float(), weight.float(), bias, *arguments, **options).to(input.dtype)

    return convolve


functional.conv2d = in_float32(functional.conv2d)
functional.conv3d = in_float32(functional.conv3d)
