"""``python -m canonic``: what ``torchrun -m canonic`` starts."""

from canonic.cli.main import main

main()
