"""load_grouped(): the images of a study whose groups are those of the data check's near duplicates."""

from __future__ import annotations

from bakeoff.audit.auditing import linked_images
from bakeoff.audit.groups import linked_groups
from bakeoff.data import ImageData, load_data
from bakeoff.data.progress import ProgressCallback
from bakeoff.data.sources.arrays import ImageArrays
from bakeoff.study import DataSettings


def load_grouped(
    settings: DataSettings,
    *,
    arrays: ImageArrays | None = None,
    progress: ProgressCallback | None = None,
) -> ImageData:
    """Load images as `load_data` does, after finding which of them are near duplicates.

    The images are decoded first without groups; the groups determine which splits are cut.
    """
    alone = load_data(settings.model_copy(update={"groups": None}), arrays=arrays, progress=progress)
    if progress:
        progress("searching near duplicates", 0, 1)
    groups = linked_groups(linked_images(alone))
    return load_data(settings, arrays=arrays, groups=groups, progress=progress)
