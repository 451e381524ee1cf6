"""A node pack without nodes: convolutions of bfloat16 are done in float32 and rounded once at the end.

InvokeAI loads the Wan autoencoder in bfloat16 on every device. PyTorch has no fast convolution for it on a processor
without AVX512-BF16: image-to-video workflows of 5 frames take 25 to 50 s there, and 3 to 5 s with this.
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
