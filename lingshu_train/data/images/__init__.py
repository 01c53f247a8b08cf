"""Medical pixels: read right, fitted to a model's budget, stored without metadata."""

from lingshu_train.data.images.fitting import fit
from lingshu_train.data.images.reading import Volume, dicom, grey, raster, raw, read

__all__ = ["Volume", "dicom", "fit", "grey", "raster", "raw", "read"]
