"""Network files as `torch.save` writes them, made by hand."""

import io
import zipfile


def zipped(pickled, storages=None, *, compression=zipfile.ZIP_STORED):
    """A pickle and its storages in a ZIP archive."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", compression) as archive:
        archive.writestr("archive/data.pkl", pickled)
        for key, numbers in (storages or {}).items():
            archive.writestr(f"archive/data/{key}", numbers)
    return content.getvalue()
