"""One folder of every kind of image file: a study of it, and its models on the same files."""

import io
import zlib

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image
from tests.data.decoding.by_hand import bmp, chunk, png, quantized, with_alpha
from tests.in_process import bakeoff as command
from tests.predict.trained import softmax, stored

import bakeoff
from bakeoff.predict.files import ImagePrediction, predict

SIDE = 24
RNG = np.random.default_rng(4)


def picture(label):
    """Stripes in the direction of the class, in 0..1: [SIDE, SIDE, 3]."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    stripes = 0.5 + 0.4 * np.sin((rows if label else columns) / 2 + RNG.uniform(0, 6))
    return np.clip(stripes[..., None] + RNG.normal(0, 0.05, (SIDE, SIDE, 3)), 0, 1)


def by_pillow(kind, mode="RGB", **options):
    def write(shares):
        file = io.BytesIO()
        image = Image.fromarray(quantized(shares, 255).astype(np.uint8))
        (image.quantize(32) if mode == "P" else image.convert(mode)).save(file, kind, **options)
        return file.getvalue()

    return write


def by_tifffile(dtype, largest, *, gray=True, **options):
    def write(shares):
        file = io.BytesIO()
        values = shares[..., 0] if gray else shares
        values = values * largest if np.dtype(dtype).kind == "f" else quantized(values, largest)
        options.setdefault("photometric", "minisblack" if gray else "rgb")
        tifffile.imwrite(file, values.astype(dtype), metadata=None, **options)
        return file.getvalue()

    return write


def hidden_bmp(shares):
    red, green, blue = np.moveaxis(quantized(shares, 255), 2, 0)
    return bmp(red << 16 | green << 8 | blue, 32, 3, 124, (0xFF0000, 0xFF00, 0xFF, 0xFF000000))


def long_text(shares):
    return png(quantized(shares, 255), 8, 2, chunk(b"zTXt", b"note\0\0" + zlib.compress(b"x" * 3_000_000)))


def pgm(shares):
    return b"P5 %d %d 4095\n" % (SIDE, SIDE) + quantized(shares[..., 0], 4095).astype(">u2").tobytes()


KINDS = {
    "plain.png": by_pillow("PNG"),
    "gray.png": by_pillow("PNG", "L"),
    "palette.gif": by_pillow("GIF", "P"),
    "photo.jpg": by_pillow("JPEG", quality=95),
    "ink.jpg": by_pillow("JPEG", "CMYK", quality=95),
    "photo.webp": by_pillow("WEBP"),
    "photo.tga": by_pillow("TGA"),
    "stated.pgm": pgm,
    "hidden.bmp": hidden_bmp,
    "hidden.png": lambda shares: png(quantized(with_alpha(shares, 0 * shares[..., 0]), 255), 8, 6),
    "long text.png": long_text,
    "10 bits.png": lambda shares: png(quantized(shares[..., 0], 1023), 16, 0),
    "10 bits in color.png": lambda shares: png(quantized(shares, 1023), 16, 2),
    "10 bits.tif": by_tifffile("u2", 1023, gray=False, compression="zlib"),
    "12 bits.tif": by_tifffile("u2", 4095, bitspersample=12),
    "white is zero.tif": lambda shares: by_tifffile("u1", 255, photometric="miniswhite")(1 - shares),
    "32 bits.tif": by_tifffile("i4", 255),
    "float.tif": by_tifffile("f4", 1),
    "gray.jp2": lambda shares: imagecodecs.jpeg2k_encode(
        quantized(shares[..., 0], 4095).astype("u2"), bitspersample=12
    ),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("odd images")
    for label, name in enumerate(("across", "along")):
        (root / name).mkdir()
        for number in range(4):
            for kind, write in KINDS.items():
                (root / name / f"{number} {kind}").write_bytes(write(picture(label)))
    return root


def test_a_folder_of_every_kind_trains_and_its_models_read_the_same_files(folder, tmp_path):
    study = bakeoff.load_study("quickstart", epochs=2, seeds=1, recipes=["lenet5"]).changed(
        data={"source": f"folder:{folder}", "image_size": 16}
    )
    result = bakeoff.run(study, tmp_path / "study")
    data = result.summary.data
    assert sum(map(sum, data.counts.values())) == 2 * 4 * len(KINDS)
    notes = " ".join(data.notes)
    for words in (
        "24 images stored as 16-bit integers: 1,023 was taken as white",
        "8 images stored as signed 32-bit integers: 255 was taken as white",
        "8 images stored as floating-point numbers: 1 was taken as white",
        "16 images with an alpha channel that is 0 everywhere",
        "8 images in CMYK",
    ):
        assert words in notes
    arrays = stored(tmp_path / "study", "lenet5", 0)
    files = [folder / name for name in arrays["test_ids"]]
    outcomes = list(predict(tmp_path / "study", files))
    assert all(isinstance(outcome, ImagePrediction) for outcome in outcomes)
    probabilities = np.stack([outcome.probabilities for outcome in outcomes])
    np.testing.assert_allclose(probabilities, softmax(arrays["test_logits"]), rtol=1e-12)
    with np.load(tmp_path / "study" / "test_images.npz") as images:
        contrast = images["images"].std(axis=(1, 2, 3))
    assert contrast.min() > 40, files[contrast.argmin()]  # none is nearly black or white


def test_the_number_of_files_left_out_is_shown_by_every_command_and_in_the_report(folder, tmp_path):
    for name in ("across", "along"):
        (tmp_path / "images" / name).mkdir(parents=True)
        for file in (folder / name).glob("*.png"):
            (tmp_path / "images" / name / file.name).symlink_to(file)
        (tmp_path / "images" / name / "1.HEIC").write_bytes(b"no image")
    (tmp_path / "images" / "@eaDir").mkdir()
    notes = (
        "Ignored 2 files of kinds that are not read: 2 .heic.",
        "Ignored 1 hidden or system file or folder: @eaDir.",
    )
    run = ["run", "quickstart", "--data", "folder:images", "--epochs", "1", "--seeds", "1", "--out", "study"]
    run += ["--recipes", "lenet5", "--set", "data.image_size=16"]
    for words in (["data", "info", "folder:images"], ["data", "check", "folder:images"], run):
        done = command(*words, cwd=tmp_path)
        output = " ".join(done.stdout.split())
        assert all(note in output for note in notes), done.stdout + done.stderr
    page = (tmp_path / "study/report/index.html").read_text(encoding="utf-8")
    assert all(note in page for note in notes)
