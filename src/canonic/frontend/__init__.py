"""The front end: torch.export, the operator table, folding."""

from canonic.frontend.archive import open_program as open_program
from canonic.frontend.arguments import arguments as arguments
from canonic.frontend.capture import Example as Example
from canonic.frontend.capture import as_inputs as as_inputs
from canonic.frontend.capture import captured as captured
from canonic.frontend.capture import export as export
from canonic.frontend.check import require_finite as require_finite
from canonic.frontend.check import require_same as require_same
from canonic.frontend.decompose import decompose_unknown as decompose_unknown
from canonic.frontend.fold import fold as fold
from canonic.frontend.importer import import_program as import_program
from canonic.frontend.marks import marked as marked
from canonic.frontend.models import Model as Model
from canonic.frontend.models import in_training as in_training
from canonic.frontend.models import known_model as known_model
from canonic.frontend.quiet import quiet as quiet
from canonic.frontend.verdict import Verdict as Verdict
