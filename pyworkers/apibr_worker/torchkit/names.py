"""Where the modules of diffusers find their weights in files that keep the original projects' names.

A map says for each parameter of the diffusers module which tensor of the file holds it, and which of its rows: the
originals keep query, key and value in one matrix, and rows of a matrix can be viewed without copying. diffusers' own
converters copy them, and for FLUX hold the released width as a constant.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_PREFIX = "model.diffusion_model."


@dataclass(frozen=True, slots=True)
class Piece:
    """Where a parameter is: a tensor of the file, and the ranges of its rows that follow one another. No range means
    all.
    """

    source: str
    rows: tuple[tuple[int, int], ...] = ()


Shapes = Mapping[str, tuple[int, ...]]
"""Shapes of the file's tensors by name, in torch's order."""


class _Map:
    """Collects pieces. A tensor that the file lacks is left out; the loader of the module reports it."""

    def __init__(self, shapes: Shapes) -> None:
        self.prefix = _PREFIX if any(name.startswith(_PREFIX) for name in shapes) else ""
        self.shapes = shapes
        self.pieces: dict[str, Piece] = {}

    def has(self, source: str) -> bool:
        return self.prefix + source in self.shapes

    def rows(self, source: str) -> int:
        return self.shapes[self.prefix + source][0]

    def count(self, pattern: str) -> int:
        found = [re.match(pattern, name.removeprefix(self.prefix)) for name in self.shapes]
        return max((int(match[1]) for match in found if match), default=-1) + 1

    def same(self, target: str, source: str) -> None:
        """weight and bias of a layer, as they are."""
        for end in ("weight", "bias"):
            self.one(f"{target}.{end}", f"{source}.{end}")

    def one(self, target: str, source: str, rows: tuple[tuple[int, int], ...] = ()) -> None:
        if self.has(source):
            self.pieces[target] = Piece(self.prefix + source, rows)

    def split(self, targets: list[str], source: str, sizes: list[int] | None = None) -> None:
        """Rows of one layer for several, of equal height unless sizes are given."""
        for end in ("weight", "bias"):
            if not self.has(f"{source}.{end}"):
                continue
            total = self.rows(f"{source}.{end}")
            heights = sizes or [total // len(targets)] * len(targets)
            start = 0
            for target, height in zip(targets, heights, strict=True):
                self.one(f"{target}.{end}", f"{source}.{end}", ((start, start + height),))
                start += height

    def swapped(self, target: str, source: str) -> None:
        """The two halves of a modulation in the other order: the originals keep (shift, scale), diffusers (scale,
        shift).
        """
        for end in ("weight", "bias"):
            if self.has(f"{source}.{end}"):
                total = self.rows(f"{source}.{end}")
                self.one(f"{target}.{end}", f"{source}.{end}", ((total // 2, total), (0, total // 2)))


def flux(shapes: Shapes) -> dict[str, Piece]:
    """FluxTransformer2DModel from the names of Black Forest Labs' checkpoints."""
    m = _Map(shapes)
    m.same("x_embedder", "img_in")
    m.same("context_embedder", "txt_in")
    for theirs, ours in (("time_in", "timestep"), ("vector_in", "text"), ("guidance_in", "guidance")):
        for number, layer in ((1, "in_layer"), (2, "out_layer")):
            m.same(f"time_text_embed.{ours}_embedder.linear_{number}", f"{theirs}.{layer}")
    for i in range(m.count(r"double_blocks\.(\d+)\.")):
        _flux_double(m, f"transformer_blocks.{i}", f"double_blocks.{i}")
    for i in range(m.count(r"single_blocks\.(\d+)\.")):
        _flux_single(m, f"single_transformer_blocks.{i}", f"single_blocks.{i}")
    m.same("proj_out", "final_layer.linear")
    m.swapped("norm_out.linear", "final_layer.adaLN_modulation.1")
    return m.pieces


def _flux_double(m: _Map, ours: str, theirs: str) -> None:
    for stream, names, norm, ff, added in (
        ("img", ["to_q", "to_k", "to_v"], "norm1", "ff", ""),
        ("txt", ["add_q_proj", "add_k_proj", "add_v_proj"], "norm1_context", "ff_context", "added_"),
    ):
        m.same(f"{ours}.{norm}.linear", f"{theirs}.{stream}_mod.lin")
        m.split([f"{ours}.attn.{name}" for name in names], f"{theirs}.{stream}_attn.qkv")
        m.one(f"{ours}.attn.norm_{added}q.weight", f"{theirs}.{stream}_attn.norm.query_norm.scale")
        m.one(f"{ours}.attn.norm_{added}k.weight", f"{theirs}.{stream}_attn.norm.key_norm.scale")
        m.same(f"{ours}.{ff}.net.0.proj", f"{theirs}.{stream}_mlp.0")
        m.same(f"{ours}.{ff}.net.2", f"{theirs}.{stream}_mlp.2")
    m.same(f"{ours}.attn.to_out.0", f"{theirs}.img_attn.proj")
    m.same(f"{ours}.attn.to_add_out", f"{theirs}.txt_attn.proj")


def _flux_single(m: _Map, ours: str, theirs: str) -> None:
    m.same(f"{ours}.norm.linear", f"{theirs}.modulation.lin")
    if m.has(f"{theirs}.linear1.weight") and m.has(f"{theirs}.linear2.weight"):
        width = m.rows(f"{theirs}.linear2.weight")
        rest = m.rows(f"{theirs}.linear1.weight") - 3 * width
        targets = [f"{ours}.attn.to_q", f"{ours}.attn.to_k", f"{ours}.attn.to_v", f"{ours}.proj_mlp"]
        m.split(targets, f"{theirs}.linear1", [width, width, width, rest])
    m.same(f"{ours}.proj_out", f"{theirs}.linear2")
    m.one(f"{ours}.attn.norm_q.weight", f"{theirs}.norm.query_norm.scale")
    m.one(f"{ours}.attn.norm_k.weight", f"{theirs}.norm.key_norm.scale")


