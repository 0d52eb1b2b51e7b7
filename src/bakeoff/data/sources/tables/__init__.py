"""Tables that name images: reading them, finding their columns and the image files."""
