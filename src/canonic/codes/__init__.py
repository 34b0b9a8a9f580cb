"""Codes: how the spikes of a population stand for numbers."""

from canonic.codes.binary import Binary as Binary
from canonic.codes.binary import FewSpike as FewSpike
from canonic.codes.burst import Burst as Burst
from canonic.codes.burst import GrowingBurst as GrowingBurst
from canonic.codes.css import CSS as CSS
from canonic.codes.css import MOST_LEVELS as MOST_LEVELS
from canonic.codes.css import MOST_STEPS as MOST_STEPS
from canonic.codes.css import fewest_levels as fewest_levels
from canonic.codes.latency import ExponentialLatency as ExponentialLatency
from canonic.codes.latency import Latency as Latency
from canonic.codes.multi_threshold import Differential as Differential
from canonic.codes.multi_threshold import MultiThreshold as MultiThreshold
from canonic.codes.named import CODES as CODES
from canonic.codes.named import code_of as code_of
from canonic.codes.named import codes_in as codes_in
from canonic.codes.named import from_json as from_json
from canonic.codes.named import named as named
from canonic.codes.named import text_of as text_of
from canonic.codes.phase import Phase as Phase
from canonic.codes.rate import Rate as Rate
from canonic.codes.rate import SignedRate as SignedRate
from canonic.codes.weighted import Weighted as Weighted
