"""Study files: which recipes are compared, on which images, and how they are trained."""

from bakeoff.study.files import (
    builtin_studies,
    load_data_settings,
    load_study,
    study_from_toml,
    study_to_toml,
)
from bakeoff.study.recipe import Recipe
from bakeoff.study.settings.data import DataSettings
from bakeoff.study.study import Published, Study

__all__ = [
    "DataSettings",
    "Published",
    "Recipe",
    "Study",
    "builtin_studies",
    "load_data_settings",
    "load_study",
    "study_from_toml",
    "study_to_toml",
]
