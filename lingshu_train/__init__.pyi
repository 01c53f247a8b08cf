# What type checkers and editors see of the package: the API that __init__.py imports when it is asked for.
from lingshu_train.api import LingshuError as LingshuError
from lingshu_train.api import Sample as Sample
from lingshu_train.api import card as card
from lingshu_train.api import cards as cards
from lingshu_train.api import evaluate as evaluate
from lingshu_train.api import judge as judge
from lingshu_train.api import plan as plan
from lingshu_train.api import recipe as recipe
from lingshu_train.api import recipes as recipes
from lingshu_train.api import results as results
from lingshu_train.api import run as run
from lingshu_train.api import score as score
from lingshu_train.api import status as status
from lingshu_train.api import verify_run as verify_run
from lingshu_train.api import write_report as write_report

__version__: str
