"""GGUF files as a map of memory: opening costs nothing, a tensor is a view, and its pages may go whenever memory is
short.

The reader of the gguf package trusts the counts in the file (an array that claims 2**60 elements keeps it busy for
ever), and a model file may come from anywhere; so the header is read here, every number is checked against the file's
size, and only the constants of the format come from that package. Format:
https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import math
import mmap
import struct
from dataclasses import dataclass
from pathlib import Path

import torch
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

from apibr_worker.runtime.api import EngineError
from apibr_worker.runtime.sentences import Sentence, say

Kind = GGMLQuantizationType

MAX_TENSORS = 65_536
MAX_FIELDS = 65_536
MAX_DIMENSIONS = 4  # GGML_MAX_DIMS
MAX_NAME = 65_535  # bytes
PAGE = mmap.PAGESIZE

_PLAIN = {Kind.F32: torch.float32, Kind.F16: torch.float16, Kind.BF16: torch.bfloat16}
# struct format and size in bytes of the scalar value types of a metadata field, by their number in the format.
_SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
_STRING, _ARRAY = 8, 9


class DamagedFileError(EngineError):
    """The file does not agree with its header. Downloading it again helps."""

    def __init__(self, name: str, why: Sentence) -> None:
        message = say("the model's file %s is damaged (%s): install the model again", name, why)
        super().__init__("model_missing", message)


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """One tensor of the file. shape is in torch's order: (rows, columns) of a weight; offset and size are bytes."""

    name: str
    shape: tuple[int, ...]
    kind: Kind
    offset: int
    size: int

    @property
    def quantised(self) -> bool:
        """Whether the data is blocks of a quantisation rather than plain numbers."""
        return self.kind not in _PLAIN

    @property
    def row_bytes(self) -> int:
        """Bytes of one row: the last dimension."""
        block, size = GGML_QUANT_SIZES[self.kind]
        return self.shape[-1] // block * size if self.shape else size


