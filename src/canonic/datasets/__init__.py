"""Data: pictures in folders, zip files, arrays and IDX files, and scikit-learn's embedded handwritten digits."""

from canonic.datasets.data import Data as Data
from canonic.datasets.data import Preprocessing as Preprocessing
from canonic.datasets.data import collate as collate
from canonic.datasets.data import inputs_of as inputs_of
from canonic.datasets.data import sample as sample
from canonic.datasets.data import unlabelled as unlabelled
from canonic.datasets.labels import labels_of as labels_of
from canonic.datasets.labels import with_classes as with_classes
from canonic.datasets.opener import open_data as open_data
