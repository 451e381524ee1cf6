"""The pieces the model families share: tokenizers made here, text encoders, autoencoders, and how they are stored."""

import functools
import io
import itertools
import json
import random
from pathlib import Path

import sentencepiece
import torch
from diffusers import AutoencoderKL, ModelMixin
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, T5TokenizerFast

HALF, BRAIN = torch.float16, torch.bfloat16


def write_json(path: Path, value) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False), encoding="utf-8")


def save_tensors(path: Path, tensors: dict[str, torch.Tensor], dtype=HALF) -> None:
    save_file({name: tensor.to(dtype).contiguous() for name, tensor in tensors.items()}, path)


def save_pipeline(folder: Path, kind: str, dtype, parts: dict, **settings) -> None:
    """A diffusers folder. A part is a model, a scheduler, or a pair of a tokenizer's class name and its writer."""
    index = {"_class_name": kind, "_diffusers_version": "0.35.0", **settings}
    for name, part in parts.items():
        if isinstance(part, tuple):
            library, class_name = "transformers", part[0]
            part[1](folder / name)
        else:
            library, class_name = type(part).__module__.split(".")[0], type(part).__name__
            (part.to(dtype) if isinstance(part, torch.nn.Module) else part).save_pretrained(folder / name)
        index[name] = [library, class_name]
    write_json(folder / "model_index.json", index)


# Tokenizers -----------------------------------------------------------------------------------------------------------


@functools.cache
def byte_alphabet() -> list[str]:
    """The printable character that byte-level encoders use for each of the 256 bytes."""
    spare = itertools.count(256)
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    return [chr(byte if byte in printable else next(spare)) for byte in range(256)]


CLIP_MERGES = ["t h", "i n", "e r", "a n", "o n", "r e"]
CLIP_SPECIAL = ["<|startoftext|>", "<|endoftext|>"]


def clip_vocabulary() -> list[str]:
    plain = byte_alphabet() + [pair.replace(" ", "") for pair in CLIP_MERGES]
    return plain + [token + "</w>" for token in plain] + CLIP_SPECIAL


def clip_tokenizer(pad: str = CLIP_SPECIAL[1]):
    """Takes any text: about a token for each byte, and a few merges."""

    def write(folder: Path) -> None:
        start, end = CLIP_SPECIAL
        special = {"bos_token": start, "eos_token": end, "unk_token": end, "pad_token": pad}
        settings = {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77, "do_lower_case": True}
        write_json(folder / "vocab.json", {token: number for number, token in enumerate(clip_vocabulary())})
        write_json(folder / "tokenizer_config.json", settings | special)
        write_json(folder / "special_tokens_map.json", special)
        merges = ["#version: 0.2", *CLIP_MERGES, *(pair + "</w>" for pair in CLIP_MERGES)]
        (folder / "merges.txt").write_text("\n".join(merges) + "\n", encoding="utf-8")

    return "CLIPTokenizer", write


@functools.cache
def sentencepiece_model() -> bytes:
    """A unigram model of generated words. Kept in memory: a file name would become part of its bytes."""
    chance = random.Random(41)
    syllables = ["ba", "de", "fi", "go", "lu", "ma", "ne", "pi", "ro", "su", "ta", "ve", "ing", "er", "the", "of"]
    word = lambda: "".join(chance.choices(syllables, k=chance.randint(1, 3)))
    lines = [" ".join(word() for _ in range(9)) for _ in range(400)]
    lines += [f"{chr(code)}{chr(code)} {chr(code)}" for code in range(0x21, 0x7F)] * 3
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines), model_writer=model, model_type="unigram", vocab_size=400, hard_vocab_limit=False,
        character_coverage=1.0, pad_id=0, eos_id=1, unk_id=2, bos_id=-1, num_threads=1, shuffle_input_sentence=False,
        minloglevel=2,
    )  # fmt: skip
    return model.getvalue()


def write_t5_tokenizer(folder: Path) -> None:
    """Both forms: tokenizer.json for today's transformers, spiece.model for those of older releases."""
    pieces = sentencepiece.SentencePieceProcessor(model_proto=sentencepiece_model())
    vocabulary = [(pieces.id_to_piece(i), pieces.get_score(i)) for i in range(pieces.get_piece_size())]
    T5TokenizerFast(vocab=vocabulary, extra_ids=0, model_max_length=512).save_pretrained(folder)
    (folder / "spiece.model").write_bytes(sentencepiece_model())
    write_json(folder / "tokenizer_config.json", {
        "tokenizer_class": "T5Tokenizer", "model_max_length": 512, "extra_ids": 0, "legacy": True,
        "additional_special_tokens": [], "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>",
    })  # fmt: skip


T5_TOKENIZER = ("T5TokenizerFast", write_t5_tokenizer)


# Models ---------------------------------------------------------------------------------------------------------------


def clip_text(width: int, layers: int = 1, projection: int | None = None):
    """A CLIP text encoder; the width is what InvokeAI tells CLIP-L (768) and CLIP-G (1280) apart by."""
    size = len(clip_vocabulary())
    config = CLIPTextConfig(
        vocab_size=size, hidden_size=width, intermediate_size=64, num_hidden_layers=layers,
        num_attention_heads=width // 64, projection_dim=projection or width, max_position_embeddings=77,
        hidden_act="quick_gelu", bos_token_id=size - 2, eos_token_id=size - 1, pad_token_id=size - 1,
    )  # fmt: skip
    return (CLIPTextModelWithProjection if projection else CLIPTextModel)(config)


def t5_encoder(kind, config_kind, width: int, layers: int = 1):
    return kind(config_kind(
        vocab_size=512, d_model=width, d_kv=32, d_ff=64, num_layers=layers, num_decoder_layers=0, num_heads=2,
        feed_forward_proj="gated-gelu", tie_word_embeddings=False, is_encoder_decoder=False, use_cache=False,
        pad_token_id=0, eos_token_id=1,
    ))  # fmt: skip


def autoencoder(scaling: float, channels: int = 4, sample: int = 256, **more) -> ModelMixin:
    return AutoencoderKL(
        latent_channels=channels, scaling_factor=scaling, sample_size=sample, block_out_channels=(16, 16, 32, 32),
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4, layers_per_block=1,
        norm_num_groups=8, **more,
    )  # fmt: skip