class GGUFFile:
    """An open file. tensors are by name; metadata holds the scalar fields and strings (arrays are skipped).

    Raises DamagedFileError when a count, offset or shape of the header does not fit the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("rb") as file:
            self.size = path.stat().st_size
            if self.size < 24:
                raise DamagedFileError(path.name, say("it is too short"))
            # Private and copied on write: torch wants memory that may be written. Nobody writes, so pages stay the
            # file's.
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        header = _Header(self._map, path.name)
        self.metadata: dict[str, int | float | bool | str] = header.fields
        self.tensors: dict[str, TensorInfo] = {info.name: info for info in header.tensors}

    def raw(self, name: str, rows: slice | None = None) -> torch.Tensor:
        """The bytes of a tensor or of some of its rows: uint8 (rows, row_bytes), a view of the file."""
        info = self.tensors[name]
        count = math.prod(info.shape[:-1])
        flat = torch.frombuffer(self._map, dtype=torch.uint8, count=info.size, offset=info.offset)
        table = flat.view(count, info.row_bytes)
        return table if rows is None else table[rows]

    def plain(self, name: str, rows: slice | None = None) -> torch.Tensor:
        """A tensor of plain numbers in its own dtype and shape (float32, float16 or bfloat16), a view of the file."""
        info = self.tensors[name]
        count = math.prod(info.shape)
        whole = torch.frombuffer(self._map, dtype=_PLAIN[info.kind], count=count, offset=info.offset).view(info.shape)
        return whole if rows is None else whole[rows]

    def release(self, name: str) -> None:
        """Gives the pages of a tensor back to the system; they are read from the file again when used."""
        info = self.tensors[name]
        start = info.offset // PAGE * PAGE
        end = min(-(-(info.offset + info.size) // PAGE) * PAGE, self.size)
        self._map.madvise(mmap.MADV_DONTNEED, start, end - start)


class _Header:
    """The header's reader: a position that only moves forward, and never past the end of the file."""

    def __init__(self, data: mmap.mmap, name: str) -> None:
        self._data = data
        self._name = name
        self._at = 0
        self.fields: dict[str, int | float | bool | str] = {}
        self.tensors: list[TensorInfo] = []
        if self._take(4) != b"GGUF":
            raise self._bad(say("it does not begin as a GGUF file"))
        version = self._number("<I")
        if version not in (2, 3):
            raise self._bad(say("its version of the format is not known"))
        tensors, fields = self._number("<Q"), self._number("<Q")
        if tensors > MAX_TENSORS or fields > MAX_FIELDS:
            raise self._bad(say("it claims too many parts"))
        for _ in range(fields):
            self._field()
        infos = [self._info() for _ in range(tensors)]
        self._place(infos)

    def _bad(self, why: Sentence) -> DamagedFileError:
        return DamagedFileError(self._name, why)

    def _take(self, count: int) -> bytes:
        if count > len(self._data) - self._at:
            raise self._bad(say("it ends in its header"))
        self._at += count
        return self._data[self._at - count : self._at]

    def _number(self, code: str) -> int:
        return int(struct.unpack(code, self._take(struct.calcsize(code)))[0])

    def _string(self, limit: int) -> str:
        length = self._number("<Q")
        if length > limit:
            raise self._bad(say("a name in it is too long"))
        try:
            return self._take(length).decode()
        except UnicodeDecodeError:
            raise self._bad(say("a name in it is not text")) from None

    def _field(self) -> None:
        key = self._string(MAX_NAME)
        kind = self._number("<I")
        if kind in _SCALARS:
            code = _SCALARS[kind]
            self.fields[key] = struct.unpack(code, self._take(struct.calcsize(code)))[0]
        elif kind == _STRING:
            self.fields[key] = self._string(len(self._data))
        elif kind == _ARRAY:
            self._skip_array()
        else:
            raise self._bad(say("a field has an unknown type"))

    def _skip_array(self) -> None:
        kind, count = self._number("<I"), self._number("<Q")
        if kind in _SCALARS:
            size = struct.calcsize(_SCALARS[kind])
            if count > (len(self._data) - self._at) // size:
                raise self._bad(say("an array in it is longer than the file"))
            self._at += count * size
        elif kind == _STRING:
            for _ in range(count):  # each takes 8 bytes at least, so the file's end is the bound
                length = self._number("<Q")
                if length > len(self._data) - self._at:
                    raise self._bad(say("an array in it is longer than the file"))
                self._at += length
        else:
            raise self._bad(say("an array has an unknown type"))

    def _info(self) -> tuple[str, tuple[int, ...], Kind, int]:
        name = self._string(MAX_NAME)
        count = self._number("<I")
        if not 1 <= count <= MAX_DIMENSIONS:
            raise self._bad(say("a tensor has an impossible shape"))
        shape = tuple(self._number("<Q") for _ in range(count))[::-1]
        if any(not 0 < size < 2**40 for size in shape):
            raise self._bad(say("a tensor has an impossible shape"))
        number = self._number("<I")
        try:
            kind = Kind(number)
        except ValueError:
            raise self._bad(say("a tensor has an unknown type")) from None
        return name, shape, kind, self._number("<Q")

    def _place(self, infos: list[tuple[str, tuple[int, ...], Kind, int]]) -> None:
        """Turns offsets into places of the file. Two tensors of one name, or one that leaves the file, are refused."""
        alignment = self.fields.get("general.alignment", 32)
        if not isinstance(alignment, int) or not 0 < alignment <= PAGE or alignment & (alignment - 1):
            raise self._bad(say("its alignment is impossible"))
        start = -(-self._at // alignment) * alignment
        seen: set[str] = set()
        for name, shape, kind, offset in infos:
            block, size = GGML_QUANT_SIZES[kind]
            if shape[-1] % block:
                raise self._bad(say("a tensor's rows do not hold whole blocks"))
            length = math.prod(shape) // block * size
            if name in seen or offset % alignment or start + offset + length > len(self._data):
                raise self._bad(say("a tensor lies outside the file"))
            seen.add(name)
            self.tensors.append(TensorInfo(name, shape, kind, start + offset, length))
