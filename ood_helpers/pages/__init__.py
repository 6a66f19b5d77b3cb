"""What only notebooks need: figures, the paper's tables as data, exercises that check themselves."""

from .course import check as check
