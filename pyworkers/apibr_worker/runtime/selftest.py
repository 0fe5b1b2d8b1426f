"""`python -m apibr_worker.runtime.selftest --device cuda:0 --json`: does torch compute here, do the engines start?

A torch build that imports may still not know the card: a kernel is missing, a library crashes, a result is wrong. So
each operation that the engines live on runs once on the device and is compared with the processor.

Standard output has JSON lines only: first {"checks": [names]}, then one line a check, in that order. A check without a
line counts as failed: a crash inside a driver ends the process without a message.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import json
import re
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ENGINES = Path(__file__).parents[1] / "engines"
MIB = 1 << 20
BLOCK = 256 * MIB
"""Bytes that the memory check takes and must get back."""
SLACK = 64 * MIB
"""Bytes that an allocator or another program may take meanwhile."""


class CheckError(Exception):
    """A check has failed; the message is the reason in one line."""


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the report. run returns a remark, or more fields of the line; any exception is a failure."""

    name: str
    run: Callable[[], str | dict[str, str]]


def checks(device: str, folders: Sequence[Path]) -> list[Check]:
    """All checks for the device ("cpu", "cuda:0"), then an import of each engine of the models venv in the folders."""
    found = [
        Check("device", lambda: describe(device)),
        Check("matmul", lambda: matmul(device, "float32")),
        Check("conv2d", lambda: convolution(device, 2)),
        Check("conv3d", lambda: convolution(device, 3)),
        Check("attention", lambda: attention(device, "float32")),
        Check("memory", lambda: memory(device)),
    ]
    if device != "cpu":
        found.insert(2, Check("matmul.float16", lambda: matmul(device, "float16")))
        found.insert(6, Check("attention.float16", lambda: attention(device, "float16")))
    for name, module in engine_modules(folders):
        found.append(Check(f"engine.{name}", lambda module=module: load_module(module)))
    return found


def engine_modules(folders: Sequence[Path]) -> list[tuple[str, str]]:
    """(id, module) of the engines that live in the models venv, by the manifests one level below the folders."""
    found: list[tuple[str, str]] = []
    for folder in folders:
        for path in sorted(folder.glob("*/manifest.yaml")):
            manifest = yaml.safe_load(path.read_text(encoding="utf-8"))
            if manifest["venv"] == "models":
                found.append((manifest["id"], manifest["module"]))
    return found


def describe(device: str) -> dict[str, str]:
    """The torch version and, of a card, its name and size. Raises CheckError when torch does not see the device."""
    import torch  # noqa: PLC0415 - a torch that cannot be imported is a finding of this check

    if device == "cpu":
        return {"detail": f"torch {torch.__version__}", "torch": torch.__version__}
    if not torch.cuda.is_available():
        raise CheckError(f"torch {torch.__version__} sees no graphics card")
    card = torch.cuda.get_device_properties(device)
    detail = f"torch {torch.__version__}, {card.name}, {card.total_memory / (1 << 30):.1f} GiB"
    return {"detail": detail, "torch": torch.__version__, "card": card.name}


def matmul(device: str, dtype: str) -> str:
    """(256, 512) @ (512, 256) against float64 on the processor."""
    import torch  # noqa: PLC0415

    a, b = random(256, 512), random(512, 256)
    kind = getattr(torch, dtype)
    return compare(a.to(device, kind) @ b.to(device, kind), a @ b, dtype)


def convolution(device: str, dimensions: int) -> str:
    """A 3x3(x3) convolution of eight channels with padding, against float64 on the processor."""
    import torch  # noqa: PLC0415

    image = random(1, 8, *[16] * dimensions)
    kernel = random(8, 8, *[3] * dimensions)
    name = f"conv{dimensions}d"
    expected = getattr(torch.nn.functional, name)(image, kernel, padding=1)
    got = getattr(torch.nn.functional, name)(
        image.to(device, torch.float32), kernel.to(device, torch.float32), padding=1
    )
    return compare(got, expected, "float32")


def attention(device: str, dtype: str) -> str:
    """torch's attention over (2, 4, 128, 64), against softmax(q k^T / 8) v in float64 on the processor."""
    import torch  # noqa: PLC0415

    query, key, value = (random(2, 4, 128, 64) for _ in range(3))
    expected = torch.softmax(query @ key.transpose(-1, -2) / 8, -1) @ value
    kind = getattr(torch, dtype)
    got = torch.nn.functional.scaled_dot_product_attention(*(x.to(device, kind) for x in (query, key, value)))
    return compare(got, expected, dtype)


