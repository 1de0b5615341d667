"""Hostile zips: what is harmless comes out under names of our own, everything else is a sentence, nothing is fatal."""

from __future__ import annotations

import shutil
import stat
import struct
import warnings
import zipfile
from pathlib import Path, PurePosixPath

import pytest
from numbered import numbered

from fullstack_llm.grading.intake import archive

GOOD = "lab.ipynb"


def packed(path: Path, members: list[tuple[str | zipfile.ZipInfo, bytes]], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with zipfile.ZipFile(path, "w", method) as file:
            for name, data in members:
                file.writestr(name, data)
    return path


def unpacked(path: Path, room: int = 1 << 30) -> archive.Unpacked:
    folder = path.parent / "out"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    left = [room]

    def refuse(name: PurePosixPath, size: int) -> str:
        left[0] -= size
        return "there is no room for it" if left[0] < 0 else ""

    return archive.unpack(path, "hw.zip", folder, refuse)


def special(name: str, mode: int) -> zipfile.ZipInfo:
    one = zipfile.ZipInfo(name)
    one.create_system, one.external_attr = 3, mode << 16
    return one


def flagged(path: Path, offset: int, value: bytes, name: bytes) -> Path:
    """Overwrite a field in the directory's entry of this name; offsets as in the format's description."""
    data = bytearray(path.read_bytes())
    entry = data.rindex(b"PK\x01\x02", 0, data.rindex(name))
    data[entry + offset : entry + offset + len(value)] = value
    path.write_bytes(data)
    return path


def names(out: archive.Unpacked) -> list[str]:
    return [str(name) for name, _ in out.files]


FAULTS: dict[str, tuple[str | zipfile.ZipInfo, bytes, str]] = {
    "47 slip": ("../../evil.ipynb", b"{}", "leads out"),
    "47 slip in the midst": ("a/../../evil.ipynb", b"{}", "leads out"),
    "47 slip with backslashes": ("..\\evil.ipynb", b"{}", "leads out"),
    "47 absolute": ("/etc/evil.py", b"", "leads out"),
    "47 a drive": ("C:\\evil.py", b"", "leads out"),
    "47 link": (special("link.ipynb", stat.S_IFLNK | 0o777), b"/etc/passwd", "a link or a special file"),
    "47 device": (special("zero.py", stat.S_IFCHR | 0o666), b"", "a link or a special file"),
    "47 pipe": (special("pipe.py", stat.S_IFIFO | 0o666), b"", "a link or a special file"),
    "71 nested": ("more.zip", b"PK", "a zip inside a student"),
    "71 bomb": ("bomb.ipynb", bytes(32 << 20), "more than 200 times"),
    "72 long name": ("x" * 2_000 + ".py", b"", "more than 1,000 characters"),
    "no submission": ("notes.docx", b"", "no .ipynb or .py file"),
}


@pytest.mark.parametrize(("name", "data", "sentence"), numbered(FAULTS))
@pytest.mark.control(47)
@pytest.mark.control(71)
def test_a_member_that_could_do_harm_stays_in(
    name: str | zipfile.ZipInfo, data: bytes, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = packed(tmp_path / "hw.zip", [(GOOD, b"good"), (name, data)])
    out = unpacked(path)
    assert names(out) == [GOOD]
    assert out.files[0][1].read_bytes() == b"good"
    assert len(out.left_out) == 1
    assert sentence in out.left_out[0][1]
    assert sorted(one.name for one in tmp_path.rglob("*")) == sorted(["0.ipynb", "hw.zip", "out"])
    # The control: without the rule, it comes out.
    monkeypatch.setattr(archive, "_fault", lambda *_: "")
    assert (
        len(unpacked(packed(tmp_path / "b" / "hw.zip" if (tmp_path / "b").mkdir() else path, [(name, data)])).files)
        == 1
    )


def test_an_encrypted_member_stays_in(tmp_path: Path) -> None:
    path = packed(tmp_path / "hw.zip", [(GOOD, b"good"), ("secret.py", b"1")])
    out = unpacked(flagged(path, 8, b"\x01\x00", b"secret.py"))
    assert names(out) == [GOOD]
    assert "encrypted" in out.left_out[0][1]


def test_an_uncommon_method_stays_in(tmp_path: Path) -> None:
    path = packed(tmp_path / "hw.zip", [("lab.py", b"x" * 99)], zipfile.ZIP_LZMA)
    assert "uncommon method" in unpacked(path).left_out[0][1]


def test_of_two_members_with_one_name_the_last_counts(tmp_path: Path) -> None:
    out = unpacked(packed(tmp_path / "hw.zip", [(GOOD, b"first"), (GOOD, b"last"), ("./" + GOOD, b"same place")]))
    assert [path.read_bytes() for _, path in out.files] == [b"same place"]
    assert len(out.left_out) == 2
    assert "later file of this name" in out.left_out[0][1]


def test_a_member_gives_no_more_than_it_declares(tmp_path: Path) -> None:
    path = packed(tmp_path / "hw.zip", [("small.py", bytes(8 << 20)), (GOOD, b"good")])
    out = unpacked(flagged(path, 24, struct.pack("<I", 10), b"small.py"))
    assert names(out) == [GOOD]
    assert "small.py: it is damaged" in out.left_out[0][1]
    assert not (tmp_path / "out" / "0.py").exists()


def test_a_member_without_a_name_stays_in(tmp_path: Path) -> None:
    path = packed(tmp_path / "hw.zip", [("a.py", b"{}"), (GOOD, b"{}")])
    path.write_bytes(path.read_bytes().replace(b"a.py", b"\0.py"))
    out = unpacked(path)
    assert names(out) == [GOOD]
    assert "leads out" in out.left_out[0][1]


def test_room_is_bounded_for_all_members_together(tmp_path: Path) -> None:
    path = packed(tmp_path / "hw.zip", [(f"{number}.py", bytes(400)) for number in range(5)])
    out = unpacked(path, room=1000)
    assert names(out) == ["0.py", "1.py"]
    assert "no room" in out.left_out[0][1]


def test_too_many_members(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = packed(tmp_path / "hw.zip", [(f"{number}.py", b"") for number in range(30)])
    assert len(unpacked(path).files) == 30
    monkeypatch.setattr(archive, "MAX_MEMBERS", 20)
    out = unpacked(path)
    assert (out.files, len(out.left_out)) == ([], 1)
    assert "it has 30 members" in out.left_out[0][1]


def test_a_directory_that_would_fill_the_memory_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = packed(tmp_path / "hw.zip", [(f"{number:0200}.py", b"") for number in range(1000)])
    assert len(unpacked(path).files) == 1000
    monkeypatch.setattr(archive, "MAX_DIRECTORY", 100_000)
    assert "its directory has more than" in unpacked(path).left_out[0][1]


def overlapping(path: Path) -> Path:
    """A stored member whose content is another member, header and all: both are in order, and share their bytes."""
    inner = packed(path, [("b.py", b"x" * 500)], zipfile.ZIP_STORED).read_bytes()[: 30 + len("b.py") + 500]
    packed(path, [("a.py", inner), ("b.py", b"x" * 500)], zipfile.ZIP_STORED)
    return flagged(path, 42, struct.pack("<I", 30 + len("a.py")), b"b.py")


def test_overlapping_members(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = unpacked(overlapping(tmp_path / "hw.zip"))
    assert out.files == []
    assert "overlap" in out.left_out[0][1]
    # The control: without the rule, the same bytes come out twice.
    monkeypatch.setattr(archive, "_members", lambda file, size: file.infolist())
    one, two = (path.read_bytes() for _, path in unpacked(tmp_path / "hw.zip").files)
    assert one.endswith(two)


def test_a_disk_that_cannot_be_written_is_no_fault_of_the_zip(tmp_path: Path) -> None:
    path = packed(tmp_path / "hw.zip", [(GOOD, b"good")])
    with pytest.raises(FileNotFoundError):
        archive.unpack(path, "hw.zip", tmp_path / "nowhere", lambda name, size: "")


DAMAGED = {
    "empty": b"",
    "no zip": b"PK",
    "an end without a beginning": b"PK\x05\x06" + bytes(18),
    "a huge directory": b"PK\x05\x06" + bytes(8) + b"\xff" * 8 + bytes(2),
    "nothing but signatures": b"PK\x01\x02" * 5_000 + b"PK\x05\x06" * 500,
}


@pytest.mark.parametrize("data", DAMAGED.values(), ids=DAMAGED.keys())
def test_a_damaged_zip_is_a_sentence(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "hw.zip").write_bytes(data)
    out = unpacked(tmp_path / "hw.zip")
    assert out.files == []
    assert len(out.left_out) <= 1


def test_a_cut_or_spoiled_zip_is_a_sentence_wherever_it_is_hit(tmp_path: Path) -> None:
    whole = packed(tmp_path / "hw.zip", [(GOOD, b"good" * 50), ("é.py", b"1" * 50)]).read_bytes()
    for place in range(len(whole)):
        for data in (whole[:place], whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :]):
            (tmp_path / "hw.zip").write_bytes(data)
            for name, path in unpacked(tmp_path / "hw.zip").files:
                assert name.suffix in (".ipynb", ".py")
                path.unlink()


def test_names_are_made_printable_and_lines_are_bounded(tmp_path: Path) -> None:
    members: list[tuple[str | zipfile.ZipInfo, bytes]] = [(f"a\n\x1b[31m{number}.txt", b"") for number in range(200)]
    out = unpacked(packed(tmp_path / "hw.zip", members))
    assert len(out.left_out) == archive.MAX_SHOWN + 1
    assert "150 members more" in out.left_out[-1][1]
    assert not [line for _, line in out.left_out if "\n" in line or "\x1b" in line]


def test_hidden_files_and_those_of_a_mac_are_nobodys(tmp_path: Path) -> None:
    hidden = ("__MACOSX/._lab.ipynb", ".ipynb_checkpoints/lab.ipynb", "x/._lab.ipynb", "x/")
    members: list[tuple[str | zipfile.ZipInfo, bytes]] = [(name, b"") for name in (*hidden, GOOD)]
    out = unpacked(packed(tmp_path / "hw.zip", members))
    assert names(out) == [GOOD]
    assert [line for _, line in out.left_out] == [
        "hw.zip/.ipynb_checkpoints: an environment, a repository or checkpoints, not looked into"
    ]


def test_backslashes_of_windows_separate_folders(tmp_path: Path) -> None:
    assert names(unpacked(packed(tmp_path / "hw.zip", [("ada\\lab.py", b"")]))) == ["ada/lab.py"]
