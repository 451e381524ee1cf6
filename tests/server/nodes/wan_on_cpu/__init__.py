"""A node pack without nodes: what takes the Wan autoencoder longest is done in the ways that are fast on processors.

* InvokeAI loads it in bfloat16 on every device. PyTorch has no fast convolution for that on a processor without
  AVX512-BF16: image-to-video workflows of 5 frames take 25 to 50 s there. With convolutions in float32, rounded once at the
  end, they take a tenth of that.
* A norm across a few channels, each a whole picture, is a reduction along the outermost axis, at which PyTorch takes 30
  times as long as for the sum of squares.
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


def by_squares(normalize):
    @functools.wraps(normalize)
    def divide(input, p=2.0, dim=1, eps=1e-12, out=None):
        is_of_channels = input.ndim > 3 and input.dtype is torch.float32 and (p, dim) == (2.0, 1)
        if not is_of_channels or out is not None:
            return normalize(input, p, dim, eps, out)
        return input / input.square().sum(dim, keepdim=True).sqrt().clamp_min(eps)

    return divide


if not getattr(torch.cpu, "_is_avx512_bf16_supported", bool)():
    functional.conv2d = in_float32(functional.conv2d)
    functional.conv3d = in_float32(functional.conv3d)
functional.normalize = by_squares(functional.normalize)
