"""A header that lies costs one line and no memory; damage anywhere in a file never comes out as another exception."""

from __future__ import annotations

import gzip
import io
import random
import resource
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from pictures import damaged, noise, write_dicom
from PIL import Image

from lingshu_train.data import images
from lingshu_train.data.images.excerpt import Excerpt
from lingshu_train.errors import DataError, LingshuError, MissingInput
from lingshu_train.model import shape

pydicom = pytest.importorskip("pydicom")
nibabel = pytest.importorskip("nibabel")
tifffile = pytest.importorskip("tifffile")

BUDGET = {"budget": shape.of("qwen2_5_vl").published_budget(max_pixels=200_704)}
SLICE = Excerpt(plane="axial", index=0)


def png_bomb(path: Path) -> Path:
    Image.new("1", (12_000, 12_000)).save(path)
    return path


def deflated_bomb(path: Path) -> Path:
    """Some kilobytes that inflate to 160 million bytes."""
    dataset = pydicom.dcmread(write_dicom(path, np.zeros((4, 4), dtype=np.uint8)))
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
    dataset.save_as(path)
    packer = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    block = packer.compress(b"\0" * 2**24)
    head = path.read_bytes()
    with path.open("rb") as file:
        pydicom.filereader.read_preamble(file, force=False)
        pydicom.filereader._read_file_meta_info(file)
        start = file.tell()
    with path.open("wb") as file:
        file.write(head[:start] + block)
        for _ in range(9):
            file.write(packer.compress(b"\0" * 2**24))
        file.write(packer.flush())
    return path


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"Rows": 60_000, "Columns": 60_000}, "the header says 60000x60000 pixels; between 1 and 64,000,000"),
        (
            {"Rows": 4000, "Columns": 4000},
            r"the header says 16,000,000 bytes of pixels, but the file has \d,?\d+ in all",
        ),
        ({"NumberOfFrames": 2_000_000}, "the header says 2,000,000 frames; between 1 and 1,000,000"),
        ({"NumberOfFrames": 50_000}, "the header says 200,000 bytes of pixels, but the file has"),
        ({"Rows": 0}, "the header says 2x0 pixels"),
    ],
)
def test_a_dicom_header_that_claims_too_much_is_refused(
    tmp_path: Path, values: dict[str, int], message: str
) -> None:
    path = write_dicom(tmp_path / "bomb.dcm", np.zeros((2, 2), dtype=np.uint8), **values)
    with pytest.raises(DataError, match=rf"bomb\.dcm: {message}"):
        images.dicom(path)


def test_a_compressed_dicom_cannot_claim_more_than_a_codec_packs(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "bomb.dcm", np.zeros((2, 2), dtype=np.uint8))
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.JPEG2000Lossless
    dataset.Rows = dataset.Columns = 8000
    dataset.PixelData = pydicom.encaps.encapsulate([b"\xff\x4f" + b"0" * 64])
    dataset.save_as(path)
    with pytest.raises(
        DataError, match=r"bomb\.dcm: the header says 64,000,000 bytes of pixels, but the file has"
    ):
        images.dicom(path)


def test_bombs_take_no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lingshu_train.data.images.dicoms.AT_ONCE", 2**24)
    bombs = {
        png_bomb(tmp_path / "bomb.png"): r"bomb\.png: the header says 12000x12000 pixels",
        deflated_bomb(tmp_path / "bomb.dcm"): r"bomb\.dcm: inflates to more than the 16,777,216 bytes",
    }
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for path, message in bombs.items():
        assert path.stat().st_size < 10_000_000
        with pytest.raises(DataError, match=message):
            images.read(path)
        with pytest.raises(DataError, match=message):
            images.encoded(path, **BUDGET)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60_000