def sd3(shapes: Shapes) -> dict[str, Piece]:
    """SD3Transformer2DModel from the names of Stability AI's checkpoints (3 and 3.5)."""
    m = _Map(shapes)
    m.one("pos_embed.pos_embed", "pos_embed")
    m.same("pos_embed.proj", "x_embedder.proj")
    m.same("context_embedder", "context_embedder")
    for number, layer in ((1, 0), (2, 2)):
        m.same(f"time_text_embed.timestep_embedder.linear_{number}", f"t_embedder.mlp.{layer}")
        m.same(f"time_text_embed.text_embedder.linear_{number}", f"y_embedder.mlp.{layer}")
    count = m.count(r"joint_blocks\.(\d+)\.")
    for i in range(count):
        _sd3_block(m, f"transformer_blocks.{i}", f"joint_blocks.{i}", last=i == count - 1)
    m.same("proj_out", "final_layer.linear")
    m.swapped("norm_out.linear", "final_layer.adaLN_modulation.1")
    return m.pieces


def _sd3_block(m: _Map, ours: str, theirs: str, *, last: bool) -> None:
    x, context = f"{theirs}.x_block", f"{theirs}.context_block"
    m.split([f"{ours}.attn.to_{name}" for name in "qkv"], f"{x}.attn.qkv")
    m.split([f"{ours}.attn.add_{name}_proj" for name in "qkv"], f"{context}.attn.qkv")
    m.split([f"{ours}.attn2.to_{name}" for name in "qkv"], f"{x}.attn2.qkv")
    for name in "qk":
        m.one(f"{ours}.attn.norm_{name}.weight", f"{x}.attn.ln_{name}.weight")
        m.one(f"{ours}.attn.norm_added_{name}.weight", f"{context}.attn.ln_{name}.weight")
        m.one(f"{ours}.attn2.norm_{name}.weight", f"{x}.attn2.ln_{name}.weight")
    m.same(f"{ours}.attn.to_out.0", f"{x}.attn.proj")
    m.same(f"{ours}.attn2.to_out.0", f"{x}.attn2.proj")
    m.same(f"{ours}.norm1.linear", f"{x}.adaLN_modulation.1")
    for number, layer in ((1, "0.proj"), (2, "2")):
        m.same(f"{ours}.ff.net.{layer}", f"{x}.mlp.fc{number}")
        m.same(f"{ours}.ff_context.net.{layer}", f"{context}.mlp.fc{number}")
    m.same(f"{ours}.attn.to_add_out", f"{context}.attn.proj")
    # The last block only looks at the text, and its modulation of it is that of a final layer.
    (m.swapped if last else m.same)(f"{ours}.norm1_context.linear", f"{context}.adaLN_modulation.1")


def flux_layers(config: Mapping[str, Any]) -> Shapes:
    """The linear layers of Black Forest Labs' checkpoint for a FluxTransformer2DModel of this configuration: names and
    heights, (rows,), as far as flux() reads them.
    """
    width = config["num_attention_heads"] * config["attention_head_dim"]
    heights: dict[str, int] = dict.fromkeys(("img_in", "txt_in", "final_layer.linear"), 1)
    heights["final_layer.adaLN_modulation.1"] = 2 * width
    for part in ("time_in", "vector_in", "guidance_in"):
        heights |= {f"{part}.in_layer": 1, f"{part}.out_layer": 1}
    for i in range(config["num_layers"]):
        for stream in ("img", "txt"):
            heights[f"double_blocks.{i}.{stream}_attn.qkv"] = 3 * width
            heights |= {f"double_blocks.{i}.{stream}_{name}": 1 for name in ("mod.lin", "attn.proj", "mlp.0", "mlp.2")}
    for i in range(config["num_single_layers"]):
        mlp = 4 * width  # diffusers holds the factor as a constant
        heights |= {f"single_blocks.{i}.linear1": 3 * width + mlp, f"single_blocks.{i}.linear2": width}
        heights[f"single_blocks.{i}.modulation.lin"] = 1
    return {f"{name}.weight": (height,) for name, height in heights.items()}


def sd3_layers(config: Mapping[str, Any]) -> Shapes:
    """The same of Stability AI's checkpoint for an SD3Transformer2DModel."""
    width = config["num_attention_heads"] * config["attention_head_dim"]
    heights: dict[str, int] = dict.fromkeys(("context_embedder", "final_layer.linear"), 1)
    heights["final_layer.adaLN_modulation.1"] = 2 * width
    heights |= {f"{part}.mlp.{number}": 1 for part in ("t_embedder", "y_embedder") for number in (0, 2)}
    for i in range(config["num_layers"]):
        for stream in ("x_block", "context_block"):
            for attention in ("attn", "attn2"):
                heights[f"joint_blocks.{i}.{stream}.{attention}.qkv"] = 3 * width
                heights[f"joint_blocks.{i}.{stream}.{attention}.proj"] = 1
            heights |= {f"joint_blocks.{i}.{stream}.mlp.fc{number}": 1 for number in (1, 2)}
            last = stream == "context_block" and i == config["num_layers"] - 1
            heights[f"joint_blocks.{i}.{stream}.adaLN_modulation.1"] = 2 * width if last else 1
    return {f"{name}.weight": (height,) for name, height in heights.items()}


def plain(shapes: Shapes) -> dict[str, Piece]:
    """A file that has diffusers' own names."""
    return {name: Piece(name) for name in shapes}
