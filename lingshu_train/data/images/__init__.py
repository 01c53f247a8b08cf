"""Medical pixels: read right, fitted to a budget, stored without metadata. Which picture a row means is said in rows/."""

from lingshu_train.data.images.arrays import raw
from lingshu_train.data.images.dicoms import dicom
from lingshu_train.data.images.encoding import Encoded, encoded
from lingshu_train.data.images.fitting import fit
from lingshu_train.data.images.rasters import raster
from lingshu_train.data.images.reading import decode, read
from lingshu_train.data.images.slides import tile
from lingshu_train.data.images.volumes import Volume

__all__ = ["Encoded", "Volume", "decode", "dicom", "encoded", "fit", "raster", "raw", "read", "tile"]