def memory(device: str) -> str:
    """Takes 256 MiB, writes all of it and gives it back; fails when it is not seen to come back."""
    import torch  # noqa: PLC0415

    def free() -> int:
        gc.collect()
        if device == "cpu":
            pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
            return -pages * 4096
        torch.cuda.synchronize(device)
        torch.cuda.empty_cache()
        return torch.cuda.mem_get_info(device)[0]

    before = free()
    block = torch.ones(BLOCK, dtype=torch.uint8, device=device)
    if int(block[:: 16 * MIB].sum()) != BLOCK // (16 * MIB):
        raise CheckError("memory does not hold what was written")
    held = before - free()
    del block
    missing = before - free()
    if missing > SLACK:
        raise CheckError(f"{missing / MIB:.0f} of {BLOCK / MIB:.0f} MiB did not come back")
    if held < BLOCK - SLACK:
        raise CheckError(f"only {held / MIB:.0f} of {BLOCK / MIB:.0f} MiB were seen to be taken")
    return f"{BLOCK / MIB:.0f} MiB taken and given back"


def random(*shape: int) -> Any:
    """Standard normal numbers in float64 on the processor, the same ones each time."""
    import torch  # noqa: PLC0415

    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(sum(shape)))


def compare(got: Any, expected: Any, dtype: str) -> str:
    """The largest difference as a share of the largest expected value; CheckError when dtype does not allow it."""
    allowed = {"float32": 1e-4, "float16": 1e-2}[dtype]
    got = got.to("cpu", expected.dtype)
    difference = float((got - expected).abs().max() / expected.abs().max())
    # NaN is neither larger nor smaller than the limit: ask for what must hold.
    if not difference <= allowed:
        raise CheckError(f"the result differs from the processor's by {difference:.2g}; {allowed:.0e} is allowed")
    return f"differs by {difference:.1g}"


def load_module(module: str) -> str:
    """Imports an engine as the worker would. Raises CheckError when it has no class Engine."""
    begin = time.monotonic()
    if not hasattr(importlib.import_module(module), "Engine"):
        raise CheckError(f"{module} has no class Engine")
    return f"imported in {time.monotonic() - begin:.1f} s"


def root_cause(error: BaseException) -> str:
    """The first exception and the one that it became, in one line: a lazy import hides which module was missing."""
    inner, seen = error, {id(error)}
    while True:
        before = inner.__cause__ or (None if inner.__suppress_context__ else inner.__context__)
        if before is None or id(before) in seen:
            break
        seen.add(id(before))
        inner = before
    text = one_line(inner) if inner is error else f"{one_line(inner)} (then {one_line(error)})"
    return text[:1000]


def one_line(error: BaseException) -> str:
    """The exception without folders: the line may be shown to a user."""
    text = " ".join(str(error).split()) or "no message"
    return f"{type(error).__name__}: " + re.sub(r"(?:/[^\s/:'\"]+)+/([^\s/:'\"]+)", r"\1", text)


def perform(check: Check) -> dict[str, Any]:
    """Runs one check: {"check", "ok", "detail", "seconds"} and, of the device, "torch" and "card"."""
    begin = time.monotonic()
    try:
        found, ok = check.run(), True
    except CheckError as error:
        found, ok = str(error), False
    except BaseException as error:  # an engine's module may even call sys.exit
        if isinstance(error, KeyboardInterrupt):
            raise
        found, ok = root_cause(error), False
    fields = found if isinstance(found, dict) else {"detail": found}
    return {"check": check.name, "ok": ok, **fields, "seconds": round(time.monotonic() - begin, 3)}


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the report; 0 when every check has passed, 1 when one has not."""
    parser = argparse.ArgumentParser(prog="python -m apibr_worker.runtime.selftest", description=main.__doc__)
    parser.add_argument("--device", default="cpu", help="cpu or cuda:N, as torch counts the cards that it sees")
    parser.add_argument("--json", action="store_true", help="JSON lines instead of text")
    parser.add_argument("--manifests", action="append", type=Path, default=[], help="a further folder of engines")
    options = parser.parse_args(arguments)
    # Libraries print; their output must not come between our lines.
    output, sys.stdout = sys.stdout, sys.stderr
    try:
        todo = checks(options.device, [ENGINES, *options.manifests])
        if options.json:
            print(json.dumps({"checks": [check.name for check in todo]}), file=output, flush=True)
        failed = 0
        for check in todo:
            line = perform(check)
            failed += not line["ok"]
            text = (
                json.dumps(line)
                if options.json
                else f"{'ok  ' if line['ok'] else 'FAIL'} {check.name}: {line['detail']}"
            )
            print(text, file=output, flush=True)
    finally:
        sys.stdout = output
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