def test_text_in_a_png_is_not_inflated_without_bound(tmp_path: Path) -> None:
    plain = io.BytesIO()
    Image.new("L", (4, 4)).save(plain, "PNG")
    content = b"Comment\0\0" + zlib.compress(b"\0" * 20_000_000)
    chunk = (
        struct.pack(">I", len(content)) + b"zTXt" + content + struct.pack(">I", zlib.crc32(b"zTXt" + content))
    )
    path = tmp_path / "bomb.png"
    path.write_bytes(plain.getvalue()[:33] + chunk + plain.getvalue()[33:])
    with pytest.raises(
        DataError, match=r"bomb\.png: cannot be read as an image: Decompressed data too large"
    ):
        images.read(path)


def test_a_missing_file_is_missing_input(tmp_path: Path) -> None:
    for read in (images.raster, images.dicom, images.Volume, images.read, images.tile):
        with pytest.raises(MissingInput, match="absent: no such file"):
            read(tmp_path / "absent")  # type: ignore[operator]
    with pytest.raises(MissingInput, match="absent: no such file"):
        images.encoded(tmp_path / "absent", **BUDGET)
    with pytest.raises(DataError, match="row 7: holds no bytes"):
        images.encoded(b"", name="row 7", **BUDGET)
    with pytest.raises(DataError, match=r"cannot be read as an image: .*directory"):
        images.read(tmp_path)


def samples(folder: Path) -> dict[str, tuple[bytes, Excerpt]]:
    """A small whole file of each kind."""
    found: dict[str, tuple[bytes, Excerpt]] = {}
    colour, grey = Image.fromarray(noise(40, 48)), Image.fromarray(noise(40, 48, 1))
    for name, image, kind in (
        ("png", colour, "PNG"),
        ("jpeg", colour, "JPEG"),
        ("grey jpeg", grey, "JPEG"),
        ("tiff", colour, "TIFF"),
        ("gif", grey, "GIF"),
        ("webp", colour, "WEBP"),
        ("bmp", grey, "BMP"),
    ):
        buffer = io.BytesIO()
        image.save(buffer, kind)
        found[name] = buffer.getvalue(), Excerpt()
    tifffile.imwrite(
        folder / "slide.tif", noise(80, 80), tile=(32, 32), compression="zlib", photometric="rgb"
    )
    found["slide"] = (folder / "slide.tif").read_bytes(), Excerpt(box=(10, 10, 70, 70))
    plain = write_dicom(
        folder / "plain.dcm",
        noise(16, 16, 1).astype(np.int16),
        WindowCenter=100,
        WindowWidth=200,
        RescaleSlope=1,
    )
    found["dicom"] = plain.read_bytes(), Excerpt()
    for name in ("MR_small_RLE.dcm", "SC_rgb_jpeg_gdcm.dcm", "examples_palette.dcm"):
        found[name] = Path(str(pydicom.data.get_testdata_file(name))).read_bytes(), Excerpt()
    nibabel.save(nibabel.Nifti1Image(noise(6, 6, 6), np.eye(4)), folder / "volume.nii")
    volume = (folder / "volume.nii").read_bytes()
    found["nifti"], found["gzipped nifti"] = (volume, SLICE), (gzip.compress(volume), SLICE)
    header = b"NRRD0004\ntype: uint8\ndimension: 3\nsizes: 4 4 4\nencoding: raw\nspace: RAS\n"
    header += b"space directions: (1,0,0) (0,1,0) (0,0,1)\n\n"
    found["nrrd"] = header + bytes(range(64)), SLICE
    return found


def test_damage_is_one_line_or_a_picture_and_nothing_else(tmp_path: Path) -> None:
    rng = random.Random(0)
    refused = 0
    for name, (content, excerpt) in samples(tmp_path).items():
        assert name == "nrrd" or images.read(Path("row 7"), data=content, excerpt=excerpt).mode == "RGB"
        for _ in range(60):
            try:
                kept = images.encoded(damaged(content, rng), name="row 7", excerpt=excerpt, **BUDGET)
                assert kept.width > 0 and Image.open(io.BytesIO(kept.data)).size == kept[2:4], name
            except LingshuError as fault:
                assert (
                    str(fault).startswith("row 7: ") and "\n" not in str(fault) and " at 0x" not in str(fault)
                ), name
                refused += 1
    assert refused > 300
