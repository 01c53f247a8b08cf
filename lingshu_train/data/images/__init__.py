"""Medical pixels: read right, fitted to a model's budget, stored without metadata."""

from lingshu_train.data.images.arrays import raw
from lingshu_train.data.images.dicoms import dicom
from lingshu_train.data.images.fitting import fit
from lingshu_train.data.images.rasters import raster
from lingshu_train.data.images.reading import decode, read
from lingshu_train.data.images.slides import tile
from lingshu_train.data.images.storing import Stored, stored
from lingshu_train.data.images.volumes import Volume

__all__ = ["Stored", "Volume", "decode", "dicom", "fit", "raster", "raw", "read", "stored", "tile"]
