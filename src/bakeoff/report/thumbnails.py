"""Small images inside the page."""

from __future__ import annotations

import base64
import io

import numpy as np
from numpy.typing import NDArray


def png_data_uri(image: NDArray[np.uint8]) -> str:
    """Encode a uint8 [height, width, 3] RGB image, its pixels as they are, as a `data:` address."""
    from PIL import Image

    content = io.BytesIO()
    Image.fromarray(image).save(content, "PNG")
    return f"data:image/png;base64,{base64.b64encode(content.getvalue()).decode('ascii')}"
