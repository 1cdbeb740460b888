"""Pictures in the formats that people have, and what Pillow makes of them: a byte for every entry.

    python pictures.py OUT

Made with Pillow 13. The pictures are small; `reference.json` says how each is prepared and what comes out, planes one after another.
"""

import base64
import json
import os
import sys

import numpy as np
from PIL import Image, ImageOps

OUT = sys.argv[1]
os.makedirs(OUT, exist_ok=True)
FILTERS = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3, "box": 4, "hamming": 5}
random = np.random.default_rng(3)
smooth = np.kron(random.integers(0, 256, (5, 7, 3)), np.ones((7, 7, 1))).astype(np.uint8)
noisy = (smooth.astype(int) + random.integers(-60, 60, smooth.shape)).clip(0, 255).astype(np.uint8)
picture = Image.fromarray(noisy)
said = []


def prepared(name, channels, resize=None, shortest=None, filter="bilinear", crop=None):
    image = ImageOps.exif_transpose(Image.open(f"{OUT}/{name}")).convert("RGB" if channels == 3 else "L")
    if shortest:
        w, h = image.size
        size = (shortest, int(shortest * h / w)) if w <= h else (int(shortest * w / h), shortest)
        image = image.resize(size, FILTERS[filter])
    if resize:
        image = image.resize((resize[1], resize[0]), FILTERS[filter])
    x = np.asarray(image).reshape(image.size[1], image.size[0], channels)
    if crop:
        h, w = x.shape[:2]
        big = np.zeros((max(h, crop[0]), max(w, crop[1]), channels), np.uint8)
        top, left = -(-(big.shape[0] - h) // 2), -(-(big.shape[1] - w) // 2)
        big[top:top + h, left:left + w] = x
        top, left = top + (h - crop[0]) // 2, left + (w - crop[1]) // 2
        x = big[max(0, top):top + crop[0], max(0, left):left + crop[1]]
    x = x.transpose(2, 0, 1)
    said.append({"file": name, "shape": list(x.shape), "resize": resize, "shortest": shortest, "filter": filter,
                 "crop": crop is not None, "bytes": base64.b64encode(x.tobytes()).decode()})


def exif(number):
    tags = Image.Exif()
    tags[0x0112] = number
    return tags


picture.save(f"{OUT}/plain.png")
picture.save(f"{OUT}/turned.png", exif=exif(6))
picture.convert("L").save(f"{OUT}/grey.png")
Image.fromarray((np.arange(35 * 9, dtype=np.uint16).reshape(35, 9) * 3)).save(f"{OUT}/grey16.png")
picture.convert("P", palette=Image.Palette.ADAPTIVE).save(f"{OUT}/palette.png")
picture.save(f"{OUT}/lossless.webp", lossless=True, exif=exif(3))
picture.save(f"{OUT}/plain.bmp")
picture.save(f"{OUT}/plain.tiff", exif=exif(8))
for filter in FILTERS:
    prepared("plain.png", 3, resize=[20, 16], filter=filter)
    prepared("plain.png", 3, resize=[50, 61], filter=filter)
prepared("plain.png", 3, resize=[35, 20], filter="bicubic")
prepared("plain.png", 3, shortest=24, filter="bicubic", crop=[16, 20])
prepared("plain.png", 3, shortest=13, filter="lanczos", crop=[15, 24])
prepared("plain.png", 3, crop=[40, 60])
prepared("turned.png", 3, shortest=20, crop=[20, 20])
prepared("turned.png", 3)
prepared("grey.png", 1, resize=[16, 16], filter="bicubic")
prepared("grey.png", 3)
prepared("plain.png", 1)
prepared("grey16.png", 3)
prepared("grey16.png", 1)
prepared("palette.png", 3)
prepared("lossless.webp", 3, resize=[16, 16], filter="bicubic")
prepared("plain.bmp", 3)
prepared("plain.tiff", 3)
# Decoders of JPEG differ, and a CMYK one is made of four channels.
picture.save(f"{OUT}/turned.jpg", quality=95, subsampling=0, exif=exif(6))
Image.fromarray(smooth).convert("CMYK").save(f"{OUT}/cmyk.jpg", quality=95, subsampling=0)
prepared("turned.jpg", 3, resize=[16, 16], filter="bicubic")
prepared("cmyk.jpg", 3)
with open(f"{OUT}/reference.json", "w") as file:
    file.write("[\n" + ",\n".join(json.dumps(entry) for entry in said) + "\n]\n")
